import t from 'tap';
import { RecordWriter, recordRingBytes, recordRingMemory } from '../../src/bridge/record-ring.ts';
import { CLEAR_SIZES } from '../../src/knet/mtu.ts';
import { TxQueue } from '../../src/knet/tx-queue.ts';
import { SendQueue } from '../../src/totem/send-queue.ts';

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
