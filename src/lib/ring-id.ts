/**
 * Identity of a ring: its representative and a sequence number (totem.md 1.3). `seq` is a u64 on the wire; it grows by
 * four per ring, so numbers above 2^53 are refused as hostile rather than carried as BigInt.
 */
export interface RingId {
  readonly rep: number;
  readonly seq: number;
}

/** A ring id as programs see it: nothing is rounded, whatever a ring says. */
export interface ExactRingId {
  readonly rep: number;
  readonly seq: bigint;
}

export const exactRingId = ({ rep, seq }: RingId): ExactRingId => ({ rep, seq: BigInt(seq) });

export const NO_RING: RingId = { rep: 0, seq: 0 };

export const ringIdEquals = (a: RingId, b: RingId): boolean => a.rep === b.rep && a.seq === b.seq;

/** `rep.seq`, both hexadecimal, as stock logs it. */
export const ringIdText = (id: RingId | ExactRingId): string => `${id.rep.toString(16)}.${id.seq.toString(16)}`;

/** One of the two configuration callbacks of extended virtual synchrony (totem.md 4.16). Lists are node ids. */
export interface ConfigurationChange {
  readonly kind: 'transitional' | 'regular';
  readonly members: readonly number[];
  readonly left: readonly number[];
  readonly joined: readonly number[];
  readonly ringId: RingId;
}
