import type { Icmap } from '../config/icmap/index.ts';
import type { ServiceDeclaration } from '../services/engine.ts';
import type { RingCounters } from './stats.ts';

/**
 * `runtime.services.<name>.<fn>.rx` and `.tx` of the services on the ring thread: their messages are counted there, so the keys
 * follow a little later. The other services' counters move with each message.
 */
export class RemoteCounters {
  private readonly shown = new Map<string, number>();

  constructor(
    private readonly cmap: Icmap,
    private readonly counters: RingCounters,
    private readonly services: readonly Pick<ServiceDeclaration, 'name' | 'messages'>[],
  ) {}

  refresh(): void {
    for (const { name, messages } of this.services) {
      for (let fn = 0; fn < messages.length; fn++) {
        this.follow(`${name}.${fn}.rx`);
        this.follow(`${name}.${fn}.tx`);
      }
    }
  }

  private follow(name: string): void {
    const value = this.counters.raw(`rondo.${name}`) ?? 0;
    const shown = this.shown.get(name) ?? 0;
    if (value === shown) return;
    this.shown.set(name, value);
    this.cmap.fastAdjust(`runtime.services.${name}`, value - shown);
  }
}
