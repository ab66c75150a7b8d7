import { deflateSync } from 'node:zlib';
import t from 'tap';
import { KNET_LIMITS } from '../../src/knet/constants.ts';
import { BenchNode, data, peer, ping, pong } from './bench-node.ts';
import { KnetSim, message } from './helpers.ts';

/** knet.md 1.6, 2.2, 2.5, 3.1 and 10, packet by packet. */
const bench = (): BenchNode => {
  const node = new BenchNode();
  node.raise(2);
  return node;
};

t.test('what is no packet of ours', async (t) => {
  const node = bench();
  const before = node.state();
  const rows: [string, Buffer][] = [
    ['short', Buffer.alloc(0)],
    ['short', Buffer.from([1, 0x81, 0, 2, 0, 0])],
    ['version', Buffer.concat([Buffer.from([2]), ping(1).subarray(1)])],
    ['unknown_host', ping(1, 0, 9)],
    ['own_id', ping(1, 0, 1)],
    ['unknown_type', Buffer.concat([Buffer.from([1, 1]), ping(1).subarray(2)])],
    ['unknown_type', Buffer.concat([Buffer.from([1, 0x85]), ping(1).subarray(2)])],
    ['bad_length', ping(1).subarray(0, 25)],
    ['bad_length', pong(1).subarray(0, 7)],
    ['bad_length', Buffer.from([1, 0x83, 0, 2, 0, 0, 0, 1])],
    ['bad_length', data(new Uint8Array(0))],
  ];
  for (const [reason, packet] of rows) {
    node.drops.length = 0;
    node.put(packet);
    t.same(node.drops, [reason]);
  }
  t.equal(node.state(), before);
  t.same(node.sent, []);
  t.equal(node.stats.read('rondo.dropped.knet.unknown_type'), 2);
});

t.test('PONG, PMTUD_REPLY: what changes and what does not (knet.md traps 2, 3)', async (t) => {
  const node = bench();
  const request = ping(5_000_000.125, 0, 2, 77);
  node.put(request);
  const pong = Buffer.from(request);
  pong[1] = 0x82;
  pong.writeUInt16BE(1, 2);
  t.same(
    node.sent.map(({ bytes }) => bytes.toString('hex')),
    [pong.toString('hex')],
  );
  node.sent.length = 0;
  const probe = Buffer.alloc(1_472);
  probe.set([1, 0x83, 0, 2, 0, 0, 0, 0xdc, 0x05]);
  node.put(probe);
  t.same(
    node.sent.map(({ bytes }) => bytes.toString('hex')),
    ['01840001000000dc05'],
  );
});

t.test('messages: fragments, compression, filter, channel', async (t) => {
  const node = bench();
  const text = message(3_000);
  for (const [seq, from] of [
    [3, 2_000],
    [2, 1_000],
    [2, 1_000],
    [1, 0],
  ] as const) {
    node.put(data(text.subarray(from, from + 1_000), { seq: 5, fragNum: 3, fragSeq: seq }));
  }
  t.ok(node.delivered[0]?.bytes.equals(text), 'three fragments, the last one first, one doubled');
  node.put(data(text.subarray(0, 1_000), { seq: 5, fragNum: 3, fragSeq: 1 }));
  t.equal(node.delivered.length, 1, 'late copies are ignored');
  node.put(data(deflateSync(text), { seq: 6, compress: 1 }));
  t.ok(node.delivered[1]?.bytes.equals(text), 'zlib');
  node.put(data(deflateSync(Buffer.alloc(70_000)), { seq: 7, compress: 1 }));
  node.put(data(text, { seq: 8, compress: 1 }));
  node.put(data(text, { seq: 9, compress: 8 }));
  node.put(data(text, { seq: 10, channel: 1 }));
  const other = message(40);
  other.writeUInt32LE(3, 9);
  node.put(data(other, { seq: 11 }));
  t.same(node.drops.slice(-5), [
    'compression_corrupt',
    'compression_corrupt',
    'compression_unknown',
    'channel',
    'foreign_target',
  ]);
  other.writeUInt32LE(1, 9);
  node.put(data(other, { seq: 12 }));
  node.put(data(other, { seq: 12 }));
  t.equal(node.delivered.length, 3, 'for this node, once');
});

