import { dropKey } from '../lib/drop-key.ts';
import type { StatCounter } from './transport.ts';

/**
 * What becomes of datagrams that the ring protocol, or the kernel, does not get: larger than any buffer (no kernel joins so much today); of
 * nobody in the node list; a control frame from another node's address; the queue to oneself is full; the kernel did not take it; a frame
 * of the nozzle is for nobody, or its device does not take it.
 */
export const TRANSPORT_DROP_REASONS = [
  'truncated',
  'unlisted',
  'foreignSender',
  'loopbackFull',
  'sendFailed',
  'nozzle',
] as const;
export type TransportDropReason = (typeof TRANSPORT_DROP_REASONS)[number];

/** The counter of a reason; the transport that can drop for it has it from its start. */
export const transportDrop = (host: { counter(name: string): StatCounter }, reason: TransportDropReason): StatCounter =>
  host.counter(dropKey('transport', reason));
