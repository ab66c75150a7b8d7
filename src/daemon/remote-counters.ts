import type { Icmap } from '../config/icmap/index.ts';
import type { ServiceDeclaration } from '../services/engine.ts';
import type { RingCounters } from './stats.ts';

/**
 * `runtime.services.<name>.<fn>.rx` and `.tx` of the services on the ring thread: their messages are counted there, so the keys
 * follow a little later. The other services' counters move with each message.
 */
export class RemoteCounters {
  /** Their names in the ring thread's statistics and in the map, and the value that the map has. */
  private readonly followed: { readonly raw: string; readonly key: string; shown: number }[];

  constructor(
    private readonly cmap: Icmap,
    private readonly counters: RingCounters,
    services: readonly Pick<ServiceDeclaration, 'name' | 'messages'>[],
  ) {
    this.followed = services.flatMap(({ name, messages }) =>
      messages.flatMap((_, fn) => ['rx', 'tx'].map((way) => follow(`${name}.${fn}.${way}`))),
    );
  }

  refresh(): void {
    for (const counter of this.followed) {
      const value = this.counters.raw(counter.raw) ?? 0;
      if (value === counter.shown) continue;
      this.cmap.fastAdjust(counter.key, value - counter.shown);
      counter.shown = value;
    }
  }
}

const follow = (name: string) => ({ raw: `rondo.${name}`, key: `runtime.services.${name}`, shown: 0 });
