import type { StatAllocator } from '../../knet/stats.ts';
import { assert } from '../../lib/assert.ts';
import type { TransportHost } from '../transport.ts';

/** Slots of the runtime's shared statistics for the core. */
export class HostStats implements StatAllocator {
  readonly values: Float64Array;
  private readonly known = new Map<string, number>();

  constructor(private readonly host: TransportHost) {
    const first = host.counter('stats.knet.handle.tx_uncompressed_packets');
    this.values = first.values;
    this.known.set('stats.knet.handle.tx_uncompressed_packets', first.slot);
  }

  slot(name: string): number {
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const { values, slot } = this.host.counter(name);
    assert(values === this.values, 'all statistics lie in one array');
    this.known.set(name, slot);
    return slot;
  }
}