t.test('expanding has a budget of time: by host, in all, and a larger one in the own model', async (t) => {
  const packed = deflateSync(message(3_000));
  const expanded = (node: BenchNode, from: number, count: number): number => {
    const before = node.delivered.length;
    for (let i = 1; i <= count; i++) {
      node.put(
        data(packed, { seq: node.delivered.length + node.drops.length + 1, compress: 1, nodeId: from }),
        peer(from, 0),
      );
      node.nowMs -= node.clockStepMs; // only expanding takes time
    }
    return node.delivered.length - before;
  };
  const node = bench();
  node.raise(3);
  node.clockStepMs = 5;
  t.equal(expanded(node, 2, 60), 50, '250 ms for a host in models that are not configured');
  t.ok(node.drops.every((reason) => reason === 'compression_budget'));
  t.equal(expanded(node, 3, 60), 30, 'another host has its own, 400 ms all together');
  t.equal(node.stats.read('rondo.dropped.knet.compression_budget'), 40);
  node.nowMs += 1_000;
  t.equal(expanded(node, 2, 60), 50, 'and the next second its own');

  const configured = new BenchNode(null, { compression: { method: 1, thresholdBytes: 0, level: 0 } });
  configured.raise(2);
  configured.clockStepMs = 5;
  t.equal(expanded(configured, 2, 150), 100, '500 ms in the own model');
  configured.raise(3);
  t.equal(expanded(configured, 3, 150), 60, '800 ms all together');
});

t.test('DATA before the link is up', async (t) => {
  const node = new BenchNode();
  node.put(data(message(20)));
  t.same(node.drops, ['not_reachable'], 'a stranger so far');
  node.pong(1);
  node.put(data(message(20)));
  t.equal(
    node.delivered.length,
    1,
    'after one PONG its messages are taken, and the link is up (libknet 1.27 and later)',
  );
  t.ok(node.core.hosts.find(2)?.reachable);
});

t.test('a peer that restarts, also within one PING interval (knet.md 2.5)', async (t) => {
  const node = bench();
  node.put(ping(1_000));
  for (let seq = 1; seq <= 5; seq++) node.put(data(message(20), { seq }));
  t.equal(node.delivered.length, 5);
  node.put(ping(1_400)); // no PING with another number came in between
  node.put(data(message(20), { seq: 1 }));
  t.equal(node.delivered.length, 6);
  t.ok(node.reports.some(({ kind }) => kind === 'peerRestarted'));
});

t.test('a peer that restarts and whose PINGs with number 0 are lost: the numbers go back', async (t) => {
  const node = bench();
  for (let seq = 1; seq <= 50; seq++) node.put(data(message(20), { seq }));
  node.put(ping(1_000, 0, 2, 50));
  node.put(data(message(20), { seq: 1 }));
  t.same(node.drops.splice(0), ['duplicate'], 'nothing tells it yet');
  node.put(ping(1_800, 0, 2, 3));
  t.ok(node.reports.some(({ kind }) => kind === 'peerRestarted'));
  node.put(data(message(20), { seq: 4 }));
  t.equal(node.delivered.length, 51);
});

t.test('a PING that a message overtook, or an older one, says nothing about a restart', async (t) => {
  const node = bench();
  node.put(ping(1_000, 0, 2, 0));
  for (let seq = 1; seq <= 50; seq++) node.put(data(message(20), { seq }));
  node.put(ping(1_800, 0, 2, 40)); // sent before 41 to 50, which came first
  node.put(ping(2_600, 0, 2, 50));
  node.put(ping(2_000, 0, 2, 45)); // of another path, or a copy
  node.put(ping(2_600, 0, 2, 50));
  t.notOk(node.reports.some(({ kind }) => kind === 'peerRestarted'));
  node.put(data(message(20), { seq: 30 }));
  t.equal(node.delivered.length, 50);
});

