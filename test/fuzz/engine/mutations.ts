import type { Random } from '../../../src/sim/random.ts';
import { inputOf, joined, stepsOf } from './records.ts';

const EXTREMES = [
  0, 1, 2, 3, 16, 31, 32, 44, 45, 127, 128, 255, 256, 384, 385, 1023, 1024, 4095, 4096, 12_328, 16_384, 0x7fff, 0x8000, 0xffff, 0x10000,
  0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
]; // biome-ignore format: a table
const INPUT_BYTES_MAX = 8_192;
const STEPS_MAX = 60;
const NEWEST = 8;

/** Where the fields of a step are, if something is known about it: offsets, each of two or four bytes. */
export type FieldsOf = (kind: number, bytes: Uint8Array) => readonly number[];

export interface MutationOptions {
  /** Inputs are sequences of steps. */
  readonly sequence: boolean;
  /** Words that the target knows. */
  readonly dictionary?: readonly Uint8Array[];
  readonly fields?: FieldsOf;
  /** Kinds of steps that there are. */
  readonly kinds?: number;
}

/** Makes new inputs from those of the corpus. */
export class Mutations {
  constructor(
    private readonly random: Random,
    private readonly options: MutationOptions,
  ) {}

  next(corpus: readonly Uint8Array[]): Uint8Array {
    const { random } = this;
    // What was found last leads further more often than what has been tried for long; one change keeps most of it.
    let input = random.pick(random.chance(0.5) ? corpus.slice(-NEWEST) : corpus);
    for (let times = random.chance(0.5) ? 1 : random.between(2, 4); times > 0; times--) {
      const other = random.pick(corpus);
      input = this.options.sequence ? this.sequence(input, other) : this.bytes(input, other, 0);
    }
    return input.length > INPUT_BYTES_MAX ? input.subarray(0, INPUT_BYTES_MAX) : input;
  }

  private sequence(input: Uint8Array, other: Uint8Array): Uint8Array {
    const { random } = this;
    const steps = stepsOf(input);
    const foreign = stepsOf(other);
    const at = random.between(0, Math.max(0, steps.length - 1));
    const from = random.between(0, Math.max(0, foreign.length - 1));
    switch (steps.length === 0 ? 6 : random.between(0, 9)) {
      case 0:
        steps.splice(at, random.between(1, 3));
        break;
      case 1: // again, once or several times
        for (let times = random.between(1, 4); times > 0; times--) steps.splice(at, 0, steps[at]!);
        break;
      case 2: // in another order
        steps.push(...steps.splice(at, random.between(1, 4)));
        break;
      case 3: // a part of another story
        steps.splice(at, 0, ...foreign.slice(from, from + random.between(1, 5)));
        break;
      case 4: // the end of another story
        steps.splice(at, steps.length, ...foreign.slice(from));
        break;
      case 5:
        steps[at] = { kind: random.between(0, (this.options.kinds ?? 1) - 1), bytes: steps[at]!.bytes };
        break;
      case 6:
        steps.push(...foreign.slice(from, from + 1));
        break;
      default: {
        const { kind, bytes } = steps[at]!;
        const counterpart = foreign[from]?.bytes ?? bytes;
        steps[at] = { kind, bytes: this.bytes(bytes, counterpart, kind) };
      }
    }
    return inputOf(steps.slice(0, STEPS_MAX));
  }

  /** Bytes of one message, whole or a step of a sequence. */
  private bytes(source: Uint8Array, other: Uint8Array, kind: number): Uint8Array {
    const { random, options } = this;
    const bytes = source.slice();
    const at = random.between(0, Math.max(0, bytes.length - 1));
    const fields = options.fields?.(kind, bytes) ?? [];
    switch (bytes.length === 0 ? 8 : random.between(0, 13)) {
      case 0:
        bytes[at]! ^= 1 << random.between(0, 7);
        return bytes;
      case 1:
      case 11:
      case 12:
      case 13:
        bytes[at] = random.u32();
        return bytes;
      case 2:
      case 3:
      case 4:
        return this.number(bytes, fields.length > 0 && random.chance(0.7) ? random.pick(fields) : at);
      case 5:
        return bytes.slice(0, at);
      case 6: // a part away
        return joined(bytes.subarray(0, at), bytes.subarray(at + random.between(1, 16)));
      case 7: // a part twice
        return joined(bytes.subarray(0, at), bytes.subarray(Math.max(0, at - random.between(1, 32))));
      case 8: {
        const words = options.dictionary ?? [];
        const word = words.length > 0 ? random.pick(words) : new Uint8Array(random.between(1, 32));
        return joined(bytes.subarray(0, at), word, bytes.subarray(random.chance(0.5) ? at : at + word.length));
      }
      case 9: {
        const cut = random.between(0, Math.min(bytes.length, other.length));
        return joined(bytes.subarray(0, cut), other.subarray(cut));
      }
      default:
        return joined(bytes, other.subarray(0, random.between(0, 64)));
    }
  }

  private number(bytes: Uint8Array, at: number): Uint8Array {
    const { random } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const little = random.chance(0.7);
    if (at + 4 <= bytes.length && random.chance(0.7)) {
      const near = view.getUint32(at, little) + random.between(-20, 20);
      view.setUint32(at, random.chance(0.5) ? near : random.pick(EXTREMES), little);
    } else if (at + 2 <= bytes.length) {
      const near = view.getUint16(at, little) + random.between(-20, 20);
      view.setUint16(at, random.chance(0.5) ? near : random.pick(EXTREMES), little);
    }
    return bytes;
  }
}
