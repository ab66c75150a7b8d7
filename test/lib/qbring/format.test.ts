import t from 'tap';
import { chunkBytesMax, qbDataBytes } from '../../../src/lib/qbring/layout.ts';
import { Peek, RingReader } from '../../../src/lib/qbring/reader.ts';
import { qbDataPath } from '../../../src/lib/qbring/setup.ts';
import { RingWriter } from '../../../src/lib/qbring/writer.ts';
import { hex, qbMemory } from './memory.ts';

// libqb-ipc.md 2.5, "worked example": cpg "local get" over a fresh connection.
t.test('worked example of the format', (t) => {
  const request = qbMemory(1052672);
  const { i32, u8, data } = request;
  const words = (memory: Uint8Array, at: number, count: number): string => hex(memory.slice(at, at + count * 4));
  const writer = new RingWriter(request);
  t.equal(writer.tryWrite(Buffer.from('04000000000000001000000000000000', 'hex')), true);
  t.equal(i32[2052], 0, 'nothing is visible before publish');
  t.equal(writer.publish(), 1);
  t.equal(words(u8, data, 6), '10000000a1a1a1a104000000000000001000000000000000');
  t.equal(i32[0], 6, 'write_pt');
  t.equal(i32[2052], 1, 'semaphore');

  const reader = new RingReader(request);
  t.equal(reader.available(), 1);
  t.equal(reader.peek(), Peek.CHUNK);
  t.equal(reader.length, 16);
  t.equal(words(u8, reader.offset, 4), '04000000000000001000000000000000');
  const response = qbMemory(1052672);
  const responder = new RingWriter(response);
  responder.tryWrite(
    Buffer.from('07000000000000002000000000000000010000000000000001000000 00000000'.replaceAll(' ', ''), 'hex'),
  );
  responder.publish();
  t.equal(
    words(response.u8, response.data, 10),
    '20000000a1a1a1a107000000000000002000000000000000010000000000000001000000 00000000'.replaceAll(' ', ''),
  );
  t.equal(response.i32[0], 10);
  t.equal(response.i32[2052], 1);
  reader.reclaim();
  t.equal(reader.release(), 1);
  t.equal(words(u8, data, 2), '00000000d0d0d0d0');
  t.equal(i32[1], 6, 'read_pt');
  t.equal(i32[2052], 0);
  t.equal(reader.peek(), Peek.EMPTY);
  t.end();
});

t.test('header file', (t) => {
  const { i32, u8, header } = qbMemory(1052672);
  t.equal(i32[2], 263168, 'word_size');
  t.equal(i32[2051], 1, 'ref_count');
  t.same(Array.from(i32.slice(2052, 2060)), [0, 0, 128, 0, 0, 0, 0, 0], 'semaphore');
  t.equal(i32[2060], 0, 'flow control');
  t.equal(Buffer.from(u8.slice(12, 45)).toString(), '/dev/shm/x/qb-request-cpg-header\0');
  t.equal(qbDataPath(u8, header), '/dev/shm/x/qb-request-cpg-data');
  u8.fill(65, 4108, 8204);
  t.equal(qbDataPath(u8, header), null, 'not terminated');
  t.end();
});

t.test('sizes', (t) => {
  t.equal(qbDataBytes(1048576), 1052672);
  t.equal(qbDataBytes(12328), 16384);
  t.equal(qbDataBytes(4083), 4096);
  t.equal(qbDataBytes(4084), 8192);
  t.equal(chunkBytesMax(263168), 1052660);
  const writer = new RingWriter(qbMemory(1052672));
  t.equal(writer.hasRoom(1052660), true);
  t.throws(() => writer.claim(1052661), /length of a chunk/);
  t.ok(writer.claim(1052660) > 0);
  writer.commit();
  t.equal(writer.claim(0), -1, 'full');
  t.end();
});

t.test('a claim can be shortened', (t) => {
  const memory = qbMemory(4096);
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  const at = writer.claim(100);
  t.throws(() => writer.claim(1), /one claim/);
  memory.u8[at] = 9;
  writer.commit(3);
  t.equal(writer.tryWrite(Uint8Array.of(1, 2, 3, 4, 5)), true);
  t.equal(reader.peek(), Peek.EMPTY);
  t.equal(writer.publish(), 2);
  t.equal(writer.publish(), 0);
  t.equal(writer.queued(), 2);
  t.equal(writer.readerSleeps(), false);
  t.equal(reader.peek(), Peek.CHUNK);
  t.equal(reader.length, 3);
  t.equal(memory.u8[reader.offset], 9);
  reader.reclaim();
  t.throws(() => reader.reclaim(), /follows peek/);
  t.equal(reader.peek(), Peek.CHUNK);
  t.equal(reader.length, 5);
  t.equal(reader.available(), 1);
  reader.reclaim();
  t.equal(reader.release(), 2);
  t.equal(reader.release(), 0);
  t.end();
});
