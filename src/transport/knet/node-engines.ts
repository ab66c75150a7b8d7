import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import type { CipherMode } from '../../knet/crypto.ts';
import type { Arena } from '../../os/arena.ts';
import { type CipherEngine, DIGEST_STRIDE, LANES, type Lanes, type MacEngine } from './crypto-engine.ts';

/** AES with node:crypto, for builds whose executable exports nothing. An object per packet: slow, but everywhere. */
export class NodeCipher implements CipherEngine {
  readonly name = 'node:crypto';
  private readonly algorithm: string;
  private readonly key: Buffer;

  constructor(
    private readonly packets: Arena,
    key: Uint8Array,
    mode: CipherMode,
  ) {
    this.key = Buffer.from(key);
    this.algorithm = `aes-${key.length * 8}-${mode}`;
  }

  encrypt(lanes: Lanes, count: number): void {
    const bytes = this.packets.u8;
    for (let lane = 0; lane < count; lane++) {
      const length = lanes.cipherBytes[lane]!;
      if (length === 0) continue;
      const at = lanes.at[lane]!;
      const cipher = createCipheriv(this.algorithm, this.key, bytes.slice(at, at + 16)).setAutoPadding(false);
      bytes.set(cipher.update(bytes.slice(at + 16, at + 16 + length)), at + 16);
      cipher.final();
    }
  }

  decrypt(lanes: Lanes, count: number, delta: number): void {
    const bytes = this.packets.u8;
    for (let lane = 0; lane < count; lane++) {
      const length = lanes.cipherBytes[lane]!;
      if (length === 0) continue;
      const at = lanes.at[lane]!;
      const decipher = createDecipheriv(this.algorithm, this.key, bytes.slice(at, at + 16)).setAutoPadding(false);
      bytes.set(decipher.update(bytes.slice(at + 16, at + 16 + length)), at + 16 + delta);
      decipher.final();
    }
  }

  wipe(): void {
    this.key.fill(0);
  }
}

export class NodeMac implements MacEngine {
  readonly name = 'node:crypto';
  readonly digests = new Uint8Array(LANES * DIGEST_STRIDE);
  private readonly key: Buffer;

  constructor(
    private readonly packets: Arena,
    private readonly hash: string,
    readonly digestBytes: number,
    key: Uint8Array,
  ) {
    this.key = Buffer.from(key);
  }

  compute(lanes: Lanes, count: number): void {
    for (let lane = 0; lane < count; lane++) {
      const length = lanes.macBytes[lane]!;
      if (length === 0) continue;
      const at = lanes.at[lane]!;
      const digest = createHmac(this.hash, this.key)
        .update(this.packets.u8.slice(at, at + length))
        .digest();
      this.digests.set(digest, lane * DIGEST_STRIDE);
    }
  }

  wipe(): void {
    this.key.fill(0);
    this.digests.fill(0);
  }
}
