import type { Cmap } from '../client/cmap.ts';
import { cmapValueOf } from '../client/cmap-values.ts';
import type { ConfigError } from '../config/errors.ts';
import { configurationFingerprint } from '../config/fingerprint.ts';
import { Icmap } from '../config/icmap/index.ts';
import { loadConfiguration } from '../config/load.ts';
import { findOption } from '../config/options/index.ts';
import { diffMaps, keyChangeText } from '../config/reload/diff.ts';
import { RELOAD_PREFIXES, UNCHANGEABLE_KEYS } from '../config/reload/unchangeable.ts';
import { checking } from './checking-environment.ts';

/** When a changed key acts. */
export type Effect = 'at once' | 'links that are added' | 'next start' | 'never while it runs';

export interface PlannedChange {
  readonly key: string;
  /** `totem.token: 3000 -> 5000`, without secrets. */
  readonly text: string;
  readonly effect: Effect;
}

export interface ConfigPlan {
  /** Why the reload would be refused, as a whole; empty: it would not. */
  readonly refusals: readonly string[];
  readonly changes: readonly PlannedChange[];
  readonly warnings: readonly string[];
  /** Digest of the file's shared configuration; `null`: it cannot be used. */
  readonly configuration: string | null;
}

const EFFECTS: Readonly<Record<string, Effect>> = {
  yes: 'at once',
  link: 'links that are added',
  start: 'next start',
  no: 'never while it runs',
};

/** What a reload of `file` would change on this node, whose daemon's map is `live`. */
export async function planConfiguration(file: string, node: unknown, live: Icmap): Promise<ConfigPlan> {
  const loaded = await loadConfiguration({ file }, { purpose: 'reload', live, ...checking(node) });
  if (!loaded.ok) return { refusals: loaded.errors.map(messageOf), changes: [], warnings: [], configuration: null };
  loaded.key?.wipe();
  const kept = loaded.ignoredKeys.map(
    (key): PlannedChange => ({ key, text: `${key}: keeps its value`, effect: EFFECTS['no']! }),
  );
  const changes = diffMaps(live, loaded.map)
    .filter(({ key }) => RELOAD_PREFIXES.some((prefix) => key.startsWith(prefix)) && !DERIVED.test(key))
    .map((change): PlannedChange => ({ key: change.key, text: keyChangeText(change), effect: effectOf(change.key) }));
  loaded.map.wipeSecret();
  return {
    refusals: refusals(live, loaded.map),
    changes: [...changes, ...kept],
    warnings: loaded.warnings.map(({ message }) => message),
    configuration: configurationFingerprint(loaded.map),
  };
}

const messageOf = ({ message }: ConfigError): string => message;

/** Set by the daemon itself out of the rest of the file. */
const DERIVED = /^(?:nodelist\.local_node_pos|totem\.interface\.\d+\.bindnetaddr)$/;

/** `totem.interface.0.knet_ping_timeout` is the option `knet_ping_timeout` of `totem.interface`. */
function effectOf(key: string): Effect {
  if (UNCHANGEABLE_KEYS.includes(key)) return EFFECTS['no']!;
  const words = key.split('.');
  const name = words.pop() ?? '';
  const section = words.filter((word) => !/^\d+$/.test(word)).join('.');
  const option = findOption(section, name) ?? findOption(section.replace(/^(logging\.logger_subsys)\..*$/, '$1'), name);
  return EFFECTS[option?.reload ?? 'yes'] ?? 'at once';
}

/** What the daemon refuses after reading: other addresses of links that are there, another id of this node. */
function refusals(live: Icmap, staging: Icmap): string[] {
  const before = nodesOf(live);
  const found: string[] = [];
  for (const [nodeId, addresses] of nodesOf(staging)) {
    for (const [link, to] of addresses) {
      const from = before.get(nodeId)?.get(link);
      if (from !== undefined && from !== to)
        found.push(
          `the address of node ${nodeId} on link ${link} cannot change from ${from} to ${to}: remove the link, reload, add it again, reload`,
        );
    }
  }
  const [own, wanted] = [ownNodeId(live), ownNodeId(staging)];
  if (own !== null && wanted !== null && own !== wanted)
    found.push(`the id of this node cannot change from ${own} to ${wanted} while it runs`);
  return found;
}

function nodesOf(map: Icmap): Map<number, Map<number, string>> {
  const nodes = new Map<number, Map<number, string>>();
  for (let index = 0; map.has(`nodelist.node.${index}.nodeid`); index++) {
    const addresses = new Map<number, string>();
    for (let link = 0; link < 8; link++) {
      const address = map.getString(`nodelist.node.${index}.ring${link}_addr`);
      if (address !== null) addresses.set(link, address);
    }
    nodes.set(map.getU32(`nodelist.node.${index}.nodeid`) ?? 0, addresses);
  }
  return nodes;
}

function ownNodeId(map: Icmap): number | null {
  const position = map.getU32('nodelist.local_node_pos');
  return position === null ? null : map.getU32(`nodelist.node.${position}.nodeid`);
}

/** A copy of the daemon's map, as far as this user may read it. */
export async function liveMap(cmap: Cmap): Promise<Icmap> {
  const map = new Icmap();
  for await (const { key, type, value } of cmap.entries())
    if (type !== 'unknown') map.setValue(key, cmapValueOf(type, value));
  return map;
}
