import t from 'tap';
import { Magic, type RingFault } from '../../../src/lib/qbring/layout.ts';
import { Peek, RingReader } from '../../../src/lib/qbring/reader.ts';
import { RingWriter } from '../../../src/lib/qbring/writer.ts';
import { xorshift } from '../xorshift.ts';
import { qbMemory } from './memory.ts';
import { WrappedRingReader, WrappedRingWriter } from './wrapped.ts';

t.setTimeout(3_600_000);
const MUTATIONS = Number(process.env['RONDO_FUZZ'] ?? 1_000_000);

t.test('what the writer may not do, and the name it gets', (t) => {
  const cases: [RingFault, (i32: Int32Array, data: number) => void][] = [
    [
      'badMagic',
      (i32, data) => {
        i32[data + 1] = Magic.ALLOCATED;
      },
    ],
    [
      'badMagic',
      (i32, data) => {
        i32[data + 1] = 0;
      },
    ],
    [
      'badLength',
      (i32, data) => {
        i32[data] = 4085;
      },
    ],
    [
      'badLength',
      (i32, data) => {
        i32[data] = -1;
      },
    ],
    [
      'badSemaphore',
      (i32) => {
        i32[2052] = -1;
      },
    ],
    [
      'badSemaphore',
      (i32) => {
        i32[2052] = 4097;
      },
    ],
  ];
  for (const [fault, damage] of cases) {
    const memory = qbMemory(4096);
    const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
    writer.tryWrite(new Uint8Array(10));
    writer.publish();
    damage(memory.i32, memory.data >> 2);
    t.equal(reader.peek(), Peek.FAULT);
    t.equal(reader.fault, fault);
    t.equal(reader.peek(), Peek.FAULT, 'for good');
    t.equal(reader.available(), 0);
  }
  const memory = qbMemory(4096);
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  writer.tryWrite(new Uint8Array(10));
  writer.publish();
  reader.peek();
  memory.i32[2052] = 0;
  reader.reclaim();
  reader.release();
  t.equal(reader.fault, 'badSemaphore', 'taken back under our hands');
  t.end();
});

t.test('what the reader may not do', (t) => {
  for (const index of [-1, 1024, 0x7fffffff]) {
    const memory = qbMemory(4096);
    const writer = new RingWriter(memory);
    t.equal(writer.tryWrite(new Uint8Array(100)), true);
    memory.i32[1] = index;
    t.equal(writer.claim(4080), -1);
    t.equal(writer.fault, 'badIndex');
    t.equal(new RingWriter(memory).fault, 'badIndex');
    t.equal(new RingReader(memory).fault, 'badIndex');
  }
  t.end();
});

t.test('random damage: no throw, no access outside, no endless reading', (t) => {
  const seed = Number(process.env['RONDO_FUZZ_SEED'] ?? Date.now() & 0x7fffffff);
  t.comment(`RONDO_FUZZ_SEED=${seed}`);
  const next = xorshift(seed);
  const memory = qbMemory(4096);
  const { i32, data, header } = memory;
  const interesting = [
    0,
    1,
    -1,
    3,
    1023,
    1024,
    4084,
    4085,
    0x7fffffff,
    -0x80000000,
    Magic.COMMITTED,
    Magic.CONSUMED,
    Magic.ALLOCATED,
  ];
  let faults = 0;
  let chunks = 0;
  let [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  const limit = (memory.data >> 2) + 2 * memory.words; // end of the double mapping
  for (let run = 0; run < MUTATIONS; run++) {
    const damages = next() % 3;
    for (let i = 0; i < damages; i++) {
      const kind = next() & 7;
      const at = kind < 2 ? (header >> 2) + (next() & 1) : kind < 4 ? 2052 : (data >> 2) + (next() % 1024);
      i32[at] = (next() & 3) === 0 ? next() : interesting[next() % interesting.length]!;
    }
    if ((next() & 3) !== 0 && writer.claim(next() % 1200) >= 0) writer.commit();
    if ((next() & 1) === 0) writer.publish();
    const budget = next() & 3;
    for (let i = 0; i < budget && reader.peek() === Peek.CHUNK; i++) {
      if (
        reader.length < 0 ||
        reader.length > 4084 ||
        reader.offset < memory.data ||
        reader.offset + reader.length > limit * 4
      )
        throw new Error(`outside, run ${run}`);
      reader.reclaim();
      chunks++;
    }
    reader.release();
    if (reader.fault !== null || writer.fault !== null) {
      faults++;
      // A connection like this is cut; the next client starts with fresh files.
      i32[0] = 0;
      i32[1] = 0;
      i32[2052] = 0;
      [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
    }
  }
  t.ok(faults > MUTATIONS / 100, `${faults} faults`);
  t.ok(chunks > MUTATIONS / 100, `${chunks} chunks survived`);
  t.end();
});

t.test('random damage, wrapping memory', (t) => {
  const next = xorshift(4711);
  const memory = qbMemory(4096);
  const target = new Uint8Array(4096);
  let faults = 0;
  let [writer, reader] = [new WrappedRingWriter(memory), new WrappedRingReader(memory)];
  for (let run = 0; run < MUTATIONS / 10; run++) {
    const at = [0, 1, 2052, (memory.data >> 2) + (next() % 1024)][next() & 3]!;
    memory.i32[at] = next() & 1 ? next() : next() % 1100;
    writer.tryWrite(target.subarray(0, next() % 5000 > 4096 ? 4096 : next() % 1000));
    reader.read(target);
    if (reader.fault !== null || writer.fault !== null) {
      faults++;
      memory.i32[0] = 0;
      memory.i32[1] = 0;
      memory.i32[2052] = 0;
      [writer, reader] = [new WrappedRingWriter(memory), new WrappedRingReader(memory)];
    }
  }
  t.ok(faults > 0, `${faults} faults`);
  t.end();
});
