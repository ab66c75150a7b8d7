import type { LogLevel, LogSubsystem } from '../../lib/log.ts';
import type { ConfigEnvironment } from '../environment.ts';
import { ConfigError, type ConfigWarning } from '../errors.ts';
import type { Icmap } from '../icmap/index.ts';
import { type LoadedConfiguration, loadConfiguration } from '../load.ts';
import type { LoggingConfig } from '../logging-config.ts';
import type { ProgramLists } from '../options/option.ts';
import type { UnresolvedAddress } from '../totem/resolve-nodes.ts';
import type { LinkConfig, MemberConfig, TotemConfig } from '../totem-config.ts';
import { diffMaps, diffTotem, type KeyChange, type TotemDiff } from './diff.ts';
import { RELOAD_PREFIXES } from './unchangeable.ts';

/** Lines for the log, as stock writes them. */
export interface PlannedLogLine {
  readonly level: LogLevel;
  readonly subsystem: LogSubsystem;
  readonly message: string;
}

export interface ReloadPlan {
  readonly ok: true;
  readonly loaded: LoadedConfiguration;
  readonly changes: readonly KeyChange[];
  /** Changed in the file, but kept as they are; each is logged (services/cfg/reload.ts). */
  readonly ignoredKeys: readonly string[];
  readonly totem: TotemConfig;
  readonly totemDiff: TotemDiff;
  readonly logging: LoggingConfig;
  readonly unresolved: readonly UnresolvedAddress[];
  readonly warnings: readonly ConfigWarning[];
  /** Makes the live map equal to the new configuration, with notifications. Cannot fail. */
  commit(): void;
}

export interface RefusedReload {
  readonly ok: false;
  readonly errors: readonly ConfigError[];
  /** One line for people; our own text with position and hint. */
  readonly reason: string;
  /** What stock would log. */
  readonly log: readonly PlannedLogLine[];
}

export interface ReloadInput {
  readonly file: string;
  readonly live: Icmap;
  /** The ring's configuration in force. */
  readonly totem: TotemConfig;
  readonly stateDirectory?: string;
  readonly environment?: ConfigEnvironment;
  readonly lists?: ProgramLists;
}

const RECREATE =
  'To reconfigure an interface it must be deleted and recreated. A working interface needs to be available to corosync at all times';

/**
 * Parse, validate, plan: the phases of a reload that change nothing. All or nothing, unlike stock, which deletes keys
 * before it validates (config-and-tools.md 1.10, 8.1 T2).
 */
export async function planReload(input: ReloadInput): Promise<ReloadPlan | RefusedReload> {
  const { live } = input;
  const loaded = await loadConfiguration(
    { file: input.file },
    {
      purpose: 'reload',
      live,
      ...(input.environment === undefined ? {} : { environment: input.environment }),
      ...(input.stateDirectory === undefined ? {} : { stateDirectory: input.stateDirectory }),
      ...(input.lists === undefined ? {} : { lists: input.lists }),
    },
  );
  if (!loaded.ok) return refused(loaded.errors, loaded.errors.map(failureLine));
  const totem = mergeTotem(input.totem, loaded, live);
  const totemDiff = diffTotem(input.totem, totem);
  if (totem.nodeId !== input.totem.nodeId || totemDiff.addressChanges.length > 0) {
    loaded.key?.wipe();
    loaded.map.wipeSecret();
  }
  if (totem.nodeId !== input.totem.nodeId) return refusedNodeId(loaded, input.totem.nodeId, totem.nodeId);
  if (totemDiff.addressChanges.length > 0) return refusedAddresses(loaded, totemDiff);
  return {
    ok: true,
    loaded,
    changes: diffMaps(live, loaded.map),
    ignoredKeys: loaded.ignoredKeys,
    totem,
    totemDiff,
    logging: loaded.logging,
    unresolved: loaded.unresolved.filter(({ nodeId, linkId }) => addressOf(totem, nodeId, linkId) === null),
    warnings: loaded.warnings,
    commit: () => live.replaceFrom(loaded.map, RELOAD_PREFIXES),
  };
}

