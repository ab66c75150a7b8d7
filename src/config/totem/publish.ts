import type { Icmap } from '../icmap/index.ts';
import { KNET_LINK } from '../options/knet.ts';
import type { OptionSpec, OptionValue } from '../options/option.ts';
import type { ActingParts, TotemConfig } from '../totem-config.ts';
import { ACTING } from './acting.ts';
import { followsNext } from './compatibility.ts';
import type { TotemReading } from './read-totem.ts';

/**
 * Keys that the daemon adds to those of the file (config-and-tools.md 2.1). The copies of the bind address and of udp's group and port are made
 * at the start only: they go away at the first reload, as in stock.
 */
export function publishTotem(map: Icmap, reading: TotemReading, atStart = true): void {
  const { totem, localNode, links, generatedNodeIds } = reading;
  map.setU32('nodelist.local_node_pos', localNode.index);
  for (const [index, nodeId] of generatedNodeIds) map.setU32(`nodelist.node.${index}.nodeid`, nodeId);
  for (const link of atStart ? links : []) {
    const prefix = `totem.interface.${link.linkId}.`;
    if (link.bindText !== null) map.setString(`${prefix}bindnetaddr`, link.bindText);
    if (totem.transport !== 'udp') continue;
    // What the file says stays as it is, even where another value is in force (broadcast, port 0).
    if (!map.has(`${prefix}mcastaddr`)) map.setString(`${prefix}mcastaddr`, link.multicastAddress);
    if (!map.has(`${prefix}mcastport`)) map.setU16(`${prefix}mcastport`, link.port);
  }
  publishRuntimeTotem(map, totem);
}

/** The published options of the ring, in the order of their keys. */
const PUBLISHED = (Object.keys(ACTING) as (keyof ActingParts)[])
  .flatMap((part) => ACTING[part].filter(isPublished).map((row) => ({ part, row })))
  .sort((a, b) => (a.row.key < b.row.key ? -1 : 1));
const PUBLISHED_OF_LINK = KNET_LINK.filter(isPublished);

/** `runtime.config.totem.…`: the values in force. Called again whenever they change. */
export function publishRuntimeTotem(map: Icmap, totem: TotemConfig): void {
  for (const { part, row } of PUBLISHED) publish(map, 'runtime.config.totem.', row, totem[part]);
  // Stock has it since 3.1.10, for knet; a tool of 3.1.7 that lists the keys would see one too many.
  const showsPorts = totem.transport === 'knet' && followsNext(map);
  for (const { linkId, knet, port } of totem.links) {
    if (showsPorts) map.setU16(`runtime.config.totem.interface.${linkId}.mcastport`, port);
    for (const row of PUBLISHED_OF_LINK) publish(map, `runtime.config.totem.interface.${linkId}.`, row, knet);
  }
}

function isPublished({ published }: OptionSpec): boolean {
  return published === true;
}

/** Switches are numbers there, everything else has the type that it has in the file. */
function publish(map: Icmap, prefix: string, row: OptionSpec, settings: object): void {
  const values: Readonly<Record<string, OptionValue>> = { ...settings };
  const value = values[row.field ?? ''];
  const key = prefix + row.key;
  if (typeof value === 'string') map.setString(key, value);
  else if (row.type === 'i32') map.setI32(key, Number(value));
  else map.setU32(key, Number(value));
}
