import type { FrameMemory } from '../lib/frame-memory.ts';
import { CLEAR_SIZES, type CryptoSizes } from './mtu.ts';

export type CipherName = 'none' | BlockCipherName | CounterCipherName;
/** AES-CBC with padding. */
type BlockCipherName = 'aes128' | 'aes192' | 'aes256';
/** AES-CTR, as long as its plaintext: kronosnet has it since May 2026 (knet.md 5.1). */
type CounterCipherName = 'aes128-ctr' | 'aes192-ctr' | 'aes256-ctr';
export type HashName = 'none' | 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512';

/** Packets to seal or open, by index. All offsets lie in the memory that the provider was made for. */
export interface PacketBatch {
  /** First byte of the sealed packet; a multiple of 4 where lengths are, with padding or in clear. When sealing, the plaintext lies `saltBytes` further. */
  readonly offset: Int32Array;
  /** Sealing: length of the plaintext. Opening: length of the sealed packet. */
  readonly length: Int32Array;
  /** Opening: where the plaintext was put. */
  readonly plainOffset: Int32Array;
  /** Opening: length of the plaintext, or one of `OpenFailure`. */
  readonly plainLength: Int32Array;
}

/** Negative, so that they cannot be lengths. */
export const OpenFailure = { AUTHENTICATION: -1, PADDING: -2 } as const;

/**
 * One loaded crypto configuration with its key (knet.md 5). Both directions work on batches, because the fast kernels
 * work on eight packets at once.
 */
export interface CryptoSuite extends CryptoSizes {
  /** `aes256/sha256`. */
  readonly name: string;
  /** Which implementation does the work, for the log and the status. */
  readonly engine: string;
  /** Seals in place: random IV in front, padding, encryption, digest behind. */
  seal(batch: PacketBatch, first: number, count: number): void;
  /**
   * Authenticates, then decrypts to `scratchDelta` further on (the sealed bytes stay as they are, another configuration
   * may have to try). Without a cipher the plaintext is where it is.
   */
  open(batch: PacketBatch, first: number, count: number, scratchDelta: number): void;
  /** Overwrites every key byte and frees the contexts. The suite cannot be used any more. */
  wipe(): void;
}

export interface CryptoProvider {
  readonly memory: FrameMemory;
  /** `key` is copied; the caller wipes his. Throws a RondoError for a combination that stock refuses (knet.md 5.1). */
  load(cipher: CipherName, hash: HashName, key: Uint8Array): CryptoSuite;
}

/** Digest length of a hash, knet.md 5.1. */
export const DIGEST_BYTES: Readonly<Record<HashName, number>> = {
  none: 0,
  md5: 16,
  sha1: 20,
  sha224: 28,
  sha256: 32,
  sha384: 48,
  sha512: 64,
};

/** The AES key is this long a prefix of the key file (knet.md 5.2). */
export const CIPHER_KEY_BYTES: Readonly<Record<CipherName, number>> = {
  none: 0,
  aes128: 16,
  aes192: 24,
  aes256: 32,
  'aes128-ctr': 16,
  'aes192-ctr': 24,
  'aes256-ctr': 32,
};

export const CIPHER_MODES = ['cbc', 'ctr'] as const;
export type CipherMode = (typeof CIPHER_MODES)[number];

export const cipherMode = (cipher: CipherName): CipherMode => (cipher.endsWith('-ctr') ? 'ctr' : 'cbc');

export function cryptoSizes(cipher: CipherName, hash: HashName): CryptoSizes {
  const saltBytes = cipher === 'none' ? 0 : 16;
  return { saltBytes, blockBytes: cipherMode(cipher) === 'cbc' ? saltBytes : 0, digestBytes: DIGEST_BYTES[hash] };
}

/** Index of clear text among the configurations (knet.md 5.4). */
export const CLEAR_SLOT = 0;
export type CryptoSlot = 0 | 1 | 2;

/**
 * The configurations that are loaded, at most two, and the one in use for sending. Nothing on the wire names one: a
 * receiver tries the one in use, then the other, then, while it is allowed, reads the bytes as clear text (knet.md 5.4).
 */
export class CryptoSlots {
  private readonly suites: [CryptoSuite | null, CryptoSuite | null, CryptoSuite | null] = [null, null, null];
  private slotInUse: CryptoSlot = CLEAR_SLOT;
  clearAllowed = true;

  get inUse(): CryptoSuite | null {
    return this.suites[this.slotInUse];
  }
  get inUseSlot(): CryptoSlot {
    return this.slotInUse;
  }
  /** The loaded one that is not in use; while sending in clear, any loaded one. */
  get other(): CryptoSuite | null {
    if (this.slotInUse === 1) return this.suites[2];
    if (this.slotInUse === 2) return this.suites[1];
    return this.suites[1] ?? this.suites[2];
  }
  /** A third one to try: only when sending in clear with both slots loaded. */
  get third(): CryptoSuite | null {
    return this.slotInUse === CLEAR_SLOT && this.suites[1] !== null ? this.suites[2] : null;
  }
  get sizes(): CryptoSizes {
    return this.inUse ?? CLEAR_SIZES;
  }

  /** The slot of a loaded suite. */
  slotOf(suite: CryptoSuite): CryptoSlot {
    return this.suites[1] === suite ? 1 : 2;
  }

  /** Where the next configuration goes: not where the one in use is (knet.md 5.4 step 1). */
  spareSlot(): 1 | 2 {
    return this.slotInUse === 1 ? 2 : 1;
  }

  /** Puts a configuration into a slot, wiping what was there; `null` empties the slot. */
  put(slot: 1 | 2, suite: CryptoSuite | null): void {
    const old = this.suites[slot];
    this.suites[slot] = suite;
    if (old !== null && old !== suite) old.wipe();
    if (suite === null && this.slotInUse === slot) this.slotInUse = CLEAR_SLOT;
  }

  use(slot: CryptoSlot): void {
    this.slotInUse = slot !== CLEAR_SLOT && this.suites[slot] === null ? CLEAR_SLOT : slot;
  }

  wipeAll(): void {
    this.put(1, null);
    this.put(2, null);
  }
}
