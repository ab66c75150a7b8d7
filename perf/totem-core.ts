import { toolOptions } from '../test/tool-options.ts';
import { MemoryRing } from '../test/totem/memory-ring.ts';
import { costs } from './bench.ts';

/**
 * What the Totem cores cost by themselves: N nodes in one thread, joined by a queue in memory. Every node sends, every
 * node delivers everything. `node dist/perf/totem-core.js`
 */
toolOptions('node dist/perf/totem-core.js: what the Totem cores cost by themselves; no options', {});
const MAX_MESSAGES = 17;

function measure(nodes: number, netMtu: number, payloadBytes: number): void {
  const ring = new MemoryRing(nodes, netMtu, { maxMessages: MAX_MESSAGES, windowSize: 3 * MAX_MESSAGES });
  const batch = Math.max(50, Math.trunc(20_000 / (1 + payloadBytes / 200)));
  let runs = 0;
  const exchange = (): void => {
    ring.exchange(batch, 1000, payloadBytes);
    runs++;
  };
  const { bestUs = Number.NaN } = costs({ exchange }).get('exchange') ?? {};
  const [deliveries, frames] = [ring.delivered / runs, ring.frames / runs];
  const row = [
    `${nodes} nodes`,
    `netmtu ${netMtu}`,
    `${payloadBytes} B`,
    `${((deliveries / nodes / bestUs) * 1000).toFixed(0)} k messages/s ordered`,
    `${((deliveries / bestUs) * 1000).toFixed(0)} k deliveries/s`,
    `${((frames / bestUs) * 1000).toFixed(0)} k frames/s`,
    `${((deliveries * payloadBytes) / bestUs).toFixed(0)} MB/s delivered`,
  ];
  console.log(row.join('  '));
}

for (const netMtu of [1500, 65_536])
  for (const nodes of [1, 2, 3]) for (const bytes of [64, 1600, 8000, 40_000]) measure(nodes, netMtu, bytes);
