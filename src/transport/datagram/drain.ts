/**
 * Frames that are read at one go where everything that waits is to be read. More than the window lets all members have on the way; a
 * sender that is faster than the reading must not keep the ring thread in here.
 */
export const DRAIN_FRAMES_MAX = 16_384;

/** What of a batch this needs (receive-batch.ts). */
export interface Discardable {
  readonly size: number;
  receive(fd: number): number;
  discardRest(): number;
}

/** Throws away what waits on the socket; returns how many buffers that were. */
export function discardWaiting(fd: number, batch: Discardable): number {
  let discarded = 0;
  while (fd >= 0 && discarded < DRAIN_FRAMES_MAX) {
    const buffers = batch.receive(fd);
    discarded += batch.discardRest();
    if (buffers < batch.size) break;
  }
  return discarded;
}
