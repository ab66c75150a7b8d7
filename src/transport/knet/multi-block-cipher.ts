import { assert } from '../../lib/assert.ts';
import { Arena } from '../../os/arena.ts';
import type { MultiBlockKernels } from '../../os/openssl.ts';
import { type CipherEngine, LANES, type Lanes, PointerWriter } from './crypto-engine.ts';

/**
 * AES-CBC of up to eight packets in one call. Scratch memory:
 *
 *   0              256            512                       | descriptor, 40 bytes, eight of them:
 *   | AES_KEY enc  | AES_KEY dec  | descriptors …           | 0 source | 8 target | 16 blocks i32 | 24 IV 16 |
 */
const ENCRYPT_SCHEDULE = 0;
const DECRYPT_SCHEDULE = 256;
const DESCRIPTORS = 512;
const DESCRIPTOR_BYTES = 40;
const SCRATCH_BYTES = 4096;
const KEY_AT = 2048;

export class MultiBlockCipher implements CipherEngine {
  readonly name = 'multi-block';
  private readonly scratch = Arena.map(SCRATCH_BYTES);
  private readonly pointers: PointerWriter;
  private wiped = false;
  /** The calls with their addresses in them: computed anew, each would be a number object per call. */
  private readonly runEncrypt: (groups: number) => void;
  private readonly runDecrypt: (groups: number) => void;

  constructor(
    kernels: MultiBlockKernels,
    private readonly packets: Arena,
    key: Uint8Array,
  ) {
    const { scratch } = this;
    scratch.u8.set(key, KEY_AT);
    const bits = key.length * 8;
    const address = scratch.address;
    const encrypt = kernels.setEncryptKey(address + KEY_AT, bits, address + ENCRYPT_SCHEDULE);
    const decrypt = kernels.setDecryptKey(address + KEY_AT, bits, address + DECRYPT_SCHEDULE);
    scratch.u8.fill(0, KEY_AT, KEY_AT + key.length);
    assert(encrypt === 0 && decrypt === 0, 'a key of 16, 24 or 32 bytes');
    const descriptors = address + DESCRIPTORS;
    const encryptSchedule = address + ENCRYPT_SCHEDULE;
    const decryptSchedule = address + DECRYPT_SCHEDULE;
    this.runEncrypt = (groups) => kernels.cbcEncrypt(descriptors, encryptSchedule, groups);
    this.runDecrypt = (groups) => kernels.cbcDecrypt(descriptors, decryptSchedule, groups);
    this.pointers = new PointerWriter(scratch.u32, packets.address);
  }

  encrypt(lanes: Lanes, count: number): void {
    const groups = this.describe(lanes, count, 0);
    if (groups > 0) this.runEncrypt(groups);
  }

  decrypt(lanes: Lanes, count: number, delta: number): void {
    const groups = this.describe(lanes, count, delta);
    if (groups > 0) this.runDecrypt(groups);
  }

  /** Returns 1 for up to four lanes, 2 for more, 0 when all of them are idle. */
  private describe(lanes: Lanes, count: number, delta: number): number {
    const { pointers } = this;
    const words = this.scratch.u32;
    const view = this.packets.data;
    const wide = count > LANES / 2 ? LANES : LANES / 2;
    let busy = false;
    for (let lane = 0; lane < wide; lane++) {
      const word = (DESCRIPTORS + lane * DESCRIPTOR_BYTES) >> 2;
      const blocks = lane < count ? lanes.cipherBytes[lane]! >>> 4 : 0;
      words[word + 4] = blocks;
      if (blocks === 0) continue;
      busy = true;
      const iv = lanes.at[lane]!;
      pointers.write(word, iv + 16);
      pointers.write(word + 2, iv + 16 + delta);
      words[word + 6] = view.getUint32(iv, true);
      words[word + 7] = view.getUint32(iv + 4, true);
      words[word + 8] = view.getUint32(iv + 8, true);
      words[word + 9] = view.getUint32(iv + 12, true);
    }
    if (!busy) return 0;
    return wide === LANES ? 2 : 1;
  }

  wipe(): void {
    if (this.wiped) return;
    this.wiped = true;
    this.scratch.u8.fill(0);
    this.scratch.unmap();
  }
}