t.test(
  'a node that was held up finds PINGs of one link behind the messages of another: nobody has restarted',
  async (t) => {
    const node = bench();
    node.put(ping(1_000, 0, 2, 0));
    for (let seq = 1; seq <= 50; seq++) node.put(data(message(20), { seq })); // of the other link's socket
    node.put(ping(1_200, 0, 2, 20));
    node.put(ping(1_400, 0, 2, 40));
    t.notOk(node.reports.some(({ kind }) => kind === 'peerRestarted'));
    node.put(data(message(20), { seq: 30 }));
    t.same([node.delivered.length, ...node.drops], [50, 'duplicate'], 'what came is known still');
    node.put(ping(1_600, 0, 2, 7));
    t.ok(
      node.reports.some(({ kind }) => kind === 'peerRestarted'),
      'a number that goes back from PING to PING',
    );
  },
);

t.test('a recorded PING does not wipe the window', async (t) => {
  const node = bench();
  const recorded = ping(1_000);
  node.put(recorded);
  for (let seq = 1; seq <= 5; seq++) node.put(data(message(20), { seq }));
  node.put(ping(9_000, 0, 2, 5));
  node.drops.length = 0;
  node.sent.length = 0;
  node.put(recorded);
  t.same(node.drops, ['replayed_ping']);
  t.equal(node.sent.length, 1, 'it is answered: its sender knows what it is');
  node.put(data(message(20), { seq: 3 }));
  t.equal(node.delivered.length, 5);
  t.same(node.drops, ['replayed_ping', 'duplicate']);
  // When nothing but older times comes for long, the peer has a new clock.
  for (let i = 0; i < 12; i++) {
    node.nowMs += 1_000;
    node.pong(1);
    node.drops.length = 0;
    node.put(ping(50 + i));
  }
  t.same(node.drops, [], 'then it is believed');
});

t.test('PONGs that are too late, from the future, or to no PING of ours', async (t) => {
  const node = new BenchNode();
  for (let i = 0; i < 9; i++) {
    node.pong(1_501);
    node.put(pong(node.nowMs - 1 - i));
    node.put(pong(node.nowMs + 5_000));
  }
  t.notOk(node.core.hosts.find(2)?.links[0]?.hasPong);
  t.same(new Set(node.drops), new Set(['late_pong']));
});

t.test('ICMP alone takes no link down', async (t) => {
  const node = bench();
  node.core.tick(node.nowMs);
  node.core.flush();
  node.sent.length = 0;
  node.core.linkError(0, true, node.nowMs);
  node.core.flush();
  t.equal(node.sent.filter(({ bytes }) => bytes[1] === 0x81).length, 1, 'it asks for proof of life');
  t.ok(node.core.hosts.find(2)?.links[0]?.connected);
  node.nowMs += 5;
  node.pong(4);
  node.nowMs += 300;
  node.core.tick(node.nowMs);
  t.ok(node.core.hosts.find(2)?.links[0]?.connected, 'and the proof came');
  node.sent.length = 0;
  for (let i = 0; i < 1_000; i++) node.core.linkError(0, true, node.nowMs);
  node.core.flush();
  t.equal(node.sent.length, 0, 'a flood of errors after that costs nothing');
  for (let i = 0; i < 20; i++) {
    node.nowMs += 1_000;
    node.core.tick(node.nowMs);
    node.pong(1);
  }
  node.core.linkError(0, false, node.nowMs);
  node.nowMs += 150;
  node.core.tick(node.nowMs);
  t.ok(node.core.hosts.find(2)?.links[0]?.connected);
  node.nowMs += 100;
  node.core.tick(node.nowMs);
  t.notOk(node.core.hosts.find(2)?.links[0]?.connected, 'without proof the link is down long before its timeout');
  t.notOk(
    node.reports.some(({ kind }) => kind === 'hostDied'),
    'a router that knows no way is no proof of a death',
  );
});

/** Ticks every 10 ms, as the deadlines have it, and returns when the peer was declared dead, or -1. */
function diesWithin(node: BenchNode, ms: number): number {
  const start = node.nowMs;
  while (node.nowMs < start + ms) {
    node.nowMs += 10;
    node.core.tick(node.nowMs);
    node.core.flush();
    if (node.reports.some(({ kind }) => kind === 'hostDied')) return node.nowMs - start;
  }
  return -1;
}

