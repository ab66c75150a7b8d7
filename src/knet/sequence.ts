/**
 * Message numbers are 1..65535 and wrap over 0, which is never used (knet.md 2.1 step 7): arithmetic modulo 65535.
 */
const MODULUS = 65_535;

export const nextSeq = (seq: number): number => (seq >= MODULUS ? 1 : seq + 1);

/** How far `seq` lies behind `reference`: 0..65534; a number one ahead gives 65534. */
export function distanceBehind(reference: number, seq: number): number {
  const distance = reference - seq;
  return distance < 0 ? distance + MODULUS : distance;
}

/** Whether `seq` is a number before `reference`: nearer behind it than ahead. */
export const isBehind = (reference: number, seq: number): boolean =>
  seq !== reference && distanceBehind(reference, seq) < MODULUS / 2;

/** How far `seq` lies ahead of `reference`: 0..65534. */
export const distanceAhead = (reference: number, seq: number): number => distanceBehind(seq, reference);
