import { deflateSync } from 'node:zlib';
import t from 'tap';
import { type CryptoSuite, OpenFailure } from '../../src/knet/crypto.ts';
import { DROP_REASON_COUNT, dropName } from '../../src/knet/drops.ts';
import { dropKey } from '../../src/lib/drop-key.ts';
import { mapOver, shownDrops } from '../ring/shown-counters.ts';
import { BenchNode, data, peer, ping, pong } from './bench-node.ts';
import { message } from './helpers.ts';

/** A suite that refuses everything, for one reason. */
const refusing = (failure: number): CryptoSuite => ({
  name: 'test',
  engine: 'test',
  blockBytes: 16,
  saltBytes: 16,
  digestBytes: 32,
  seal: () => {},
  open: (batch, first, count) => {
    for (let i = first; i < first + count; i++) batch.plainLength[i] = failure;
  },
  wipe: () => {},
});

const raised = (): BenchNode => {
  const node = new BenchNode();
  node.raise(2);
  return node;
};
const text = message(100);

/** One bad packet of each kind, and the node that it is put into. */
const PACKETS: Readonly<Record<string, () => BenchNode>> = {
  short: () => put(raised(), Buffer.alloc(3)),
  authentication: () => put(new BenchNode(refusing(OpenFailure.AUTHENTICATION)), ping(1)),
  padding: () => put(new BenchNode(refusing(OpenFailure.PADDING)), ping(1)),
  clear_refused: () => {
    const node = new BenchNode();
    node.core.allowClear(false);
    return put(node, ping(1));
  },
  version: () => put(raised(), Buffer.concat([Buffer.from([2]), ping(1).subarray(1)])),
  unknown_host: () => put(raised(), ping(1, 0, 9)),
  own_id: () => put(raised(), ping(1, 0, 1)),
  bad_link: () => put(raised(), ping(1, 7)),
  source_address: () => put(raised(), ping(1), peer(3, 0)),
  bad_length: () => put(raised(), ping(1).subarray(0, 25)),
  bad_fragment: () => put(raised(), data(text, { fragNum: 2, fragSeq: 3 })),
  unknown_type: () => put(raised(), Buffer.concat([Buffer.from([1, 0x85]), ping(1).subarray(2)])),
  not_reachable: () => put(new BenchNode(), data(text)),
  duplicate: () => put(put(raised(), data(text, { seq: 5 })), data(text, { seq: 5 })),
  stale: () => put(put(raised(), data(text, { seq: 30_000 })), data(text, { seq: 100 })),
  replayed_ping: () => put(put(raised(), ping(9_000)), ping(1_000)),
  late_pong: () => {
    const node = new BenchNode();
    return put(node, pong(node.nowMs - 5_000));
  },
  late_fragment: () => {
    const node = raised(); // the first half is given up when numbers are far ahead, then the second half comes
    put(node, data(text, { seq: 5, fragNum: 2, fragSeq: 1 }));
    put(node, data(text, { seq: 900 }));
    for (const seq of [901, 902]) put(node, data(text, { seq, fragNum: 2, fragSeq: 1 }));
    return put(node, data(text, { seq: 5, fragNum: 2, fragSeq: 2 }));
  },
  too_long: () => put(raised(), data(deflateSync(Buffer.alloc(66_000)), { compress: 1 })),
  compression_unknown: () => put(raised(), data(text, { compress: 99 })),
  compression_corrupt: () => put(raised(), data(text, { compress: 1 })),
  compression_budget: () => {
    const node = raised();
    node.clockStepMs = 100; // each look at the clock finds it so much later: 250 ms of a host's own are soon used up
    for (let seq = 1; seq <= 5; seq++) put(node, data(deflateSync(text), { seq, compress: 1 }));
    return node;
  },
  channel: () => put(raised(), data(text, { channel: 1 })),
  foreign_target: () => {
    const other = message(40);
    other.writeUInt32LE(3, 9);
    return put(raised(), data(other));
  },
};

function put(node: BenchNode, packet: Uint8Array, from = peer(2, 0)): BenchNode {
  node.put(packet, from);
  return node;
}

/** Needs a socket: test/transport/drops.test.ts. */
const ELSEWHERE = ['truncated'];

t.test('each reason has its packet here', async (t) => {
  const names = Array.from({ length: DROP_REASON_COUNT }, (_, reason) => dropName(reason));
  t.same([...Object.keys(PACKETS), ...ELSEWHERE].sort(), [...names].sort());
});

for (const [name, act] of Object.entries(PACKETS)) {
  t.test(`${name}: ${dropKey('knet', name)}`, async (t) => {
    const node = act();
    t.equal(node.drops.at(-1), name);
    const map = mapOver(node.stats.values, node.stats.names);
    t.ok((shownDrops(map, 'knet', name) ?? 0) >= 1, 'counted, and in the statistics map');
  });
}
