import { CsError } from '../../lib/errors.ts';
import { GROUP_NAME_BYTES, packetsForRequest } from '../../lib/packet-charge.ts';
import { statusResponse } from '../codec/struct.ts';
import type { LibraryCall } from '../engine.ts';

/** What the send queue of the ring looks like now (totem.md 5.6). */
export interface QueueState {
  /** Slots that are neither used nor reserved. */
  freeSlots(): number;
  /** Bytes of one slot: the adjusted MTU less 24. 0 while the ring has not started. */
  slotBytes(): number;
  /** A message of this length can never be sent. */
  bytesLimit(): number;
}

export interface AdmissionState {
  readonly queue: QueueState;
  readonly quorate: boolean;
  readonly syncInProgress: boolean;
}

/** `invalid` and `refused` have counters of their own in the statistics of the connection. */
export type AdmissionVerdict = 'admitted' | 'invalid' | 'refused';

/**
 * The gate that every request passes, also a read-only one (services.md 2.2). `fn` is `undefined` for a function number
 * that the service does not have.
 */
export function judge(
  requestBytes: number,
  fn: LibraryCall | undefined,
  allowInquorate: boolean,
  state: AdmissionState,
): AdmissionVerdict {
  if (requestBytes + GROUP_NAME_BYTES >= state.queue.bytesLimit()) return 'invalid';
  if (fn === undefined || requestBytes < fn.requestBytesMin) return 'invalid';
  if (!state.quorate && !allowInquorate) return 'refused';
  if (!fn.flowControl) return 'admitted';
  if (state.syncInProgress) return 'refused';
  const slotBytes = state.queue.slotBytes();
  if (slotBytes > 0 && state.queue.freeSlots() < packetsForRequest(requestBytes, slotBytes)) return 'refused';
  return 'admitted';
}

/**
 * The response to a request that was not admitted: a bare header with id 0, as in stock, but for functions whose library
 * reads the body without looking at the status (services.md T15).
 */
export function rejection(verdict: Exclude<AdmissionVerdict, 'admitted'>, fn: LibraryCall | undefined): Uint8Array {
  const status = verdict === 'invalid' ? CsError.INVALID_PARAM : CsError.TRY_AGAIN;
  return fn?.rejection?.(status) ?? statusResponse(0, status);
}
