import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { Compression, compressionMethod } from '../../../src/knet/compression.ts';
import { frameMemory } from '../../../src/lib/frame-memory.ts';
import { COMPRESSION_MODELS } from '../../../src/lib/knet-facts.ts';
import { COMPRESSION_LIBRARIES, loadCompression, type NativeModel } from '../../../src/os/compression.ts';
import { LibraryCompression } from '../../../src/transport/knet/library-compression.ts';

const MODELS = COMPRESSION_MODELS.filter((model) => model !== 'none');
const SPACE = 1 << 20;
const TARGET = 1 << 19;
/** A message of knet and what libknet allows on top (knet.md 6). */
const ROOM = 66_560;
const GUARD = 0xa5;
const memory = frameMemory(new Uint8Array(SPACE));
const provider = new LibraryCompression(() => undefined);

/** Why a model's tests are left out; `false` when its library is here. */
function without(model: NativeModel): string | false {
  try {
    loadCompression(model);
    return false;
  } catch {
    return `needs ${COMPRESSION_LIBRARIES[model]}`;
  }
}

/** Compresses with guard bytes around the room; `null` when it does not fit. */
function pack(model: string, message: Uint8Array, room = ROOM, level = 0): Buffer | null {
  memory.bytes.fill(GUARD, TARGET - 1, TARGET + room + 1);
  memory.bytes.set(message, 3);
  const length = provider.compress(compressionMethod(model), level, memory, 3, message.length, TARGET, room);
  guardsStand(room);
  return length < 0 ? null : Buffer.from(memory.bytes.slice(TARGET, TARGET + length));
}

function expand(model: string, packed: Uint8Array, room = ROOM): Buffer | null {
  memory.bytes.fill(GUARD, TARGET - 1, TARGET + room + 1);
  memory.bytes.set(packed, 1000);
  const length = provider.decompress(compressionMethod(model), memory, 1000, packed.length, TARGET, room);
  guardsStand(room);
  return length < 0 ? null : Buffer.from(memory.bytes.slice(TARGET, TARGET + length));
}

function guardsStand(room: number): void {
  for (const at of [TARGET - 1, TARGET + room]) if (memory.bytes[at] !== GUARD) throw new Error(`wrote at ${at}`);
}

const text = readFileSync(new URL(import.meta.url));
const samples: readonly (readonly [string, Buffer])[] = [
  ['text', text],
  ['zeros', Buffer.alloc(65_536)],
  ['mixed', Buffer.concat([randomBytes(500), Buffer.alloc(20_000, 'abc'), text, Buffer.alloc(300, 7)])],
  ['skewed', Buffer.from(Array.from({ length: 60_000 }, (_, i) => ((i * i * 7919) % 251) & (i % 13)))],
];

/** A message like those of clients, mostly repetitive. */
const messages = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .tuple(fc.nat(255), fc.integer({ min: 1, max: 700 }))
        .map(([fill, length]) => new Uint8Array(length).fill(fill)),
    ),
    { minLength: 1, maxLength: 20 },
  )
  .map((parts) => Buffer.concat(parts))
  .filter((message) => message.length > 0);

const LEVELS: Readonly<Record<NativeModel, readonly number[]>> = {
  zlib: [0, 1, 9],
  lz4: [0, 1, 40],
  lz4hc: [0, 1, 12],
  lzo2: [0, 1, 11, 12, 15, 999],
  lzma: [0, 1, 6],
  bzip2: [0, 1, 9],
  zstd: [-5, 0, 1, 19],
};

for (const model of MODELS) {
  t.test(`${model}: what is packed comes back`, { skip: without(model) }, async (t) => {
    for (const level of LEVELS[model]) {
      for (const [what, sample] of samples) {
        const packed = pack(model, sample, ROOM, level);
        t.ok(packed !== null && packed.length < sample.length, `level ${level}: ${what} becomes ${packed?.length}`);
        t.ok(packed !== null && expand(model, packed)?.equals(sample));
        if (packed === null) continue;
        t.equal(expand(model, packed, sample.length - 1), null, 'one byte of room less is refused');
        t.equal(pack(model, sample, packed.length - 1, level), null, 'no room, no message');
      }
    }
    fc.assert(
      fc.property(messages, (message) => {
        const packed = pack(model, message, message.length - 1);
        return packed === null || expand(model, packed)?.equals(message) === true;
      }),
      { numRuns: 60 },
    );
    t.equal(pack(model, randomBytes(3000), 2999), null, 'noise does not get shorter');
  });
}

