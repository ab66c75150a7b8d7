import t from 'tap';
import { Arena } from '../../src/os/arena.ts';
import { closeFd } from '../../src/os/fd.ts';
import { openDatagramSocket } from '../../src/transport/datagram/datagram-socket.ts';
import { MemberAddresses } from '../../src/transport/datagram/members.ts';
import { ReceiveBatch } from '../../src/transport/datagram/receive-batch.ts';
import { SendBatch } from '../../src/transport/datagram/send-batch.ts';

/** Several clones may run the tests at the same time. */
const PORT = 20_000 + (process.pid % 1000) * 40;
const OPTIONS = { scopeId: 0, bufferBytes: 2_179_072, broadcast: false, ipDscp: 46 };

function setUp(family: 4 | 6, ports: readonly [number, number]) {
  const arena = Arena.map(32 << 20);
  const address = family === 4 ? ['127.0.0.1', '127.0.0.2', '127.0.0.3'] : ['::1', '::1', '::1'];
  const scratch = arena.allocate(128);
  const [from, to] = ports;
  const sender = openDatagramSocket(arena, scratch, { ...OPTIONS, address: address[0]!, port: from });
  const second = openDatagramSocket(arena, scratch, { ...OPTIONS, address: address[1]!, port: to });
  const sockets = [sender, second];
  const members = new MemberAddresses(arena, 1, family);
  const configured = [1, 2].map((nodeId) => ({ nodeId, name: '', addresses: [address[nodeId - 1]!] }));
  members.set(configured, to, 0);
  const failed = { values: new Float64Array(1), slot: 0 };
  const batch = new SendBatch(
    arena,
    () => sender,
    () => members,
    failed,
  );
  const received = new ReceiveBatch(arena, 8, { values: new Float64Array(1), slot: 0 });
  const frames = arena.allocate(1 << 20);
  return { arena, sender, second, members, batch, failed, received, frames, close: () => sockets.map(closeFd) };
}

function readAll(received: ReceiveBatch, fd: number, arena: Arena): { length: number; first: number }[] {
  const found: { length: number; first: number }[] = [];
  for (;;) {
    const buffers = received.receive(fd);
    while (received.next()) found.push({ length: received.bytes, first: arena.u8[received.offset]! });
    if (buffers < received.size) return found;
  }
}

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: frames of an event arrive in order, cut and joined by the kernel`, async (t) => {
    const { arena, second, members, batch, failed, received, frames, close } = setUp(family, [
      PORT + 0 + family,
      PORT + 2 + family,
    ]);
    // Runs of equal size, a shorter end, a new size, single ones, and the token last.
    const lengths = [1455, 1455, 1455, 700, 1455, 200, 200, 201, 1500, 1500, 57];
    let at = frames;
    for (const [i, length] of lengths.entries()) {
      arena.u8.fill(i + 1, at, at + length);
      if (i < lengths.length - 1) batch.multicast(at, length);
      else batch.unicast(at, length, members.nameOf(2), members.nameBytes);
      at += length;
    }
    batch.flush();
    t.ok(batch.isEmpty);
    t.equal(failed.values[0], 0);
    t.same(
      readAll(received, second, arena),
      lengths.map((length, i) => ({ length, first: i + 1 })),
    );
    t.ok(members.hear(received.source, { nowMs: () => 1 }) || received.source === 0, 'the source address was seen');
    close();
  });
}

t.test('more frames than a batch holds', async (t) => {
  const { arena, second, batch, received, frames, close } = setUp(4, [PORT + 4, PORT + 6]);
  const lengths: number[] = [];
  for (let i = 0; i < 300; i++) {
    const length = 100 + (i % 7 === 0 ? 50 : 0);
    lengths.push(length);
    arena.u8[frames + i * 160] = i & 0xff;
    batch.multicast(frames + i * 160, length);
  }
  batch.flush();
  t.same(
    readAll(received, second, arena),
    lengths.map((length, i) => ({ length, first: i & 0xff })),
  );
  close();
});

t.test('members and strangers', async (t) => {
  const { arena, members, failed, received, sender, second, frames, close } = setUp(4, [PORT + 8, PORT + 10]);
  t.equal(members.count, 1, 'not itself');
  t.equal(members.nameOf(1), -1);
  t.equal(members.nameOf(9), -1);
  const back = new SendBatch(
    arena,
    () => second,
    () => members,
    failed,
  );
  members.set([{ nodeId: 2, name: '', addresses: ['127.0.0.1'] }], PORT + 8, 0);
  back.multicast(frames, 10);
  back.flush();
  t.equal(received.receive(sender), 1);
  t.ok(received.next());
  t.equal(members.hear(received.source, { nowMs: () => 1 }), false, '127.0.0.2 is not in the list now');
  t.equal(received.discardRest(), 0);
  close();
});

t.test('what cannot be sent does not hold up the rest', async (t) => {
  const { arena, members, batch, failed, received, second, frames, close } = setUp(4, [PORT + 12, PORT + 14]);
  const configured = [
    { nodeId: 3, name: '', addresses: ['255.255.255.255'] }, // EACCES without SO_BROADCAST
    { nodeId: 2, name: '', addresses: ['127.0.0.2'] },
  ];
  members.set(configured, PORT + 14, 0);
  for (let i = 0; i < 3; i++) batch.multicast(frames + 100 * i, 100);
  batch.flush();
  t.equal(failed.values[0], 1);
  t.equal(readAll(received, second, arena).length, 3);
  close();
});
