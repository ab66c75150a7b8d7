import fc from 'fast-check';
import t from 'tap';
import type { RingMemory } from '../../../src/lib/qbring/layout.ts';
import { Peek, RingReader } from '../../../src/lib/qbring/reader.ts';
import { createThreadRing } from '../../../src/lib/qbring/setup.ts';
import { RingWriter } from '../../../src/lib/qbring/writer.ts';
import { qbMemory } from './memory.ts';
import { WrappedRingReader, WrappedRingWriter } from './wrapped.ts';

/** One step of a story: write a message of so many bytes, publish, read up to so many, release. */
type Step =
  | { readonly kind: 'write'; readonly bytes: number }
  | { readonly kind: 'read'; readonly count: number }
  | { readonly kind: 'publish' | 'release' };
const steps = (longest: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('write' as const), bytes: fc.integer({ min: 0, max: longest }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant('read' as const), count: fc.integer({ min: 1, max: 6 }) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('publish' as const, 'release' as const) }) },
    ),
    { minLength: 20, maxLength: 300 },
  );

let stamp = 0;
const message = (bytes: number): Uint8Array => {
  stamp = (stamp + 1) & 255;
  return Uint8Array.from({ length: bytes }, (_, i) => (stamp + i * 7) & 255);
};

/** Room by the rule of libqb-ipc.md 2.4, from what is written and not yet released. */
class Model {
  readonly inRing: { readonly bytes: Uint8Array; published: boolean; read: boolean }[] = [];
  constructor(private readonly words: number) {}
  get usedWords(): number {
    return this.inRing.reduce((sum, { bytes }) => sum + 2 + Math.ceil(bytes.length / 4), 0);
  }
  fits(bytes: number): boolean {
    const free = this.inRing.length === 0 ? this.words * 4 : (this.words - this.usedWords - 1) * 4;
    return free >= bytes + 12;
  }
}

function contiguous(memory: RingMemory, story: readonly Step[]): void {
  const [writer, reader, model] = [new RingWriter(memory), new RingReader(memory), new Model(memory.words)];
  for (const step of story) {
    if (step.kind === 'write') {
      const bytes = message(step.bytes);
      const fits = model.fits(step.bytes);
      if (writer.hasRoom(step.bytes) !== fits || writer.tryWrite(bytes) !== fits)
        throw new Error(`room for ${step.bytes}: model says ${fits}`);
      if (fits) model.inRing.push({ bytes, published: false, read: false });
    } else if (step.kind === 'publish') {
      if (writer.publish() !== model.inRing.filter((chunk) => !chunk.published).length) throw new Error('published');
      for (const chunk of model.inRing) chunk.published = true;
    } else if (step.kind === 'read') {
      for (let i = 0; i < step.count; i++) {
        const next = model.inRing.find((chunk) => chunk.published && !chunk.read);
        if (reader.peek() !== (next === undefined ? Peek.EMPTY : Peek.CHUNK)) throw new Error('peek');
        if (next === undefined) break;
        if (Buffer.compare(memory.u8.slice(reader.offset, reader.offset + reader.length), next.bytes) !== 0)
          throw new Error('content');
        reader.reclaim();
        next.read = true;
      }
    } else {
      if (reader.release() !== model.inRing.filter((chunk) => chunk.read).length) throw new Error('released');
      while (model.inRing[0]?.read === true) model.inRing.shift();
    }
    if (writer.fault !== null || reader.fault !== null) throw new Error(`fault ${writer.fault} ${reader.fault}`);
  }
}

function wrapped(memory: RingMemory, story: readonly Step[]): void {
  const [writer, reader, model] = [
    new WrappedRingWriter(memory),
    new WrappedRingReader(memory),
    new Model(memory.words),
  ];
  const target = new Uint8Array(memory.chunkBytesMax);
  for (const step of story) {
    if (step.kind === 'write') {
      const bytes = message(step.bytes);
      const fits = model.fits(step.bytes);
      if (writer.tryWrite(bytes) !== fits) throw new Error(`room for ${step.bytes}: model says ${fits}`);
      if (fits) model.inRing.push({ bytes, published: true, read: false });
    } else {
      const next = model.inRing.shift();
      if (next !== undefined && next.bytes.length > 0 && reader.read(target.subarray(0, next.bytes.length - 1)) !== -2)
        throw new Error('too short');
      const length = reader.read(target);
      if (length !== (next?.bytes.length ?? -1)) throw new Error('length');
      if (next !== undefined && Buffer.compare(target.subarray(0, length), next.bytes) !== 0)
        throw new Error('content');
    }
    if (writer.fault !== null || reader.fault !== null) throw new Error(`fault ${writer.fault} ${reader.fault}`);
  }
}

t.setTimeout(120_000);

t.test('contiguous libqb ring against a model', (t) => {
  fc.assert(
    fc.property(steps(900), (story) => contiguous(qbMemory(4096), story)),
    { numRuns: 400 },
  );
  t.end();
});

t.test('ring between threads against a model', (t) => {
  fc.assert(
    fc.property(steps(400), (story) => contiguous(createThreadRing(257, 400).memory, story)),
    { numRuns: 400 },
  );
  t.end();
});

t.test('wrapping memory against a model', (t) => {
  fc.assert(
    fc.property(steps(900), (story) => wrapped({ ...qbMemory(4096), chunkBytesMax: 4084 }, story)),
    { numRuns: 400 },
  );
  t.end();
});
