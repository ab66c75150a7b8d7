import { toolOptions } from '../test/tool-options.ts';
import { MemoryRing } from '../test/totem/memory-ring.ts';

/**
 * What the Totem cores cost by themselves: N nodes in one thread, joined by a queue in memory. Every node sends, every
 * node delivers everything. `node dist/perf/totem-core.js`
 */
toolOptions('SECONDS=1 node dist/perf/totem-core.js: what the Totem cores cost by themselves; no options', {});
const SECONDS = Number(process.env['SECONDS'] ?? 1);

function measure(nodes: number, netMtu: number, payloadBytes: number, maxMessages: number): void {
  const ring = new MemoryRing(nodes, netMtu, { maxMessages, windowSize: 3 * maxMessages });
  const batch = Math.max(50, Math.trunc(20_000 / (1 + payloadBytes / 200)));
  ring.exchange(batch, 1000, payloadBytes);
  const { delivered, frames } = ring;
  const start = process.cpuUsage().user;
  while (process.cpuUsage().user - start < SECONDS * 1e6) ring.exchange(batch, 1000, payloadBytes);
  const seconds = (process.cpuUsage().user - start) / 1e6;
  const deliveries = (ring.delivered - delivered) / seconds;
  const row = [
    `${nodes} nodes`,
    `netmtu ${netMtu}`,
    `${payloadBytes} B`,
    `${(deliveries / nodes / 1e3).toFixed(0)} k messages/s ordered`,
    `${(deliveries / 1e3).toFixed(0)} k deliveries/s`,
    `${((ring.frames - frames) / seconds / 1e3).toFixed(0)} k frames/s`,
    `${((deliveries * payloadBytes) / 1e6).toFixed(0)} MB/s delivered`,
  ];
  console.log(row.join('  '));
}

for (const netMtu of [1500, 65_536])
  for (const nodes of [1, 2, 3]) for (const bytes of [64, 1600, 8000, 40_000]) measure(nodes, netMtu, bytes, 17);
