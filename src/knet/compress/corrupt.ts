/** Thrown inside of a decoder when its input makes no sense, and caught at its entrance: never leaves this folder. */
export class Corrupt extends Error {
  override readonly name = 'Corrupt';
}

const CORRUPT = new Corrupt('corrupt input');

/** One object for all: hostile input must not make stack traces. */
export function corrupt(): never {
  throw CORRUPT;
}

/** Runs a decoder; −1 for corrupt input or output beyond its room. */
export function guarded(decode: () => number): number {
  try {
    return decode();
  } catch (error) {
    if (error instanceof Corrupt) return -1;
    throw error;
  }
}