/** What only a start reads keeps its value; names that stopped to resolve keep their addresses. */
function mergeTotem(before: TotemConfig, loaded: LoadedConfiguration, live: Icmap): TotemConfig {
  const after = loaded.totem;
  const links = after.links.map((link): LinkConfig => {
    const old = before.links.find(({ linkId }) => linkId === link.linkId);
    if (old === undefined) return link;
    // What its socket was opened with; knet's values act at once.
    return { ...old, bindAddress: link.bindAddress || old.bindAddress, knet: link.knet };
  });
  const members = after.members.map((member): MemberConfig => {
    const old = before.members.find(({ nodeId }) => nodeId === member.nodeId);
    const addresses = member.addresses.map((address, linkId) => {
      const isOpen = loaded.unresolved.some((open) => open.nodeId === member.nodeId && open.linkId === linkId);
      if (!isOpen || address !== null) return address;
      return sameName(loaded, live, member.nodeId, linkId) ? (old?.addresses[linkId] ?? null) : null;
    });
    return { ...member, addresses };
  });
  return { ...after, linkPolicy: before.linkPolicy, links, members };
}

function sameName(loaded: LoadedConfiguration, live: Icmap, nodeId: number, linkId: number): boolean {
  const open = loaded.unresolved.find((entry) => entry.nodeId === nodeId && entry.linkId === linkId);
  return open !== undefined && live.getString(`nodelist.node.${open.nodeIndex}.ring${linkId}_addr`) === open.text;
}

const addressOf = (totem: TotemConfig, nodeId: number, linkId: number): string | null =>
  totem.members.find((member) => member.nodeId === nodeId)?.addresses[linkId] ?? null;

// ---- refusals ----

function refused(errors: readonly ConfigError[], log: readonly PlannedLogLine[]): RefusedReload {
  return { ok: false, errors, reason: errors[0]?.message ?? 'no reason', log };
}

function failureLine(error: ConfigError): PlannedLogLine {
  const isParser = /^(parser error: |Can't read file )/.test(error.stockMessage);
  const prefix = isParser ? 'Unable to reload config file' : 'Configuration is not valid';
  return { level: 'error', subsystem: 'CFG', message: `${prefix}: ${error.stockMessage}` };
}

function refusedNodeId(loaded: LoadedConfiguration, from: number, to: number): RefusedReload {
  const key = `nodelist.node.${loaded.localNodePosition}.nodeid`;
  const text = `The node id of this node cannot be changed at run-time (${from} is in use, the file says ${to})`;
  const error = new ConfigError('RONDO_CONFIG_NODELIST', text, {
    stockMessage: text,
    key,
    position: loaded.positions.get(key),
    hint: 'Restart the daemon to change it',
  });
  return refused([error], [{ level: 'error', subsystem: 'CFG', message: text }]);
}

/** Stock's lines; the whole reload is refused (config-and-tools.md 1.10). */
function refusedAddresses(loaded: LoadedConfiguration, diff: TotemDiff): RefusedReload {
  const errors = diff.addressChanges.map(({ nodeId, linkId, from, to }) => {
    const stockMessage = `new config has different address for link ${linkId} (addr changed from ${from} to ${to}). Internal value was NOT changed.`;
    const position = addressPosition(loaded, nodeId, linkId);
    return new ConfigError('RONDO_CONFIG_ADDRESS', stockMessage, {
      stockMessage,
      position,
      hint: `Remove link ${linkId} from the file, reload, add it again with the new address, reload`,
    });
  });
  const log: PlannedLogLine[] = errors.map(({ stockMessage }) => ({
    level: 'error',
    subsystem: 'TOTEM',
    message: stockMessage,
  }));
  const message = `Cannot configure new interface definitions: ${RECREATE}`;
  return refused(errors, [...log, { level: 'error', subsystem: 'CFG', message }]);
}

function addressPosition(loaded: LoadedConfiguration, nodeId: number, linkId: number) {
  for (const { key } of loaded.map.entries('nodelist.node.')) {
    if (!key.endsWith('.nodeid') || loaded.map.getU32(key) !== nodeId) continue;
    return loaded.positions.get(key.replace(/nodeid$/, `ring${linkId}_addr`));
  }
  return undefined;
}
