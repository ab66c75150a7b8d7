import type { Position } from '../errors.ts';
import type { Icmap } from '../icmap/index.ts';
import { readNozzle } from '../nozzle.ts';
import type { TotemConfig } from '../totem-config.ts';
import type { Findings } from './findings.ts';

const KEYS = ['name', 'ipaddr', 'ipprefix', 'macaddr'] as const;

/** A virtual device that will not be there: the ring goes on without it, so only the check and the log say it. */
export function lintNozzle(
  map: Icmap,
  totem: TotemConfig,
  positions: ReadonlyMap<string, Position>,
  findings: Findings,
): void {
  const [given] = KEYS.map((key) => `nozzle.${key}`).filter((key) => map.has(key));
  if (given === undefined) return;
  const add = (message: string, hint: string): void =>
    findings.add('nozzle', positions.get(given), given, `There will be no nozzle device: ${message}`, hint);
  const { problem } = readNozzle(map, totem.nodeId);
  if (totem.transport !== 'knet')
    add(`transport ${totem.transport} has none`, 'Use transport: knet, or take nozzle {} out');
  else if (!map.has('nozzle.name')) add('it has no name', 'Add a name, such as nozzle0');
  else if (problem !== null) add(problem, 'Example: name: nozzle0, ipaddr: 192.0.2.0, ipprefix: 24');
}
