import fc from 'fast-check';
import t from 'tap';
import { RecordReader, RecordWriter, recordRingBytes, recordRingMemory } from '../../src/bridge/record-ring.ts';

const CAPACITY = 4096;
const OFFSET = 128;
/** 0 is no kind. */
const kindOf = (length: number): number => 1 + (length & 0x7f);

function pair(): { writer: RecordWriter; reader: RecordReader } {
  const shared = new SharedArrayBuffer(OFFSET + recordRingBytes(CAPACITY));
  recordRingMemory(shared, OFFSET, CAPACITY, true);
  return {
    writer: new RecordWriter(recordRingMemory(shared, OFFSET, CAPACITY, false)),
    reader: new RecordReader(recordRingMemory(shared, OFFSET, CAPACITY, false)),
  };
}

t.test('records come out as they went in, whatever the interleaving', async () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat({ max: 2032 }), fc.constant(-1)), { maxLength: 400 }), (steps) => {
      const { writer, reader } = pair();
      const expected: number[] = [];
      const take = (): boolean => {
        if (!reader.peek()) return false;
        const length = expected.shift();
        if (length === undefined || reader.payloadLength !== length) throw new Error('wrong length');
        if (reader.argument !== (length * 7) >>> 0 || reader.kind !== kindOf(length)) throw new Error('wrong header');
        for (let i = 0; i < length; i++) {
          if (reader.bytes[reader.payloadOffset + i] !== ((length + i) & 0xff)) throw new Error('wrong byte');
        }
        reader.release();
        return true;
      };
      for (const step of steps) {
        if (step < 0) {
          const waiting = expected.length > 0;
          if (take() !== waiting) return false;
          continue;
        }
        const from = new Uint8Array(step + 3);
        for (let i = 0; i < step; i++) from[i + 3] = (step + i) & 0xff;
        if (writer.tryWrite(kindOf(step), (step * 7) >>> 0, from, 3, step)) expected.push(step);
        else if (expected.length === 0) return false; // a record of this size fits an empty ring
      }
      while (expected.length > 0) if (!take()) return false;
      return reader.isEmpty() && !reader.peek();
    }),
    { numRuns: 300 },
  );
});

t.test('a full ring refuses and recovers', async (t) => {
  const { writer, reader } = pair();
  const bytes = new Uint8Array(100);
  let count = 0;
  while (writer.tryWrite(1, count, bytes, 0, 100)) count++;
  t.ok(count > 30 && count < 40);
  t.ok(reader.peek());
  reader.release();
  t.ok(writer.tryWrite(1, count, bytes, 0, 100));
  t.throws(() => writer.tryWrite(1, 0, new Uint8Array(3000), 0, 3000), /longer than/);
});
