import type { Arena } from '../../os/arena.ts';
import { GSO_BYTES_MAX, GSO_SEGMENTS_MAX } from '../../os/message.ts';
import { MessageBatch, SEGMENTATION_ERRORS, type SendRefusals } from '../message-batch.ts';
import { countOne, type StatCounter } from '../transport.ts';
import type { Wire } from '../wire.ts';

const FRAMES_MAX = 128;
const MESSAGES_MAX = 256;

/**
 * Frames of one event on their way to the kernel in few calls. Runs of equal-sized frames to one destination leave as one message
 * that the kernel cuts (UDP_SEGMENT); the description of a run is shared by all its destinations.
 *
 *   run:       [frame][frame][frame][shorter last frame]     iovecs + one control message, built once
 *   messages:  run → member 1, run → member 2, …, token → next member          sendmmsg
 */
export class SendBatch implements SendRefusals {
  private readonly batch: MessageBatch;
  private frames = 0;
  /** The run that is being built. */
  private runStart = 0;
  private runCount = 0;
  private runSegmentBytes = 0;
  private runBytes = 0;
  private runClosed = false;
  /** Frames larger than this are sent one by one: the interface's MTU, learned from refusals. */
  private segmentBytesMax = Number.POSITIVE_INFINITY;

  constructor(
    arena: Arena,
    private readonly fd: () => number,
    private readonly destinations: () => Destinations,
    /** Counts what the kernel refused: no route, filtered, buffer full. */
    private readonly failed: StatCounter,
    give?: Wire['send'],
  ) {
    this.batch = new MessageBatch(arena, MESSAGES_MAX, FRAMES_MAX, give);
  }

  /** Adds a frame to all destinations of the multicast. */
  multicast(offset: number, length: number): void {
    if (this.runCount > 0 && !this.fits(length)) this.endRun();
    if (this.runCount === 0) {
      if (this.frames === FRAMES_MAX) this.flush();
      this.runStart = this.frames;
      this.runSegmentBytes = length;
      this.runBytes = 0;
      this.runClosed = false;
    }
    this.batch.setPiece(this.frames++, offset, length);
    this.runCount++;
    this.runBytes += length;
    if (length < this.runSegmentBytes) this.runClosed = true;
  }

  /** Adds a frame to one destination, behind everything added so far. */
  unicast(offset: number, length: number, name: number, nameBytes: number): void {
    this.endRun();
    if (this.frames === FRAMES_MAX || this.batch.full) this.flush();
    this.batch.setPiece(this.frames, offset, length);
    this.batch.add(name, nameBytes, this.frames++, 1, false);
  }

  get isEmpty(): boolean {
    return this.frames === 0;
  }

  flush(): void {
    if (this.frames === 0) return;
    this.endRun();
    this.batch.send(this.fd(), this);
    this.frames = 0;
  }

  /** Forgets everything: the interface is down. */
  clear(): void {
    this.frames = 0;
    this.batch.count = 0;
    this.runCount = 0;
  }

  private fits(length: number): boolean {
    return (
      !this.runClosed &&
      this.frames < FRAMES_MAX &&
      length <= this.runSegmentBytes &&
      this.runSegmentBytes <= this.segmentBytesMax &&
      this.runCount < GSO_SEGMENTS_MAX &&
      this.runBytes + length <= GSO_BYTES_MAX
    );
  }

  /** One message of the run for each destination. */
  private endRun(): void {
    if (this.runCount === 0) return;
    const { first, count, nameBytes, strideBytes } = this.destinations();
    const segmented = this.runCount > 1;
    if (segmented) this.batch.setSegment(this.runStart, this.runSegmentBytes);
    for (let i = 0; i < count; i++) {
      if (this.batch.full) this.batch.send(this.fd(), this);
      this.batch.add(first + i * strideBytes, nameBytes, this.runStart, this.runCount, segmented);
    }
    this.runCount = 0;
  }

  delayed(): void {}

  /** These sockets report no errors of earlier packets. */
  isOfEarlier(): boolean {
    return false;
  }

  /** A run that is refused because of its segmentation goes out frame by frame, from now on all runs of its size do. */
  refused(fd: number, index: number, error: number): void {
    const { batch } = this;
    const count = batch.piecesOf(index);
    if (count === 1 || !SEGMENTATION_ERRORS.includes(error)) {
      countOne(this.failed);
      return;
    }
    const first = batch.pieceOf(index);
    this.segmentBytesMax = Math.min(this.segmentBytesMax, batch.bytesOf(first) - 1);
    for (let piece = first; piece < first + count; piece++) {
      batch.narrow(index, piece);
      if (batch.sendOne(fd, index) !== 1) countOne(this.failed);
    }
  }
}

/** Socket addresses in the arena, one behind the other. */
export interface Destinations {
  readonly first: number;
  readonly count: number;
  readonly nameBytes: number;
  readonly strideBytes: number;
}
