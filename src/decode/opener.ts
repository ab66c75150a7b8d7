import { KNET } from '../knet/constants.ts';
import {
  CIPHER_KEY_BYTES,
  type CipherName,
  type CryptoSuite,
  type HashName,
  type PacketBatch,
} from '../knet/crypto.ts';
import { readNode, readType, readVersion } from '../knet/header.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import type { Arena } from '../os/arena.ts';
import { OpensslProvider } from '../transport/knet/crypto-provider.ts';
import { isKnetType } from './knet-packet.ts';

/** The most frequent first: each packet is tried with what opened the last one. */
const HASHES: readonly HashName[] = ['sha256', 'sha1', 'sha512', 'sha384', 'sha224', 'md5'];
const CIPHERS: readonly CipherName[] = ['aes256', 'aes128', 'aes192', 'none'];

/** Where an opened packet lies in the memory, and what opened it. */
export interface Opened {
  readonly at: number;
  readonly length: number;
  readonly suite: string;
}

/**
 * Opens sealed packets with whichever key and algorithms fit: the digest says whether key and hash are right, the header behind the
 * decryption whether the cipher is (knet.md 5.4).
 */
export class Opener {
  private readonly suites: CryptoSuite[] = [];
  /** How many of them, from the first one on, have opened something. */
  private known = 0;
  private readonly memory: FrameMemory;
  private readonly batch: PacketBatch = {
    offset: new Int32Array(1),
    length: new Int32Array(1),
    plainOffset: new Int32Array(1),
    plainLength: new Int32Array(1),
  };

  constructor(
    arena: Arena,
    keys: readonly Uint8Array[],
    private readonly scratchDelta: number,
  ) {
    const provider = new OpensslProvider(arena);
    this.memory = provider.memory;
    for (const key of keys)
      for (const hash of HASHES)
        for (const cipher of CIPHERS)
          if (key.length >= CIPHER_KEY_BYTES[cipher]) this.suites.push(provider.load(cipher, hash, key));
  }

  get hasKeys(): boolean {
    return this.suites.length > 0;
  }

  get hasOpened(): boolean {
    return this.known > 0;
  }

  /** `at` is a multiple of 4. `knownOnly`: only with what has opened others. `null`: nothing opens it. */
  open(at: number, length: number, knownOnly: boolean): Opened | null {
    const { batch, suites } = this;
    const tried = knownOnly ? this.known : suites.length;
    for (let i = 0; i < tried; i++) {
      const suite = suites[i]!;
      batch.offset[0] = at;
      batch.length[0] = length;
      suite.open(batch, 0, 1, this.scratchDelta);
      const plain = { at: batch.plainOffset[0]!, length: batch.plainLength[0]!, suite: suite.name };
      if (plain.length < 0 || !this.plausible(plain)) continue;
      if (i >= this.known) this.known++;
      suites.splice(i, 1);
      suites.unshift(suite);
      return plain;
    }
    return null;
  }

  private plausible({ at, length }: Opened): boolean {
    const { memory } = this;
    if (length < KNET.packetBytesMin || readVersion(memory, at) !== KNET.wireVersion) return false;
    return readNode(memory, at) !== 0 && isKnetType(readType(memory, at));
  }

  wipe(): void {
    for (const suite of this.suites) suite.wipe();
  }
}
