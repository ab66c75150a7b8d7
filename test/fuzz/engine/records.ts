/** A step of a sequence: what it is, and its bytes. An input of a stateful target is a list of them. */
export interface Step {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

const HEADER_BYTES = 3;
const STEP_BYTES_MAX = 0xffff;

/** Bytes one after the other, in memory of their own: a `Buffer` is a window on somebody else's, and its `slice` another one. */
export const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

/** Reads as many steps as there are; the last one may be shorter than it says. */
export function stepsOf(input: Uint8Array): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at + HEADER_BYTES <= input.length; ) {
    const length = (input[at + 1]! << 8) | input[at + 2]!;
    at += HEADER_BYTES;
    steps.push({ kind: input[at - HEADER_BYTES]!, bytes: input.subarray(at, at + length) });
    at += length;
  }
  return steps;
}

export function inputOf(steps: readonly Step[]): Uint8Array {
  const parts = steps.flatMap(({ kind, bytes }) => {
    const kept = bytes.subarray(0, STEP_BYTES_MAX);
    return [Uint8Array.of(kind, kept.length >> 8, kept.length), kept];
  });
  return joined(...parts);
}

export const step = (kind: number, bytes: Uint8Array | readonly number[] = []): Step => ({
  kind,
  bytes: Uint8Array.from(bytes),
});
