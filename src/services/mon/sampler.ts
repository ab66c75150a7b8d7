import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';

/** Where the numbers come from. */
export interface Sampler {
  load15(): number;
  /** Memory and swap in use, 0..100. */
  memoryUsedPercent(): number;
}

/** Kilobytes of one line of /proc/meminfo; 0 if it is not there. */
export function meminfoKilobytes(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
}

export function usedPercent(meminfo: string): number {
  const of = (name: string): number => meminfoKilobytes(meminfo, name);
  const total = of('MemTotal') + of('SwapTotal');
  const free = of('MemAvailable') + of('SwapFree');
  return total === 0 ? 0 : Math.trunc(((total - free) * 100) / total);
}

export const systemSampler: Sampler = {
  load15: () => loadavg()[2] ?? 0,
  memoryUsedPercent: () => usedPercent(readFileSync('/proc/meminfo', 'latin1')),
};
