import { createCipheriv, createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import {
  CIPHER_KEY_BYTES,
  type CipherName,
  cipherMode,
  type HashName,
  OpenFailure,
  type PacketBatch,
} from '../../../src/knet/crypto.ts';
import { wireLength } from '../../../src/knet/mtu.ts';
import { Arena } from '../../../src/os/arena.ts';
import { type EngineName, OpensslProvider } from '../../../src/transport/knet/crypto-provider.ts';

interface Vector {
  readonly id: string;
  readonly cipher: CipherName;
  readonly hash: HashName;
  readonly keyHex: string | null;
  readonly ivHex: string | null;
  readonly packetHex?: string;
  readonly plaintextHex: string;
}

const file = new URL('../../../../test/vectors/knet.json', import.meta.url);
const vectors = (JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }).vectors;
const ENGINES: readonly EngineName[] = ['multi-block', 'openssl', 'node:crypto'];
const CIPHERS = Object.keys(CIPHER_KEY_BYTES) as CipherName[];
const HASHES: readonly HashName[] = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'];
const SLOT = 4_096;
const PACKETS = 20;
const DELTA = PACKETS * SLOT;

const arena = Arena.map(2 * DELTA);
const batch: PacketBatch = {
  offset: Int32Array.from({ length: PACKETS }, (_, i) => i * SLOT),
  length: new Int32Array(PACKETS),
  plainOffset: new Int32Array(PACKETS),
  plainLength: new Int32Array(PACKETS),
};
const bytesAt = (at: number, length: number): Buffer => Buffer.from(arena.u8.slice(at, at + length));

for (const engine of ENGINES) {
  t.test(`vectors of stock, engine ${engine}`, async (t) => {
    for (const vector of vectors) {
      if (vector.packetHex === undefined || vector.keyHex === null) continue;
      const iv = Buffer.from(vector.ivHex ?? '', 'hex');
      const provider = new OpensslProvider(arena, { best: engine, random: (bytes) => bytes.set(iv) });
      const suite = provider.load(vector.cipher, vector.hash, Buffer.from(vector.keyHex, 'hex'));
      const plain = Buffer.from(vector.plaintextHex, 'hex');
      const packet = Buffer.from(vector.packetHex, 'hex');

      arena.u8.set(plain, suite.saltBytes);
      batch.length[0] = plain.length;
      suite.seal(batch, 0, 1);
      t.equal(wireLength(suite, plain.length), packet.length, `${vector.id}: length`);
      t.equal(bytesAt(0, packet.length).toString('hex'), vector.packetHex, `${vector.id}: sealed`);

      batch.length[0] = packet.length;
      suite.open(batch, 0, 1, DELTA);
      t.equal(batch.plainLength[0], plain.length, `${vector.id}: opened length`);
      t.equal(
        bytesAt(batch.plainOffset[0]!, plain.length).toString('hex'),
        vector.plaintextHex,
        `${vector.id}: opened`,
      );
      suite.wipe();
    }
  });

  t.test(`all combinations against node:crypto, engine ${engine}`, async () => {
    const provider = new OpensslProvider(arena, { best: engine });
    for (const cipher of CIPHERS) {
      for (const hash of HASHES) {
        const key = randomBytes(200);
        const suite = provider.load(cipher, hash, key);
        fc.assert(
          fc.property(fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 1, maxLength: PACKETS }), (lengths) => {
            const plains = lengths.map((length) => randomBytes(length));
            plains.forEach((plain, i) => {
              arena.u8.set(plain, i * SLOT + suite.saltBytes);
              batch.length[i] = plain.length;
            });
            suite.seal(batch, 0, lengths.length);
            for (const [i, plain] of plains.entries()) {
              const wire = wireLength(suite, plain.length);
              if (!bytesAt(i * SLOT, wire).equals(reference(cipher, hash, key, i * SLOT, plain))) return false;
              batch.length[i] = wire;
            }
            suite.open(batch, 0, lengths.length, DELTA);
            return plains.every(
              (plain, i) =>
                batch.plainLength[i] === plain.length && bytesAt(batch.plainOffset[i]!, plain.length).equals(plain),
            );
          }),
          { numRuns: 20 },
        );
        suite.wipe();
      }
    }
  });

  t.test(`forged packets, engine ${engine}`, async (t) => {
    const provider = new OpensslProvider(arena, { best: engine });
    const suite = provider.load('aes256', 'sha256', randomBytes(256));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (length, where, flip) => {
          for (let i = 0; i < 9; i++) batch.length[i] = length;
          suite.seal(batch, 0, 9);
          const wire = wireLength(suite, length);
          for (let i = 0; i < 9; i++) batch.length[i] = wire;
          const at = 5 * SLOT + (where % wire);
          arena.u8[at] = arena.u8[at]! ^ flip;
          suite.open(batch, 0, 9, DELTA);
          for (let i = 0; i < 9; i++) {
            if (batch.plainLength[i] !== (i === 5 ? OpenFailure.AUTHENTICATION : length)) return false;
          }
          return true;
        },
      ),
    );
    for (const length of [0, 1, 31, 32, 47, 48, 63, 65, 70]) {
      batch.length[0] = length;
      suite.open(batch, 0, 1, DELTA);
      t.equal(batch.plainLength[0], OpenFailure.AUTHENTICATION, `${length} bytes are no packet`);
    }
    suite.wipe();
    t.throws(() => suite.seal(batch, 0, 1), 'a wiped suite refuses to work');
  });
}

