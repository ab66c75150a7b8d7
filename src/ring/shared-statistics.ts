import { STATISTIC_SLOTS } from '../bridge/shared-layout.ts';
import { assert } from '../lib/assert.ts';
import type { StatCounter } from '../transport/transport.ts';

/**
 * Names for the slots of the shared statistics. A name gets a slot once and keeps it; the main thread learns of new ones by a message
 * and reads the values whenever it wants.
 */
export class SharedStatistics {
  private readonly slots = new Map<string, number>();
  private readonly fresh: { readonly name: string; readonly slot: number }[] = [];
  private used = 0;

  constructor(readonly values: Float64Array) {}

  counter(name: string): StatCounter {
    const known = this.slots.get(name);
    if (known !== undefined) return { values: this.values, slot: known };
    assert(this.used < STATISTIC_SLOTS, 'no statistics slot left');
    const slot = this.used++;
    this.slots.set(name, slot);
    this.fresh.push({ name, slot });
    return { values: this.values, slot };
  }

  /** A run of slots as an array of its own, for a core that counts by index. */
  range(names: readonly string[]): Float64Array {
    const first = this.used;
    for (const name of names) this.counter(name);
    assert(this.used === first + names.length, 'a name of the range was taken');
    return this.values.subarray(first, first + names.length);
  }

  /** Names since the last call. */
  takeFresh(): readonly { readonly name: string; readonly slot: number }[] {
    return this.fresh.length === 0 ? [] : this.fresh.splice(0);
  }
}
