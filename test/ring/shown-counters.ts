import { RingCounters, showEngineDrops, showLogLosses, showOwnCounters } from '../../src/daemon/stats.ts';
import { cmapNumber } from '../../src/lib/cmap-value.ts';
import { dropKey } from '../../src/lib/drop-key.ts';
import { SharedStatistics } from '../../src/ring/shared-statistics.ts';
import { StatsMap } from '../../src/services/cmap/stats-map.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';

/** How often something was dropped, as a client of the statistics map reads it; `null`: the map has no such key. */
export function shownDrops(map: StatsMap, layer: string, reason: string): number | null {
  const value = map.get(dropKey(layer, reason));
  return typeof value === 'number' ? null : cmapNumber(value);
}

/** The statistics map of a daemon over counters that a test has: their names with their slots, and the values. */
export function mapOver(values: Float64Array, names: Iterable<readonly [string, number]>): StatsMap {
  const ring = new RingCounters(() => values);
  ring.add([...names].map(([name, slot]) => ({ name, slot })));
  const map = new StatsMap(new FakeClock());
  showOwnCounters(map, ring);
  return map;
}

/** The map of what the main thread counts itself. */
export function mapOfMain(
  drops: Parameters<typeof showEngineDrops>[1],
  lost: ReturnType<Parameters<typeof showLogLosses>[1]>,
): StatsMap {
  const map = new StatsMap(new FakeClock());
  showEngineDrops(map, drops);
  showLogLosses(map, () => lost);
  return map;
}

/** Counters of the ring thread, with memory that is not shared. */
export class TestStatistics extends SharedStatistics {
  private readonly known: (readonly [string, number])[] = [];

  constructor() {
    super(new Float64Array(256));
  }

  /** What a daemon shows of them. */
  drops(layer: string, reason: string): number | null {
    for (const { name, slot } of this.takeFresh()) this.known.push([name, slot]);
    return shownDrops(mapOver(this.values, this.known), layer, reason);
  }
}
