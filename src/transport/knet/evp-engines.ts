import type { CipherMode } from '../../knet/crypto.ts';
import { assert } from '../../lib/assert.ts';
import { Arena } from '../../os/arena.ts';
import type { EvpFunctions } from '../../os/openssl.ts';
import { type CipherEngine, DIGEST_STRIDE, LANES, type Lanes, type MacEngine } from './crypto-engine.ts';

const SCRATCH_BYTES = 4096;
const KEY_AT = 0;
const LENGTH_AT = 3072;
const DIGESTS_AT = 2048;
const KEEP = 0;

/** AES through OpenSSL's public functions, contexts made once: the portable way. */
export class EvpCipher implements CipherEngine {
  readonly name = 'openssl';
  private readonly encryptor: number;
  private readonly decryptor: number;
  private readonly scratch = Arena.map(SCRATCH_BYTES);
  private wiped = false;

  constructor(
    private readonly evp: EvpFunctions,
    private readonly packets: Arena,
    key: Uint8Array,
    mode: CipherMode,
  ) {
    const cipher = evp.aes(key.length * 8, mode);
    this.scratch.u8.set(key, KEY_AT);
    this.encryptor = this.context(cipher, 1);
    this.decryptor = this.context(cipher, 0);
    this.scratch.u8.fill(0);
  }

  private context(cipher: number, encrypt: number): number {
    const context = this.evp.cipherContextNew();
    const address = this.scratch.address;
    const done = this.evp.cipherInit(context, cipher, 0, address + KEY_AT, address + LENGTH_AT, encrypt);
    assert(context !== 0 && done === 1, 'OpenSSL refused a cipher context');
    this.evp.setPadding(context, 0);
    return context;
  }

  encrypt(lanes: Lanes, count: number): void {
    this.run(this.encryptor, lanes, count, 0, 1);
  }

  decrypt(lanes: Lanes, count: number, delta: number): void {
    this.run(this.decryptor, lanes, count, delta, 0);
  }

  private run(context: number, lanes: Lanes, count: number, delta: number, encrypt: number): void {
    const { evp, scratch } = this;
    for (let lane = 0; lane < count; lane++) {
      const bytes = lanes.cipherBytes[lane]!;
      if (bytes === 0) continue;
      const iv = this.packets.address + lanes.at[lane]!;
      const input = iv + 16;
      evp.cipherInit(context, KEEP, KEEP, KEEP, iv, encrypt);
      evp.cipherUpdate(context, input + delta, scratch.address + LENGTH_AT, input, bytes);
    }
  }

  wipe(): void {
    if (this.wiped) return;
    this.wiped = true;
    // Freeing a context cleanses its key schedule.
    this.evp.cipherContextFree(this.encryptor);
    this.evp.cipherContextFree(this.decryptor);
    this.scratch.unmap();
  }
}

/** HMAC through OpenSSL's public functions, one context that is rewound for each packet. */
export class EvpMac implements MacEngine {
  readonly name = 'openssl';
  readonly digests: Uint8Array;
  private readonly context: number;
  private readonly scratch = Arena.map(SCRATCH_BYTES + KEY_ROOM);
  private wiped = false;

  constructor(
    private readonly evp: EvpFunctions,
    private readonly packets: Arena,
    hash: 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512',
    readonly digestBytes: number,
    key: Uint8Array,
  ) {
    assert(key.length <= KEY_ROOM, 'key files have at most 4096 bytes');
    this.scratch.u8.set(key, SCRATCH_BYTES);
    this.context = evp.hmacNew();
    const done = evp.hmacInit(this.context, this.scratch.address + SCRATCH_BYTES, key.length, evp.digest(hash), 0);
    this.scratch.u8.fill(0);
    assert(this.context !== 0 && done === 1, 'OpenSSL refused an HMAC context');
    this.digests = this.scratch.u8.subarray(DIGESTS_AT, DIGESTS_AT + LANES * DIGEST_STRIDE);
  }

  compute(lanes: Lanes, count: number): void {
    const { evp, context, scratch } = this;
    for (let lane = 0; lane < count; lane++) {
      const bytes = lanes.macBytes[lane]!;
      if (bytes === 0) continue;
      evp.hmacInit(context, KEEP, 0, KEEP, KEEP);
      evp.hmacUpdate(context, this.packets.address + lanes.at[lane]!, bytes);
      evp.hmacFinal(context, scratch.address + DIGESTS_AT + lane * DIGEST_STRIDE, scratch.address + LENGTH_AT);
    }
  }

  wipe(): void {
    if (this.wiped) return;
    this.wiped = true;
    this.evp.hmacFree(this.context);
    this.scratch.u8.fill(0);
    this.scratch.unmap();
  }
}

const KEY_ROOM = 4096;