const pingsOf = (node: BenchNode) => node.sent.filter(({ bytes }) => bytes[1] === 0x81).length;

t.test('port unreachable and two PINGs without an answer: the process has ended', async (t) => {
  const node = bench();
  node.core.tick(node.nowMs);
  node.core.flush();
  node.sent.length = 0;
  node.reports.length = 0;
  node.core.linkError(0, false, node.nowMs);
  node.core.linkError(0, true, node.nowMs); // what the PING for the first error brought
  const tookMs = diesWithin(node, 1_000);
  t.ok(tookMs >= 200 && tookMs <= 260, `after ${tookMs} ms`);
  t.ok(pingsOf(node) >= 2, `${pingsOf(node)} PINGs`);
  t.same(
    node.reports.map((report) => report.kind).filter((kind) => /^host[DR]|^linkDown/.test(kind)),
    ['linkDown', 'hostReachable', 'hostDied'],
  );
  // A new process is heard from: this node's PINGs need not wait for their interval, and the line has not failed.
  node.sent.length = 0;
  node.nowMs += 300;
  node.put(ping(node.nowMs));
  t.equal(pingsOf(node), 1, 'a PING beside the PONG');
});

t.test('silence is reported with its length, and its end', async (t) => {
  const node = bench();
  const silences = () => node.reports.filter((report) => report.kind === 'hostSilent' && report.nodeId === 2);
  const last = () => silences().at(-1) as { readonly silentMs: number } | undefined;
  const run = (ms: number) => {
    for (let i = 0; i < ms / 10; i++) {
      node.nowMs += 10;
      node.core.tick(node.nowMs);
      node.core.flush();
    }
  };
  for (let i = 0; i < 300; i++) {
    run(10);
    node.pong(1);
  }
  node.reports.length = 0;
  run(1_200);
  t.equal(silences().length, 1, 'once');
  t.ok(last()!.silentMs >= 150 && last()!.silentMs <= 260, `${last()!.silentMs} ms`);
  node.nowMs += 5_000; // the own process is held up
  run(10);
  t.equal(silences().length, 3, 'what was reported is taken back');
  t.ok(
    last()!.silentMs >= 150 && last()!.silentMs < 1_300,
    `and comes again without that time: ${last()!.silentMs} ms`,
  );
  node.sent.length = 0;
  node.core.probeHost(2, node.nowMs);
  node.core.probeHost(2, node.nowMs);
  node.core.flush();
  t.ok(pingsOf(node) <= 2, 'asked for once');
  node.pong(1);
  t.equal(last()?.silentMs, -1);
});

t.test('a host that is removed while it is silent is not silent when it comes again', async (t) => {
  const sim = new KnetSim({ nodes: 3 });
  sim.run(4_000);
  sim.network = () => false;
  sim.run(2_000);
  const { core, reports } = sim.node(1);
  const last = () => reports.findLast((report) => report.kind === 'hostSilent' && report.nodeId === 3);
  t.ok((last() as { readonly silentMs: number }).silentMs >= 150);
  const config = sim.config(1);
  core.configure({ ...config, hosts: config.hosts.filter(({ nodeId }) => nodeId !== 3) }, sim.nowMs);
  t.match(last(), { silentMs: -1 });
});

t.test('one PING without an answer is no proof, however late the clock is looked at', async (t) => {
  const node = bench();
  node.core.tick(node.nowMs);
  node.pong(1);
  node.core.linkError(0, true, node.nowMs);
  node.nowMs += 240; // the process did not run: the time does not count, and one PING is out
  node.core.tick(node.nowMs);
  t.ok(node.core.hosts.find(2)?.links[0]?.connected, 'the next PING is still to be answered');
  node.pong(1);
  t.equal(diesWithin(node, 400), -1);
  t.ok(node.core.hosts.find(2)?.links[0]?.connected);
});

