import { AddressRetry, withAddresses } from '../config/address-retry.ts';
import type { ConfigEnvironment } from '../config/environment.ts';
import { warningText } from '../config/errors.ts';
import type { Icmap } from '../config/icmap/index.ts';
import { TRACK_CHANGES, TrackEvent } from '../config/icmap/index.ts';
import type { KeyMaterial } from '../config/key-material.ts';
import { actsAtOnce, changesOf } from '../config/live-totem.ts';
import type { LoggingConfig } from '../config/logging-config.ts';
import { LoggingInForce } from '../config/logging-in-force.ts';
import { planReload, type RefusedReload, type ReloadPlan } from '../config/reload/plan.ts';
import { publishRuntimeTotem } from '../config/totem/publish.ts';
import type { UnresolvedAddress } from '../config/totem/resolve-nodes.ts';
import type { TotemChanges, TotemConfig } from '../config/totem-config.ts';
import { cmapNumber } from '../lib/cmap-value.ts';
import { leaveBehind } from '../lib/left-behind.ts';
import type { LogFunction } from '../lib/log.ts';
import type { FlightLog } from '../observe/flight/index.ts';
import type { AppliedReload, PreparedReload, Reloader } from '../services/cfg/ports.ts';
import { PROGRAM_LISTS } from '../services/quorum/providers.ts';
import { settlesWithin } from './deferred.ts';

/** What a change of the configuration acts on. */
export interface ConfigurationTarget {
  readonly cmap: Icmap;
  readonly totem: TotemConfig;
  /** Makes a configuration of the ring the one in force, with its key when that may be new; the key is wiped. */
  reconfigure(totem: TotemConfig, key?: KeyMaterial | null): void;
  /** Makes the fields that a set key has changed the ones in force. */
  change(changes: TotemChanges): void;
}

/** The log, as far as a configuration changes it. */
export interface LogPorts {
  readonly log: LogFunction;
  reconfigureLog(logging: LoggingConfig): void;
}

/** Where the configuration is read from. */
export interface ConfigurationSource extends LogPorts {
  readonly file: string;
  readonly stateDirectory: string;
  readonly environment: ConfigEnvironment;
  readonly flight: FlightLog;
  /** How long a reload may read. */
  readonly readMsMax?: number;
}

/** Less than the nodes wait for each other's votes on a reload: who asked hears why. */
const READ_MS_MAX = 12_000;

const RELOAD_KEY = 'config.reload_in_progress';
const TOTEM_RELOAD_KEY = 'config.totemconfig_reload_in_progress';

/**
 * The ways in which the configuration of a running daemon changes:
 *
 *   file    ── reload: parse, validate, plan ──► apply: live map, ring, log    (config-and-tools.md 1.10)
 *   cmap    ── a client sets totem.… or logging.… ──► ring, log                (1.11)
 *   names   ── one resolves later ──► the ring gets its address
 */
export class ConfigurationChanges implements Reloader {
  private readonly retry: AddressRetry;
  private readonly logging = new LoggingInForce();
  private pending = false;
  /** A reload reads on after its time, or for ever. No further one joins it: each would keep one of the few threads that read files. */
  private overdue = false;

  constructor(
    private readonly target: ConfigurationTarget,
    private readonly source: ConfigurationSource,
  ) {
    this.retry = new AddressRetry((resolved) => {
      for (const { text, address } of resolved)
        source.log('notice', 'TOTEM', `Name ${text} resolves now: ${address}`, 'resolves');
      this.use(withAddresses(target.totem, resolved));
    }, source.environment);
  }

  /** Follows keys that act at run time and names that did not resolve. */
  start(unresolved: readonly UnresolvedAddress[]): void {
    const { cmap } = this.target;
    const mask = TRACK_CHANGES | TrackEvent.PREFIX;
    cmap.track('totem.', mask, (_event, key) => {
      if (actsAtOnce(key)) this.keysChanged('totem');
    });
    cmap.track('logging.', mask, () => this.keysChanged('logging'));
    cmap.track(RELOAD_KEY, TRACK_CHANGES, (_event, _key, value) => {
      if (value !== null && cmapNumber(value) === 0) this.loggingChanged();
    });
    this.logging.follow(cmap);
    this.retry.watch(unresolved);
  }

