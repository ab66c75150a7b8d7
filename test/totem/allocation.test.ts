import { getHeapStatistics } from 'node:v8';
import t from 'tap';
import { MemoryRing } from './memory-ring.ts';

t.setTimeout(600_000); // the machine may be busy

/**
 * Steady state makes no garbage for a frame or a message. Counted as growth of the heap between two garbage collections
 * that do not happen: a run that collects is repeated.
 */
const MESSAGES = 300_000;
/** The smallest object takes 12 bytes; what the engine itself does with its heap in a run of this length is below one byte a message. */
const BYTES_MAX = 1;

function heapGrowth(run: () => void): number {
  const before = getHeapStatistics().used_heap_size;
  run();
  return getHeapStatistics().used_heap_size - before;
}

for (const [nodes, netMtu, payloadBytes] of [
  [1, 1500, 64],
  [3, 1500, 64],
  [2, 65_536, 200],
  [2, 1500, 5000],
] as const) {
  t.test(`${nodes} nodes, netmtu ${netMtu}, ${payloadBytes} bytes`, async (t) => {
    const ring = new MemoryRing(nodes, netMtu);
    const each = Math.trunc(MESSAGES / nodes / (1 + payloadBytes / 500));
    ring.exchange(Math.trunc(each / 4), 1000, payloadBytes); // warm
    let growth = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 5; i++) {
      const grown = heapGrowth(() => ring.exchange(each, 1000, payloadBytes));
      if (grown >= 0) growth = Math.min(growth, grown);
    }
    const perMessage = growth / (each * nodes);
    t.ok(perMessage < BYTES_MAX, `${perMessage.toFixed(3)} bytes of heap a message`);
  });
}
