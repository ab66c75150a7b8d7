/** Packets are worked on in groups of this many: the width of the multi-block kernels. */
export const LANES = 8;

/** One group, by lane. Offsets lie in the packet memory. */
export interface Lanes {
  /** Start of the sealed packet, i.e. of the IV. */
  readonly at: Int32Array;
  /** Bytes under the digest. */
  readonly macBytes: Int32Array;
  /** Bytes for the cipher behind the IV, whole blocks with CBC; 0 makes the lane idle. */
  readonly cipherBytes: Int32Array;
}

export const makeLanes = (): Lanes => ({
  at: new Int32Array(LANES),
  macBytes: new Int32Array(LANES),
  cipherBytes: new Int32Array(LANES),
});

/** AES-CBC of whole blocks, or AES-CTR. */
export interface CipherEngine {
  readonly name: string;
  /** In place, with the IV that stands in front of each lane. */
  encrypt(lanes: Lanes, count: number): void;
  /** To the same place plus `delta`. */
  decrypt(lanes: Lanes, count: number, delta: number): void;
  wipe(): void;
}

/** HMAC with a full-length digest. */
export interface MacEngine {
  readonly name: string;
  readonly digestBytes: number;
  /** Digests of the lanes' first `macBytes` bytes, `DIGEST_STRIDE` apart in `digests`. Lanes with 0 bytes are idle. */
  compute(lanes: Lanes, count: number): void;
  readonly digests: Uint8Array;
  wipe(): void;
}

export const DIGEST_STRIDE = 64;

/** Writes pointers into descriptors without 64-bit numbers. */
export class PointerWriter {
  private readonly low: number;
  private readonly high: number;
  constructor(
    private readonly words: Uint32Array,
    baseAddress: number,
  ) {
    this.low = baseAddress % 2 ** 32;
    this.high = Math.floor(baseAddress / 2 ** 32);
  }
  /** Stores base + `offset` at word `at`. */
  write(at: number, offset: number): void {
    const low = this.low + offset;
    if (low < 2 ** 32) {
      this.words[at] = low;
      this.words[at + 1] = this.high;
    } else {
      this.words[at] = low - 2 ** 32;
      this.words[at + 1] = this.high + 1;
    }
  }
}
