import t from 'tap';
import { KeyBox, keyRecord } from '../../src/bridge/key-box.ts';
import { MainBridge } from '../../src/bridge/main-bridge.ts';
import { RecordWriter, recordRingBytes, recordRingMemory } from '../../src/bridge/record-ring.ts';
import { RingBridge } from '../../src/bridge/ring-bridge.ts';
import { allocateShared } from '../../src/bridge/shared-layout.ts';
import { EventQueue } from '../../src/ipc/server/event-queue.ts';
import { RingPool } from '../../src/ipc/server/pool.ts';
import { KNET_LIMITS } from '../../src/knet/constants.ts';
import { CLEAR_SIZES } from '../../src/knet/mtu.ts';
import { RxBatch } from '../../src/knet/rx-batch.ts';
import { TxQueue } from '../../src/knet/tx-queue.ts';
import { UserQuota } from '../../src/lib/user-quota.ts';
import { Arena } from '../../src/os/arena.ts';
import { SendQueue } from '../../src/totem/send-queue.ts';
import { ReceiveBatch } from '../../src/transport/datagram/receive-batch.ts';
import { LoopbackQueue } from '../../src/transport/loopback-queue.ts';
import { MessageBatch } from '../../src/transport/message-batch.ts';
import { LoneNode } from '../totem/lone-node.ts';

t.test('a queue takes packets that have bytes, and an empty one has no head', async (t) => {
  const queue = new SendQueue(64);
  t.throws(() => queue.push(0, 0, false), /has a slot and bytes/);
  t.throws(() => queue.headOffset, /no head/);
  t.throws(() => queue.headLength, /no head/);
  queue.push(64, 10, false);
  t.equal(queue.headOffset, 64);
  t.throws(() => queue.offsetAt(1), /no such packet/);
  queue.shift();
  t.throws(() => queue.shift(), /nothing to remove/);
});

t.test('what is routed was appended', async (t) => {
  const bytes = new Uint8Array(4096);
  const queue = new TxQueue({ bytes, view: new DataView(bytes.buffer) }, 0, bytes.length);
  t.throws(() => queue.route(0, 0, 0), /packets that were appended/);
  queue.append(100, CLEAR_SIZES);
  queue.route(0, 0, 0);
  t.equal(queue.runs, 1);
  t.throws(() => queue.route(0, 1, 0), /packets that were appended/);
});

t.test('a record is of bytes that are there', async (t) => {
  const capacity = 4096;
  const shared = new SharedArrayBuffer(recordRingBytes(capacity));
  const writer = new RecordWriter(recordRingMemory(shared, 0, capacity, true));
  t.throws(() => writer.tryWrite(1, 0, new Uint8Array(4), 2, 3), /bytes that are there/);
  t.throws(() => writer.tryWrite(0, 0, new Uint8Array(4), 0, 4), /of a kind/);
  t.ok(writer.tryWrite(1, 0, new Uint8Array(4), 1, 3));
});

const counter = () => ({ values: new Float64Array(1), slot: 0 });

t.test('a quota gets back what was taken', async (t) => {
  const quota = new UserQuota({ perUser: 4, users: 8, all: 10 });
  const [one, other] = [1, 2].map((uid) => ({ uid, privileged: false })) as [
    { uid: number; privileged: boolean },
    never,
  ];
  quota.take(one, 2);
  quota.give(one, 1);
  t.throws(() => quota.give(other, 1), /given back by who took it/);
  t.throws(() => new UserQuota(quota.limits).give(one), /given back by who took it/);
  const root = new UserQuota(quota.limits);
  root.take({ uid: 0, privileged: true }, 1);
  t.throws(
    () => root.give({ uid: 0, privileged: false }, 1),
    /given back by who took it/,
    'a user is privileged or not',
  );
});

t.test('a datagram reaches the core from outside of its region', async (t) => {
  const node = new LoneNode();
  const { srp } = node.groups;
  t.throws(() => srp.receive(-1, 10), /lies in the frame memory/);
  t.throws(() => srp.receive(srp.state.memory.bytes.length - 4, 10), /lies in the frame memory/);
  const inside = srp.state.pool.alloc(100);
  t.throws(() => srp.receive(inside, 10), /outside of the region of the core/);
});

