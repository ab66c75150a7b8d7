import { BenchNode, peer } from '../../knet/bench-node.ts';
import { inputOf, step, stepsOf } from '../engine/records.ts';
import type { FuzzSubject } from '../engine/target.ts';
import { corpus } from '../knet-corpus.ts';

/** Steps: a packet of a peer as it is; one that is made to look like the peer's next one; time; links that come up. */
const PACKET = 0;
const BELIEVABLE = 1;
const TIME = 2;
const RAISE = 3;
const KINDS = 4;
const PEERS = [peer(2, 0), peer(2, 1), peer(3, 0), peer(3, 1), peer(77, 0)];
const NODE_OF_PEER = [2, 2, 3, 3, 77];
const ASSEMBLIES_MAX = 4;
/** Header, PING, data header: u8, u16 and times (knet.md). */
const FIELDS = [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 23, 25].map((at) => at + 1);

function believable(node: BenchNode, source: number, packet: Uint8Array): void {
  if (packet.length < 14) return;
  const nodeId = NODE_OF_PEER[source]!;
  packet[0] = 1;
  packet[2] = 0;
  packet[3] = nodeId;
  if (packet[1] !== 0) return;
  const seq = (node.core.hosts.find(nodeId)?.window.newest ?? 0) + (packet[7]! & 3);
  packet[6] = seq >> 8;
  packet[7] = seq;
}

export const KNET_SUBJECT: FuzzSubject = {
  name: 'knet',
  what: 'stories of packets in the clear of two known hosts and a stranger: heartbeat, path MTU, fragments, compressed data',
  kinds: KINDS,
  fields: (kind) => (kind === PACKET || kind === BELIEVABLE ? FIELDS : []),
  seeds: () =>
    corpus.flatMap((packet) =>
      [PACKET, BELIEVABLE].map((kind) =>
        inputOf([
          step(RAISE, [2, 0]),
          step(kind, [0, ...packet.subarray(0, 4_000)]),
          step(TIME, [10]),
          step(kind, [3, ...packet.subarray(0, 4_000)]),
        ]),
      ),
    ),
  run: (input) => {
    const node = new BenchNode();
    try {
      for (const { kind, bytes } of stepsOf(input)) {
        if (kind % KINDS === TIME) node.nowMs += 10 * (bytes[0] ?? 1);
        else if (kind % KINDS === RAISE) node.raise(2 + ((bytes[0] ?? 0) & 1), (bytes[1] ?? 0) & 1);
        else {
          const source = (bytes[0] ?? 0) % PEERS.length;
          const packet = bytes.slice(1);
          if (kind % KINDS === BELIEVABLE) believable(node, source, packet);
          node.nowMs += 1;
          node.put(packet, PEERS[source]);
        }
        node.core.tick(node.nowMs);
        node.core.flush();
        if (node.core.hosts.list.some((host) => host.reassembler.held > ASSEMBLIES_MAX))
          throw new Error('assemblies pile up');
      }
      if (node.core.hosts.list.length !== 2) throw new Error('another host');
      return [...new Set(node.drops)].map((reason) => `drop ${reason}`);
    } finally {
      node.close();
    }
  },
};
