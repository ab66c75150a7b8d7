import { createInterface } from 'node:readline';
import type { TotemConfig } from '../../src/config/totem-config.ts';
import { knowKey, TestNode } from '../transport/knet/harness.ts';

/**
 * A node that has links but no Totem: `node knet-peer.js CONFIG [KEY]` with a JSON configuration and its key in hexadecimal digits. It responds to each line of its input
 * with one line of JSON about its state.
 */
const config = JSON.parse(process.argv[2] ?? '') as TotemConfig;
knowKey(config.crypto.keyFingerprint, Buffer.from(process.argv[3] ?? '', 'hex'));
const node = new TestNode(config).open();

/** Totem's message types that came from the other side, and how many. */
const types: Record<string, number> = {};
let bad = 0;
node.keep = false;
node.onMessage = (offset, length) => {
  const bytes = node.arena.u8;
  if (length < 13 || bytes[offset] !== 0x70 || bytes[offset + 1] !== 0xc0 || bytes[offset + 2] !== 3) bad++;
  const type = String(bytes[offset + 3]);
  types[type] = (types[type] ?? 0) + 1;
};

const state = () => ({
  links: node.transport.linkStatus(),
  received: node.receivedCount,
  types,
  bad,
  drops: node.drops(),
  stats: Object.fromEntries(
    [...node.statistics.keys()].map((name) => [name, node.stat(name.slice('stats.knet.'.length))]),
  ),
  log: node.log.map(({ level, message }) => `${level}: ${message}`),
});

createInterface({ input: process.stdin })
  .on('line', () => process.stdout.write(`${JSON.stringify(state())}\n`))
  .on('close', () => process.exit(0));

function loop(): void {
  const busy = node.step();
  if (busy > 0) setImmediate(loop);
  else setTimeout(loop, 1);
}
process.stdout.write('ready\n');
loop();
