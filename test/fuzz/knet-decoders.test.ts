import t from 'tap';
import { BenchNode, peer } from '../knet/bench-node.ts';
import { corpus } from './knet-corpus.ts';
import { Mutator } from './mutator.ts';

/** Everything that reads a packet in the clear: headers, heartbeat, PMTUd, fragments, compressed data. `FUZZ_FRAMES` packets. */
const frames = Number(process.env['FUZZ_FRAMES'] ?? 100_000);
const PACKET_BYTES_MAX = 65_507;
const CLEAR_EVERY = 64;

/** Data, and the four of heartbeat and path MTU. */
const TYPES = [0, 0x81, 0x82, 0x83, 0x84];
const NODE_OF_SOURCE = [2, 2, 3, 3, 77];
const sources = [peer(2, 0), peer(2, 1), peer(3, 0), peer(3, 1), peer(77, 0)];

/** Most would fall for version, sender or sequence number already: these go deeper. */
function believable(packet: Uint8Array, nodeId: number, seq: number, toTotem: boolean): void {
  if (packet.length < 14) return;
  packet[0] = 1;
  if (!TYPES.includes(packet[1]!)) packet[1] = TYPES[seq % TYPES.length]!;
  packet[2] = 0;
  packet[3] = nodeId;
  if (packet[1] !== 0) return;
  packet[6] = seq >> 8;
  packet[7] = seq;
  if (toTotem) packet[13] = 0;
}

t.setTimeout(3_600_000);
t.test(`${frames} mutated packets`, { timeout: 3_600_000 }, async (t) => {
  const node = new BenchNode();
  node.raise(2);
  node.raise(3, 1);
  const mutator = new Mutator(corpus, Number(process.env['FUZZ_SEED'] ?? 1), PACKET_BYTES_MAX);
  let read = 0;
  let dropped = 0;
  for (let frame = 0; frame < frames; frame++) {
    node.nowMs += 1;
    const source = frame % sources.length;
    const packet = mutator.next();
    if (frame % 4 !== 0) {
      const nodeId = NODE_OF_SOURCE[source]!;
      believable(packet, nodeId, (node.core.hosts.find(nodeId)?.window.newest ?? 0) + (frame & 1), frame % 3 === 0);
    }
    node.put(packet, sources[source]!);
    if (frame % CLEAR_EVERY !== 0) continue;
    node.raise(2); // the mutated replies do not keep links up
    node.raise(3, 1);
    node.core.tick(node.nowMs);
    node.core.flush();
    read += node.delivered.length;
    dropped += node.drops.length;
    for (const list of [node.delivered, node.sent, node.drops, node.reports]) list.length = 0;
    if (node.core.hosts.list.some((host) => host.reassembler.held > 4)) t.fail(`packet ${frame}: assemblies pile up`);
  }
  t.ok(read > 0 && dropped > 0, `${read} messages delivered, ${dropped} packets dropped`);
  t.equal(node.core.hosts.list.length, 2);
  node.close();
});
