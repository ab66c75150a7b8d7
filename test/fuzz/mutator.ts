import { Random } from '../../src/sim/random.ts';

const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
const NOISE_BYTES_MAX = 200;

/** Makes hostile bytes from captured ones, in one buffer, fast enough for tens of millions. */
export class Mutator {
  private readonly random: Random;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(
    private readonly corpus: readonly Uint8Array[],
    seed: number,
    bytesMax: number,
  ) {
    this.random = new Random(seed);
    this.bytes = new Uint8Array(bytesMax);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Valid until the next call. */
  next(): Uint8Array {
    const { random, bytes } = this;
    if (random.chance(0.02)) {
      const length = random.between(0, NOISE_BYTES_MAX);
      for (let at = 0; at < length; at++) bytes[at] = random.u32();
      return bytes.subarray(0, length);
    }
    const source = random.pick(this.corpus);
    let length = Math.min(source.length, bytes.length);
    bytes.set(source.subarray(0, length));
    for (let changes = random.between(1, 4); changes > 0; changes--) {
      if (length > 0 && random.chance(0.5)) bytes[random.between(0, length - 1)]! ^= 1 << random.between(0, 7);
      else if (length >= 4 && random.chance(0.7)) {
        this.view.setUint32(random.between(0, length - 4), random.pick(EXTREMES), random.chance(0.5));
      } else if (random.chance(0.5)) length = random.between(0, length);
      else length = Math.min(bytes.length, length + random.between(1, 64));
    }
    return bytes.subarray(0, length);
  }
}
