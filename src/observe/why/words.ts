import { isoTime } from '../../lib/iso-time.ts';

/** `node 3`, `nodes 2 and 3`. */
export function nodesText(nodes: readonly number[]): string {
  if (nodes.length === 1) return `node ${nodes[0]}`;
  return `nodes ${listText(nodes.map(String))}`;
}

export function listText(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A length of time as people say it, from microseconds to days. */
export function timeText(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 100_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`;
}

/** Universal time to the millisecond; what is no time is shown as it is. */
export function clockText(wallMs: number): string {
  return isoTime(wallMs).replace('T', ' ');
}

/** Stock's services, by number; tools may know more. */
const SERVICES = ['cmap', 'cfg', 'cpg', 'quorum', 'pload', 'votequorum', 'mon', 'wd'] as const;
export const serviceText = (service: number): string => SERVICES[service] ?? `service ${service}`;