t.test('what is received fits what was offered', async (t) => {
  const arena = Arena.map(1 << 20);
  const batch = new ReceiveBatch(arena, 2, counter());
  t.throws(() => batch.receive(-1, 3), /no more is offered than there is/);
  t.throws(() => batch.receive(-1, 0), /no more is offered than there is/);
  const greedy = new ReceiveBatch(arena, 2, counter(), undefined, (_fd, _headers, offered) => offered + 1);
  t.throws(() => greedy.receive(-1, 1), /no more is filled than was offered/);
  const packets = new RxBatch();
  for (let i = 0; i < KNET_LIMITS.rxPacketsMax; i++) packets.add(0, 1, 0, 0);
  t.throws(() => packets.add(0, 1, 0, 0), /finds room/);
  packets.next = packets.count + 1;
  t.throws(() => packets.clear(), /no more is handled/);
});

t.test('a message to the kernel has a run of pieces of the arena', async (t) => {
  const arena = Arena.map(1 << 20);
  const batch = new MessageBatch(arena, 1, 2);
  t.throws(() => batch.setPiece(0, arena.u8.length - 5, 10), /a piece of the arena/);
  t.throws(() => batch.setPiece(0, 0, 0), /a piece of the arena/);
  t.throws(() => batch.setPiece(2, 0, 10), /a piece of the arena/);
  t.throws(() => batch.add(0, 16, 1, 2, false), /room and a run/);
  batch.add(0, 16, 0, 2, false);
  t.throws(() => batch.add(0, 16, 0, 2, false), /room and a run/);
});

t.test('a frame to oneself comes out as it went in', async (t) => {
  const arena = Arena.map(1 << 20);
  const queue = new LoopbackQueue(arena, counter());
  queue.push(0, 40);
  t.ok(queue.peek());
  arena.u32[(queue.offset - 4) >> 2] = 1 << 20;
  t.throws(() => queue.peek(), /that was pushed/);
});

t.test('a key travels with its fingerprint', async (t) => {
  t.throws(() => keyRecord('0'.repeat(64), new Uint8Array(0)), /there is a key/);
  t.throws(() => new KeyBox().take(new Uint8Array(64)), /a fingerprint and a key/);
});

t.test('rings and events of a connection', async (t) => {
  const pool = new RingPool();
  const slot = pool.take(1024);
  if (typeof slot === 'number') throw new Error(`no slot: ${slot}`);
  pool.give(slot);
  t.throws(() => pool.give(slot), /given back once/);
  const queue = new EventQueue(pool.events, 1);
  t.throws(() => queue.shiftInto(new Uint8Array(10), 0), /an event waits/);
  queue.push(new Uint8Array(10), 0, 10);
  queue.bytes = 5;
  t.throws(() => queue.shiftInto(new Uint8Array(10), 0), /an event that was pushed/);
});

t.test(
  'records between the threads are of a kind that the other side knows, and are counted while they wait',
  async (t) => {
    const shared = allocateShared();
    const ring = new RingBridge(shared, () => {});
    const main = new MainBridge(shared, () => {});
    const bytes = new Uint8Array(100_000);
    const waiting = (): number => Number(Reflect.get(ring, 'waitingBytes'));
    while (waiting() === 0) ring.deliver(1, bytes, 0, bytes.length);
    while (main.drain({ message: () => {}, deliver: () => {} }));
    Reflect.set(ring, 'waitingBytes', 1);
    t.throws(() => ring.flush(), /what leaves had come to wait/);
    while (main.drain({ message: () => {}, deliver: () => {} }));
    (Reflect.get(ring, 'writer') as RecordWriter).tryWrite(99, 0, bytes, 0, 4);
    t.throws(() => main.drain({ message: () => {}, deliver: () => {} }), /unknown record from the ring thread/);
  },
);