t.test('combinations and keys that stock refuses', async (t) => {
  const provider = new OpensslProvider(arena);
  t.throws(() => provider.load('aes256', 'none', randomBytes(256)), { code: 'RONDO_KNET_CRYPTO' });
  t.throws(() => provider.load('aes256', 'sha256', randomBytes(127)), { code: 'RONDO_KNET_KEY' });
  t.throws(() => provider.load('aes256', 'sha256', randomBytes(4097)), { code: 'RONDO_KNET_KEY' });
});

for (const engine of ENGINES) {
  t.test(`counter mode has no padding, engine ${engine}`, async (t) => {
    const suite = new OpensslProvider(arena, { best: engine }).load('aes256-ctr', 'sha256', randomBytes(256));
    t.same([suite.saltBytes, suite.blockBytes, suite.digestBytes], [16, 0, 32]);
    t.match(suite.engine, engine === 'node:crypto' ? 'node:crypto' : 'openssl', 'the kernels are of the other mode');
    for (const length of [0, 16, 47, 48]) {
      batch.length[0] = length;
      suite.open(batch, 0, 1, DELTA);
      t.equal(batch.plainLength[0], OpenFailure.AUTHENTICATION, `${length} bytes are no packet`);
    }
    suite.wipe();
  });
}

t.test('authentic packets with broken padding', async (t) => {
  const provider = new OpensslProvider(arena);
  const key = randomBytes(128);
  const suite = provider.load('aes128', 'sha1', key);
  for (const last of [0, 17, 255]) {
    const plain = Buffer.alloc(32, 3);
    plain[31] = last;
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-128-cbc', key.subarray(0, 16), iv).setAutoPadding(false);
    const body = Buffer.concat([iv, cipher.update(plain), cipher.final()]);
    arena.u8.set(Buffer.concat([body, createHmac('sha1', key).update(body).digest()]), 0);
    batch.length[0] = body.length + 20;
    suite.open(batch, 0, 1, DELTA);
    t.equal(batch.plainLength[0], OpenFailure.PADDING, `last byte ${last}`);
  }
});

function reference(cipher: CipherName, hash: string, key: Buffer, at: number, plain: Buffer): Buffer {
  let body = plain;
  if (cipher !== 'none') {
    const bytes = CIPHER_KEY_BYTES[cipher];
    const iv = bytesAt(at, 16);
    const encryptor = createCipheriv(`aes-${bytes * 8}-${cipherMode(cipher)}`, key.subarray(0, bytes), iv);
    body = Buffer.concat([iv, encryptor.update(plain), encryptor.final()]);
  }
  return Buffer.concat([body, createHmac(hash, key).update(body).digest()]);
}
