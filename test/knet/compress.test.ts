import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { bzip2Decode } from '../../src/knet/compress/bzip2.ts';
import { lz4Decode, lz4Encode } from '../../src/knet/compress/lz4.ts';
import { lzo1xDecode } from '../../src/knet/compress/lzo1x.ts';
import { xzDecode } from '../../src/knet/compress/xz.ts';
import { zstdDecode } from '../../src/knet/compress/zstd-decode.ts';
import { zstdEncode } from '../../src/knet/compress/zstd-encode.ts';

type Decoder = (bytes: Uint8Array, offset: number, length: number, target: number, room: number) => number;

const SPACE = 1 << 20;
const TARGET = 1 << 19;
const GUARD = 0xa5;

/** Expands through the decoder with guard bytes around the room. */
function expand(decode: Decoder, packed: Uint8Array, room: number): Buffer | null {
  const memory = new Uint8Array(SPACE).fill(GUARD);
  memory.set(packed, 1000);
  const length = decode(memory, 1000, packed.length, TARGET, room);
  for (const at of [TARGET - 1, TARGET + room]) if (memory[at] !== GUARD) throw new Error(`wrote outside at ${at}`);
  return length < 0 ? null : Buffer.from(memory.slice(TARGET, TARGET + length));
}

const text = Buffer.from(readFileSync(new URL(import.meta.url)));
const samples: readonly (readonly [string, Buffer])[] = [
  ['text', text],
  ['zeros', Buffer.alloc(65_536)],
  ['noise', randomBytes(3_000)],
  [
    'mixed',
    Buffer.concat([randomBytes(500), Buffer.alloc(20_000, 'abc'), text, randomBytes(100), Buffer.alloc(300, 7)]),
  ],
  ['short', Buffer.from('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab')],
  ['skewed', Buffer.from(Array.from({ length: 60_000 }, (_, i) => ((i * i * 7919) % 251) & (i % 13)))],
];

/** A message like those of the generator, mostly repetitive. */
const messages = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .tuple(fc.nat(255), fc.integer({ min: 1, max: 700 }))
        .map(([fill, length]) => new Uint8Array(length).fill(fill)),
      fc
        .tuple(fc.uint8Array({ minLength: 3, maxLength: 9 }), fc.integer({ min: 1, max: 90 }))
        .map(([unit, times]) => Uint8Array.from({ length: unit.length * times }, (_, i) => unit[i % unit.length]!)),
    ),
    { minLength: 1, maxLength: 20 },
  )
  .map((parts) => Buffer.concat(parts));

const tool = (command: string, args: readonly string[], input: Uint8Array): Buffer | null => {
  const { status, stdout } = spawnSync(command, args, { input, maxBuffer: 1 << 24 });
  return status === 0 ? stdout : null;
};

const TOOLS: readonly (readonly [string, Decoder, string, readonly (readonly string[])[]])[] = [
  ['bzip2', bzip2Decode, 'bzip2', [['-1'], ['-9']]],
  [
    'lzma',
    xzDecode,
    'xz',
    [['-0', '--check=none'], ['-6', '--check=none'], ['-9e', '--check=crc64'], ['--lzma2=preset=1,lc=0,lp=2,pb=0']],
  ],
  ['zstd', zstdDecode, 'zstd', [['-1'], ['-3', '--no-check'], ['-19'], ['--fast=5'], ['--ultra', '-22']]],
];

for (const [name, decode, command, settings] of TOOLS) {
  const have = tool(command, ['-c'], Buffer.from('x')) !== null;
  t.test(`${name}: what the original tool packs`, { skip: have ? false : `needs ${command}` }, async (t) => {
    for (const options of settings) {
      for (const [what, sample] of samples) {
        const packed = tool(command, [...options, '-c'], sample);
        t.ok(packed !== null, `${command} ${options.join(' ')}`);
        t.ok(expand(decode, packed!, 66_560)?.equals(sample), `${what}: ${sample.length} bytes from ${packed!.length}`);
        t.equal(expand(decode, packed!, sample.length - 1), null, 'one byte of room less is refused');
      }
    }
  });
}