  stop(): void {
    this.retry.stop();
  }

  // ---- reload ----

  async prepare(): Promise<PreparedReload> {
    const { source } = this;
    const plan = await this.read();
    if (plan === null) {
      const reason = `${source.file}, a file or a name in it is still being read. Nothing was changed; see whether their file system and the name service respond`;
      source.flight.write('reload', { ok: 0, changed: 0, error: reason });
      return { ok: false, reason };
    }
    if (!plan.ok) {
      source.flight.write('reload', { ok: 0, changed: 0, error: plan.reason });
      for (const { level, subsystem, message } of plan.log) source.log(level, subsystem, message);
      return { ok: false, reason: plan.reason, isLogged: plan.log.length > 0 };
    }
    for (const warning of plan.warnings)
      source.log('warning', 'CFG', warning.stockMessage ?? warningText(warning), 'reload');
    return { ok: true, ignoredKeys: plan.ignoredKeys, apply: () => this.apply(plan) };
  }

  /** `null`: it takes too long. */
  private async read(): Promise<ReloadPlan | RefusedReload | null> {
    if (this.overdue) return null;
    const { target, source } = this;
    const reading = planReload({
      file: source.file,
      live: target.cmap,
      totem: target.totem,
      stateDirectory: source.stateDirectory,
      environment: source.environment,
      lists: PROGRAM_LISTS,
    });
    if (await settlesWithin(source.readMsMax ?? READ_MS_MAX, reading)) return await reading;
    this.overdue = true;
    leaveBehind(reading);
    reading
      .then((late) => {
        if (!late.ok) return;
        late.loaded.key?.wipe();
        late.loaded.map.wipeSecret();
      })
      .catch(() => {}) // nobody waits for it any more
      .finally(() => {
        this.overdue = false;
      });
    return null;
  }

  private apply(plan: ReloadPlan): AppliedReload {
    this.source.flight.write('reload', { ok: 1, changed: plan.changes.length, error: '' });
    plan.commit();
    this.use(plan.totem, plan.loaded.key);
    this.retry.watch(plan.unresolved);
    return { cryptoChanged: plan.totemDiff.cryptoChanged, errorMessage: null };
  }

  // ---- keys that a client sets ----

  /** Several keys often change together: they act once, when the change is over. */
  private keysChanged(section: 'totem' | 'logging'): void {
    const { cmap } = this.target;
    const reloading = (key: string): boolean => (cmap.getU8(key) ?? 0) !== 0;
    if (reloading(RELOAD_KEY) || reloading(TOTEM_RELOAD_KEY)) return; // the reload applies them itself
    if (section === 'logging') {
      this.loggingChanged();
      return;
    }
    if (this.pending) return;
    this.pending = true;
    queueMicrotask(() => {
      this.pending = false;
      this.totemKeysChanged();
    });
  }

  private loggingChanged(): void {
    const { config, mistake } = this.logging.follow(this.target.cmap);
    if (mistake !== null) {
      const { key, value, text } = mistake;
      const message = `${key}: ${value}: ${text.replace(/\.$/, '')}. This option and those that are read after it stay as they were`;
      this.source.log('warning', 'MAIN', message, 'logging mistake');
    }
    this.source.reconfigureLog(config);
  }

  private totemKeysChanged(): void {
    const { target, source } = this;
    const result = changesOf(target.totem, target.cmap);
    if (result.ok) {
      if (result.changes === null) return;
      target.change(result.changes);
      publishRuntimeTotem(target.cmap, target.totem);
    } else {
      // The key keeps what was set, as with stock. Unlike stock, which goes on with a value that it has just called wrong (config-and-tools.md T6).
      source.log('error', 'TOTEM', result.stockMessage, 'bad value');
      source.log('notice', 'TOTEM', 'The values in force stay: see runtime.config.totem.');
    }
  }

  private use(totem: TotemConfig, key: KeyMaterial | null = null): void {
    this.target.reconfigure(totem, key);
    publishRuntimeTotem(this.target.cmap, totem);
  }
}
