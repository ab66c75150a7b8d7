import type { Datagram } from './datagrams.ts';

export const FACT_KINDS = [
  'token',
  'message',
  'join',
  'leave',
  'commit',
  'merge-detect',
  'hold-cancel',
  'silence',
  'ping',
  'pong',
  'pmtud',
  'pmtud-reply',
  'damaged',
  'sealed',
  'cut',
] as const;
export type FactKind = (typeof FACT_KINDS)[number];

/** What one packet, or one message of it, says. */
export interface Fact {
  readonly kind: FactKind;
  /** The node that sent the packet, 0 where the packet does not say. */
  readonly node: number;
  readonly text: string;
  /** The same for programs. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** A fact with where in the capture it was seen. */
export interface SeenFact extends Fact {
  readonly packet: Datagram;
}