t.test('lz4: own blocks', async (t) => {
  for (const [what, sample] of samples) {
    const memory = new Uint8Array(SPACE);
    memory.set(sample, 0);
    const length = lz4Encode(memory, 0, sample.length, TARGET, 100_000);
    t.ok(length > 0, `${what}: ${sample.length} bytes become ${length}`);
    t.ok(expand(lz4Decode, memory.slice(TARGET, TARGET + length), 66_560)?.equals(sample));
  }
  fc.assert(
    fc.property(messages, fc.integer({ min: 1, max: 60 }), (message, acceleration) => {
      const memory = new Uint8Array(SPACE);
      memory.set(message, 3);
      const length = lz4Encode(memory, 3, message.length, TARGET, 100_000, acceleration);
      const back = expand(lz4Decode, memory.slice(TARGET, TARGET + length), message.length);
      const tight = lz4Encode(memory, 3, message.length, TARGET, length - 1, acceleration);
      return back?.equals(message) === true && tight < 0;
    }),
  );
});

t.test('zstd: own frames', async (t) => {
  const have = tool('zstd', ['-c'], Buffer.from('x')) !== null;
  for (const [what, sample] of samples) {
    const memory = new Uint8Array(SPACE);
    memory.set(sample, 0);
    const length = zstdEncode(memory, 0, sample.length, TARGET, 100_000);
    if (what === 'noise') continue;
    t.ok(length > 0, `${what}: ${sample.length} bytes become ${length}`);
    const packed = memory.slice(TARGET, TARGET + length);
    t.ok(expand(zstdDecode, packed, 66_560)?.equals(sample));
    if (have) t.ok(tool('zstd', ['-dc'], packed)?.equals(sample), 'and the original tool agrees');
  }
  fc.assert(
    fc.property(messages, (message) => {
      const memory = new Uint8Array(SPACE);
      memory.set(message, 3);
      const length = zstdEncode(memory, 3, message.length, TARGET, 100_000);
      if (length < 0) return true; // nothing repeats
      return expand(zstdDecode, memory.slice(TARGET, TARGET + length), message.length)?.equals(message) === true;
    }),
  );
});

interface Packed {
  readonly model: string;
  readonly packedHex: string;
}

t.test('blocks written by the libraries that libknet uses', async (t) => {
  const file = new URL('../../../test/vectors/knet-compression.json', import.meta.url);
  const vectors = JSON.parse(readFileSync(file, 'utf8')) as { messageHex: string; packed: Packed[] };
  const message = Buffer.from(vectors.messageHex, 'hex');
  const decoders: Readonly<Record<string, Decoder>> = {
    lz4: lz4Decode,
    lz4hc: lz4Decode,
    lzo2: lzo1xDecode,
    lzma: xzDecode,
    bzip2: bzip2Decode,
    zstd: zstdDecode,
  };
  for (const { model, packedHex } of vectors.packed) {
    const decode = decoders[model];
    t.ok(decode !== undefined && expand(decode, Buffer.from(packedHex, 'hex'), 65_536)?.equals(message), model);
  }
});

t.test('corrupt input is refused, and nothing is written outside of the room', async () => {
  const file = new URL('../../../test/vectors/knet-compression.json', import.meta.url);
  const vectors = JSON.parse(readFileSync(file, 'utf8')) as { packed: Packed[] };
  const seeds = vectors.packed.map(({ packedHex }) => Buffer.from(packedHex, 'hex'));
  const decoders: readonly Decoder[] = [lz4Decode, lzo1xDecode, bzip2Decode, xzDecode, zstdDecode];
  fc.assert(
    fc.property(
      fc.nat(seeds.length - 1),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
      fc.nat(),
      fc.integer({ min: 0, max: 5_000 }),
      (seed, changes, cut, room) => {
        const packed = Buffer.from(seeds[seed]!);
        for (const [at, value] of changes) packed[at % packed.length] = value;
        const shorter = changes.length % 2 === 0 ? packed : packed.subarray(0, cut % (packed.length + 1));
        for (const decode of decoders) expand(decode, shorter, room);
        return true;
      },
    ),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      for (const decode of decoders) expand(decode, noise, 1_000);
      return true;
    }),
  );
});
