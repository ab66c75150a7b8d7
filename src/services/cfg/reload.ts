import { CsError, type CsStatus } from '../../lib/errors.ts';
import type { MainEngineContext } from '../engine.ts';
import type { Refusal, Reloader } from './ports.ts';

const TOTEM_KEY = 'config.totemconfig_reload_in_progress';
const RELOAD_KEY = 'config.reload_in_progress';
const STATUS_KEY = 'config.reload_status';
const ERROR_KEY = 'config.reload_error_message';

export interface ReloadOutcome {
  readonly status: CsStatus;
  readonly cryptoChanged: boolean;
}

/**
 * One reload on this node (services.md 8.5, config-and-tools.md 1.10). The keys that mark its phases are stock's. What
 * differs: everything is validated before the first key changes, and the marks are always taken back, also after a file
 * that does not parse.
 */
export async function runReload(context: MainEngineContext, reloader: Reloader): Promise<ReloadOutcome> {
  const { cmap } = context;
  if (cmap.has(ERROR_KEY)) cmap.delete(ERROR_KEY);
  cmap.setU8(TOTEM_KEY, 1);
  let outcome: ReloadOutcome = { status: CsError.INVALID_PARAM, cryptoChanged: false };
  let applying = false;
  try {
    const prepared = await reloader.prepare();
    if (prepared.ok) {
      applying = true;
      cmap.setU8(RELOAD_KEY, 1);
      for (const key of prepared.ignoredKeys) {
        context.log(
          'notice',
          'CFG',
          `Modified entry '${key}' in corosync.conf cannot be changed at run-time`,
          'unchangeable',
        );
      }
      const applied = await prepared.apply();
      if (applied.errorMessage !== null) cmap.setString(ERROR_KEY, applied.errorMessage);
      outcome = { status: CsError.OK, cryptoChanged: applied.cryptoChanged };
    } else fail(context, prepared);
  } catch (error) {
    fail(context, { reason: error instanceof Error ? error.message : String(error) });
  }
  // In this order: the first flag wakes votequorum, the links and device daemons, the second one logging.
  cmap.setI32(STATUS_KEY, outcome.status);
  cmap.setU8(TOTEM_KEY, 0);
  if (applying) cmap.setU8(RELOAD_KEY, 0);
  return outcome;
}

/** The nodes did not agree, so nothing was reloaded anywhere; the one that was asked says why. */
export function reportRefusal(context: MainEngineContext, refusal: Refusal): void {
  fail(context, refusal);
  context.cmap.setI32(STATUS_KEY, CsError.INVALID_PARAM);
}

function fail(context: MainEngineContext, { reason, isLogged = false }: Refusal): void {
  if (!isLogged) context.log('error', 'CFG', `Unable to reload config file: ${reason}`);
  context.cmap.setString(ERROR_KEY, reason);
}
