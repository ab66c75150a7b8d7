import { type CryptoSuite, OpenFailure, type PacketBatch } from '../../knet/crypto.ts';
import { assert } from '../../lib/assert.ts';
import type { Arena } from '../../os/arena.ts';
import { type CipherEngine, DIGEST_STRIDE, LANES, type Lanes, type MacEngine, makeLanes } from './crypto-engine.ts';

const BLOCK = 16;
const IV_POOL_BYTES = 4_096;

/**
 * Encrypt-then-MAC of knet (knet.md 5.1, 5.3) over any pair of engines:
 *
 *   | IV 16 | AES-CBC(plaintext, PKCS#7) | HMAC of everything before |        with a cipher
 *   | IV 16 | AES-CTR(plaintext) | HMAC of everything before |                in counter mode, whose first counter is the IV
 *   | plaintext | HMAC |                                                      without
 */
export class Suite implements CryptoSuite {
  readonly saltBytes: number;
  readonly blockBytes: number;
  readonly digestBytes: number;
  readonly engine: string;
  private readonly lanes: Lanes = makeLanes();
  private readonly ivs = new Uint32Array(IV_POOL_BYTES >> 2);
  private ivAt = IV_POOL_BYTES >> 2;
  private wiped = false;
  /** Digests as words; every digest length is a multiple of four. */
  private readonly digestWords: Uint32Array;

  constructor(
    readonly name: string,
    private readonly packets: Arena,
    private readonly cipher: CipherEngine | null,
    private readonly mac: MacEngine,
    private readonly pads: boolean,
    private readonly random: (bytes: Uint8Array) => void,
  ) {
    this.saltBytes = cipher === null ? 0 : BLOCK;
    this.blockBytes = pads ? this.saltBytes : 0;
    this.digestBytes = mac.digestBytes;
    this.digestWords = new Uint32Array(mac.digests.buffer, mac.digests.byteOffset, mac.digests.length >> 2);
    this.engine = cipher === null || cipher.name === mac.name ? mac.name : `${cipher.name} + ${mac.name}`;
  }

  seal(batch: PacketBatch, first: number, count: number): void {
    assert(!this.wiped, 'a wiped key is not used');
    for (let done = 0; done < count; done += LANES) {
      const group = Math.min(LANES, count - done);
      this.sealGroup(batch, first + done, group);
    }
  }

  private sealGroup(batch: PacketBatch, first: number, count: number): void {
    const { lanes, packets, cipher, mac } = this;
    for (let lane = 0; lane < count; lane++) {
      const at = batch.offset[first + lane]!;
      const plain = batch.length[first + lane]!;
      lanes.at[lane] = at;
      if (cipher === null) {
        lanes.macBytes[lane] = plain;
        continue;
      }
      this.writeIv(at);
      const padding = this.pads ? BLOCK - (plain & (BLOCK - 1)) : 0;
      const end = at + BLOCK + plain + padding;
      for (let i = end - padding; i < end; i++) packets.u8[i] = padding;
      lanes.cipherBytes[lane] = plain + padding;
      lanes.macBytes[lane] = end - at;
    }
    cipher?.encrypt(lanes, count);
    mac.compute(lanes, count);
    for (let lane = 0; lane < count; lane++) this.appendDigest(lane, lanes.at[lane]! + lanes.macBytes[lane]!);
  }

  private appendDigest(lane: number, to: number): void {
    if ((to & 3) === 0) {
      const words = this.packets.u32;
      const from = (lane * DIGEST_STRIDE) >> 2;
      for (let i = 0; i < this.digestBytes >> 2; i++) words[(to >> 2) + i] = this.digestWords[from + i]!;
      return;
    }
    const { u8 } = this.packets;
    const from = lane * DIGEST_STRIDE;
    for (let i = 0; i < this.digestBytes; i++) u8[to + i] = this.mac.digests[from + i]!;
  }

  private writeIv(to: number): void {
    if (this.ivAt >= this.ivs.length) {
      this.random(new Uint8Array(this.ivs.buffer));
      this.ivAt = 0;
    }
    const at = this.ivAt;
    this.ivAt = at + 4;
    if ((to & 3) !== 0) {
      // Behind a packet of counter mode, which has any length.
      const { data } = this.packets;
      for (let i = 0; i < 4; i++) data.setUint32(to + 4 * i, this.ivs[at + i]!, true);
      return;
    }
    const words = this.packets.u32;
    const word = to >> 2;
    words[word] = this.ivs[at]!;
    words[word + 1] = this.ivs[at + 1]!;
    words[word + 2] = this.ivs[at + 2]!;
    words[word + 3] = this.ivs[at + 3]!;
  }

  open(batch: PacketBatch, first: number, count: number, scratchDelta: number): void {
    assert(!this.wiped, 'a wiped key is not used');
    for (let done = 0; done < count; done += LANES) {
      const group = Math.min(LANES, count - done);
      this.openGroup(batch, first + done, group, scratchDelta);
    }
  }

  private openGroup(batch: PacketBatch, first: number, count: number, delta: number): void {
    const { lanes, mac, cipher } = this;
    const size = this.digestBytes;
    let any = false;
    for (let lane = 0; lane < count; lane++) {
      const body = batch.length[first + lane]! - size;
      const whole = this.pads ? body >= 2 * BLOCK && body % BLOCK === 0 : body > this.saltBytes;
      lanes.at[lane] = batch.offset[first + lane]!;
      lanes.macBytes[lane] = whole ? body : 0;
      any ||= whole;
    }
    if (any) mac.compute(lanes, count);
    for (let lane = 0; lane < count; lane++) {
      const bytes = lanes.macBytes[lane]!;
      const authentic = bytes > 0 && this.matches(lane, lanes.at[lane]! + bytes);
      lanes.cipherBytes[lane] = authentic ? bytes - BLOCK : 0;
      batch.plainOffset[first + lane] = cipher === null ? lanes.at[lane]! : lanes.at[lane]! + BLOCK + delta;
      batch.plainLength[first + lane] = authentic ? bytes : OpenFailure.AUTHENTICATION;
    }
    if (cipher === null) return;
    cipher.decrypt(lanes, count, delta);
    for (let lane = 0; lane < count; lane++) {
      if (batch.plainLength[first + lane]! < 0) continue;
      const length = lanes.cipherBytes[lane]!;
      batch.plainLength[first + lane] = this.pads ? this.unpadded(batch.plainOffset[first + lane]!, length) : length;
    }
  }

  /** Every byte is compared, whatever the first ones say. */
  private matches(lane: number, at: number): boolean {
    const view = this.packets.data;
    const from = (lane * DIGEST_STRIDE) >> 2;
    let difference = 0;
    for (let i = 0; i < this.digestBytes >> 2; i++) {
      difference |= this.digestWords[from + i]! ^ view.getUint32(at + 4 * i, true);
    }
    return difference === 0;
  }

  /** The packet is authentic already, so this tells an attacker nothing. */
  private unpadded(at: number, length: number): number {
    const bytes = this.packets.u8;
    const padding = bytes[at + length - 1]!;
    if (padding === 0 || padding > BLOCK) return OpenFailure.PADDING;
    for (let i = 2; i <= padding; i++) if (bytes[at + length - i] !== padding) return OpenFailure.PADDING;
    return length - padding;
  }

  wipe(): void {
    this.wiped = true;
    this.cipher?.wipe();
    this.mac.wipe();
    this.ivs.fill(0);
    this.ivAt = this.ivs.length;
  }
}
