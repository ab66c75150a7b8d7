import type { Icmap } from '../config/icmap/index.ts';
import { CPG_SERVICE } from './engines.ts';
import type { RingCounters } from './stats.ts';

/**
 * `runtime.services.cpg.<fn>.rx` and `.tx`: the messages are counted on the ring thread, so the keys follow a little
 * later. The other services' counters move with each message.
 */
export class CpgCounters {
  private readonly shown = new Map<string, number>();

  constructor(
    private readonly cmap: Icmap,
    private readonly counters: RingCounters,
  ) {}

  refresh(): void {
    for (let fn = 0; fn < CPG_SERVICE.execCount; fn++) {
      this.follow(`${fn}.rx`);
      this.follow(`${fn}.tx`);
    }
  }

  private follow(name: string): void {
    const value = this.counters.raw(`rondo.cpg.${name}`) ?? 0;
    const shown = this.shown.get(name) ?? 0;
    if (value === shown) return;
    this.shown.set(name, value);
    this.cmap.fastAdjust(`runtime.services.cpg.${name}`, value - shown);
  }
}