t.test('a level that the library does not know, or that does not compress, is replaced by its default', async (t) => {
  const sample = Buffer.alloc(5000, 'level ');
  for (const model of MODELS) {
    if (without(model) !== false) continue;
    for (const level of [-1_000_000, 0, 1_000_000]) t.ok(pack(model, sample, ROOM, level), `${model} ${level}`);
  }
});

interface Packed {
  readonly model: NativeModel;
  readonly packedHex: string;
}

const vectorFile = new URL('../../../../test/vectors/knet-compression.json', import.meta.url);
const vectors = JSON.parse(readFileSync(vectorFile, 'utf8')) as { messageHex: string; packed: Packed[] };

t.test('blocks that stock nodes sent', async (t) => {
  const message = Buffer.from(vectors.messageHex, 'hex');
  for (const { model, packedHex } of vectors.packed) {
    if (without(model) === false) t.ok(expand(model, Buffer.from(packedHex, 'hex'))?.equals(message), model);
  }
});

t.test('bombs are refused at the end of the room', async (t) => {
  const bombs: readonly (readonly [NativeModel, string, readonly string[]])[] = [
    ['lzma', 'xz', ['-9', '--check=none']],
    ['bzip2', 'bzip2', ['-9']],
    ['zstd', 'zstd', ['--ultra', '-22']],
  ];
  for (const [model, command, options] of bombs) {
    const made = spawnSync(command, [...options, '-c'], { input: Buffer.alloc(5_000_000), maxBuffer: 1 << 24 });
    if (made.status !== 0 || without(model) !== false) continue;
    t.ok(made.stdout.length < 65_536, `5 MB in ${made.stdout.length} bytes of ${model}`);
    t.equal(expand(model, made.stdout), null);
  }
  const zlib = pack('zlib', Buffer.alloc(400_000), 65_536);
  if (zlib !== null) t.equal(expand('zlib', zlib), null, 'zlib');
});

t.test('corrupt input is refused, and nothing is written outside of the room', async (t) => {
  const seeds = vectors.packed.map(({ packedHex }) => Buffer.from(packedHex, 'hex'));
  fc.assert(
    fc.property(
      fc.nat(seeds.length - 1),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
      fc.nat(),
      fc.integer({ min: 1, max: 5_000 }),
      (seed, changes, cut, room) => {
        const packed = Buffer.from(seeds[seed] as Buffer);
        for (const [at, value] of changes) packed[at % packed.length] = value;
        const shorter = changes.length % 2 === 0 ? packed : packed.subarray(0, cut % (packed.length + 1));
        for (const model of MODELS) expand(model, shorter, room);
        return true;
      },
    ),
    { numRuns: 300 },
  );
  t.pass('no crash');
});

t.test('a missing library is reported once, and again after a reload', async (t) => {
  const lines: string[] = [];
  const report = (model: string, library: string, reason: string) => lines.push(`${model} ${library} ${reason}`);
  const lacking = new LibraryCompression(report, (model) => {
    if (model === 'lzo2') throw new Error('no such file');
    return loadCompression(model);
  });
  const lzo2 = compressionMethod('lzo2');
  for (let i = 0; i < 3; i++) {
    t.equal(lacking.decompress(lzo2, memory, 0, 10, TARGET, ROOM), Compression.UNKNOWN);
    t.equal(lacking.compress(lzo2, 0, memory, 0, 10, TARGET, ROOM), Compression.NOT_SHORTER);
  }
  t.same(lines, ['lzo2 liblzo2.so.2 no such file']);
  lacking.prepare(lzo2);
  t.equal(lines.length, 2, 'a reload looks again');
  for (const method of [0, 99, 255]) lacking.decompress(method, memory, 0, 10, TARGET, ROOM);
  t.equal(lines.length, 2, 'the network can name any method: no line');
});