t.test(
  'a PONG to the PING that was sent for the error is the proof, whatever the fractions of its times',
  async (t) => {
    for (const [sentMs, tookMs] of [
      [0.123_456_7, 0.299_7],
      [0.5, 0.300_4],
      [0.999_999_9, 1.000_999],
    ] as const) {
      const node = bench();
      node.nowMs += sentMs;
      node.core.linkError(0, true, node.nowMs);
      node.core.flush();
      const asked = node.sent.findLast(({ bytes }) => bytes[1] === 0x81)!.bytes;
      const pong = Buffer.from(asked);
      pong[1] = 0x82;
      pong.writeUInt16BE(2, 2);
      node.nowMs += tookMs;
      node.put(pong);
      node.nowMs += 400;
      node.core.tick(node.nowMs);
      t.ok(node.core.hosts.find(2)?.links[0]?.connected, `${tookMs} ms`);
    }
  },
);

t.test('the own process was held up: peers are not accused', async (t) => {
  const node = bench();
  node.core.tick(node.nowMs);
  for (let i = 0; i < 20; i++) {
    node.nowMs += 500;
    node.pong(1);
    node.core.tick(node.nowMs);
  }
  node.nowMs += 20_000;
  node.core.tick(node.nowMs);
  t.ok(node.core.hosts.find(2)?.links[0]?.connected);
  t.ok(node.reports.some(({ kind }) => kind === 'paused'));
});

t.test('addresses: links, and block_unlisted_ips', async (t) => {
  const node = bench();
  node.put(ping(1), peer(3, 0));
  node.put(ping(1, 1), peer(2, 0));
  node.put(data(message(20)), peer(3, 0));
  node.put(data(message(20)), { family: 4, words: [0, 0, 0xffff, 1] });
  t.same(node.drops, ['source_address', 'source_address', 'source_address', 'source_address']);
  const open = new BenchNode(null, { blockUnlistedIps: false });
  open.raise(2);
  open.put(ping(1), { family: 4, words: [0, 0, 0xffff, 1] });
  t.equal(open.sent.length, 1, 'answered to the configured address');
  open.put(data(message(20)), { family: 4, words: [0, 0, 0xffff, 1] });
  t.same(open.drops, ['source_address'], 'DATA is checked in any case');
});

t.test(
  'a flood of fragments that never become messages holds at most 32 buffers, and the others get theirs',
  async (t) => {
    const node = bench();
    node.raise(3);
    const text = message(2_000);
    const half = text.subarray(0, 1_000);
    let most = 0;
    for (let i = 0; i < 10_000; i++) {
      const seq = i + 1;
      node.put(data(half, { seq, fragNum: 2 + (i % 253), fragSeq: 1 }));
      most = Math.max(most, node.core.hosts.find(2)!.reassembler.held);
      if (i % 1_000 !== 0) continue;
      const other = { seq: 1 + i / 1_000, fragNum: 2, nodeId: 3 };
      node.put(data(half, { ...other, fragSeq: 1 }), peer(3, 0));
      for (let k = 1; k <= 100; k++) node.put(data(half, { seq: ++i + 1, fragNum: 2, fragSeq: 1 }));
      node.put(data(text.subarray(1_000), { ...other, fragSeq: 2 }), peer(3, 0));
    }
    t.ok(most > 1 && most <= KNET_LIMITS.buffersPerHostMax, `${most} buffers`);
    t.equal(node.delivered.length, 10, 'every message of the other host is complete');
    t.ok(node.delivered.every(({ bytes }) => bytes.equals(text)));
  },
);

t.test('without encryption: forged PONGs and path MTU replies', async (t) => {
  const node = new BenchNode();
  node.nowMs += 0.123_456_7;
  node.core.tick(node.nowMs);
  node.core.flush();
  for (let i = 0; i < 3_000; i++) {
    node.nowMs += 0.1;
    node.put(pong(node.nowMs - 1));
  }
  t.notOk(node.core.hosts.find(2)?.links[0]?.hasPong, 'times that are guessed, though within the timeout');
  t.equal(node.stats.read('rondo.dropped.knet.late_pong'), 3_000);
  node.raise(2);
  const before = node.core.dataMtu;
  for (let size = 500; size < 65_535; size += 7) {
    const reply = Buffer.alloc(9);
    reply.set([1, 0x84, 0, 2, 0, 0, 0, size >> 8, size & 255]);
    node.put(reply);
  }
  t.equal(node.core.dataMtu, before, 'sizes that nobody asked for');
});
