import fc from 'fast-check';
import t from 'tap';
import { KNET, KNET_LIMITS } from '../../src/knet/constants.ts';
import { ASSEMBLY_BUFFER_BYTES, AssemblyPool, Fragment, Reassembler } from '../../src/knet/reassembly.ts';
import { frameMemory } from '../../src/lib/frame-memory.ts';

const GUARD = 0x5a;

function make(buffers: number) {
  const memory = frameMemory(new Uint8Array(AssemblyPool.bytesFor(buffers) + 2 * ASSEMBLY_BUFFER_BYTES).fill(GUARD));
  const pool = new AssemblyPool(memory, ASSEMBLY_BUFFER_BYTES, buffers);
  const intact = () =>
    memory.bytes.subarray(0, ASSEMBLY_BUFFER_BYTES).every((byte) => byte === GUARD) &&
    memory.bytes.subarray(ASSEMBLY_BUFFER_BYTES * (buffers + 1)).every((byte) => byte === GUARD);
  return { memory, pool, intact };
}

const fragments = (message: Uint8Array, stride: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(message.length / stride) }, (_, i) => message.slice(i * stride, (i + 1) * stride));

t.test('fragments in any order, doubled, become the message', async () => {
  const { pool, memory } = make(4);
  const source = new Reassembler(pool);
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 254 }),
      fc.integer({ min: 1, max: 258 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.infiniteStream(fc.nat()),
      (count, stride, lastShare, random) => {
        const last = Math.max(1, Math.round(lastShare * stride));
        const message = Uint8Array.from({ length: (count - 1) * stride + last }, (_, i) => (i * 31) & 255);
        const parts = fragments(message, stride);
        const order = parts.flatMap((_, i) => ((i & 3) === 1 ? [i, i] : [i]));
        for (let i = order.length - 1; i > 0; i--) {
          const j = random.next().value % (i + 1);
          [order[i], order[j]] = [order[j]!, order[i]!];
        }
        const buffer = source.start(1, parts.length);
        const left = new Set(parts.keys());
        let ok = true;
        for (const i of order) {
          if (left.size === 0) break;
          const part = parts[i]!;
          left.delete(i);
          const result = buffer.add(parts.length, i + 1, frameMemory(part), 0, part.length);
          ok &&= result === (left.size === 0 ? Fragment.COMPLETE : Fragment.TAKEN);
        }
        const { offset, length } = buffer;
        ok &&=
          length === message.length && memory.bytes.slice(offset, offset + length).every((b, i) => b === message[i]);
        source.finish(buffer);
        return ok;
      },
    ),
    { numRuns: 100 },
  );
});

t.test('no sequence of fragments writes outside of its buffer (the class of CVE-2026-15813)', async () => {
  const { pool, intact } = make(2);
  const source = new Reassembler(pool);
  const part = frameMemory(new Uint8Array(65_600).fill(1));
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: KNET.fragmentsMax }),
      fc.array(
        fc.tuple(
          fc.integer({ min: 1, max: 254 }),
          fc.oneof(fc.nat(65_600), fc.nat(600), fc.constantFrom(0, 1, 258, 259)),
        ),
        { maxLength: 40 },
      ),
      (count, parts) => {
        const buffer = source.start(1, count);
        let complete = false;
        for (const [seq, length] of parts) {
          if (complete) break;
          complete = buffer.add(count, Math.min(seq, count), part, 0, length) === Fragment.COMPLETE;
          if (complete && buffer.length > KNET.messageBytesMax) return false;
        }
        source.finish(buffer);
        return true;
      },
    ),
    { numRuns: 500 },
  );
  t.ok(intact());
});

t.test('contradictions', async (t) => {
  const { pool } = make(4);
  const source = new Reassembler(pool);
  const part = frameMemory(new Uint8Array(70_000));
  const buffer = source.start(9, 3);
  t.equal(buffer.add(4, 1, part, 0, 100), Fragment.BAD, 'another number of fragments');
  t.equal(buffer.add(3, 1, part, 0, 0), Fragment.BAD, 'an empty one');
  t.equal(buffer.add(3, 1, part, 0, 32_769), Fragment.BAD, 'more than a message in the end');
  t.equal(buffer.add(3, 1, part, 0, 100), Fragment.TAKEN);
  t.equal(buffer.add(3, 2, part, 0, 99), Fragment.BAD, 'another stride');
  t.equal(buffer.add(3, 3, part, 0, 101), Fragment.BAD, 'the last one longer than the stride');
  t.equal(buffer.add(3, 3, part, 0, 100), Fragment.TAKEN);
  t.equal(buffer.add(3, 2, part, 0, 100), Fragment.COMPLETE);
  t.equal(buffer.length, 300);
});

t.test('buffers are bounded, old ones are given up, and nobody starves', async (t) => {
  const { pool } = make(8);
  pool.setHostCount(4);
  const noisy = new Reassembler(pool);
  const quiet = new Reassembler(pool);
  const kept = quiet.start(1, 2);
  for (let seq = 1; seq <= 100; seq++) noisy.start(seq, 2);
  t.equal(noisy.held, 7);
  t.equal(quiet.find(1), kept, 'the quiet host still has its message');
  quiet.start(2, 2);
  t.equal(quiet.held, 2, 'and gets another at the cost of the noisy one');
  t.equal(noisy.held, 6);
  noisy.expire(100 + KNET_LIMITS.reassemblySpan);
  t.equal(noisy.held, 1, 'numbers far behind are given up');
  noisy.reset();
  quiet.reset();
  t.equal(noisy.held + quiet.held, 0);
});
