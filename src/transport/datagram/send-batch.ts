import { assert } from '../../lib/assert.ts';
import type { Arena } from '../../os/arena.ts';
import {
  CMSG_SLOT_BYTES,
  GSO_BYTES_MAX,
  GSO_SEGMENTS_MAX,
  IOVEC_BYTES,
  MMSGHDR_BYTES,
  writeIovec,
  writeMessageHeader,
  writeSegmentControl,
} from '../../os/message.ts';
import { yieldCpu } from '../../os/schedule.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, sendMessages } from '../../os/socket.ts';

const FRAMES_MAX = 128;
const MESSAGES_MAX = 256;
const EAGAIN = -11;
/** Errors that say "not in one piece with segmentation": EINVAL, EIO, EMSGSIZE, EOPNOTSUPP. */
const SEGMENTATION_ERRORS: readonly number[] = [-22, -5, -90, -95];
/** A full socket buffer drains in microseconds; a network that does not drain loses frames, as a network does. */
const RETRIES_MAX = 20;

/**
 * Frames of one event on their way to the kernel in few calls. Runs of equal-sized frames to one destination leave as one message
 * that the kernel cuts (UDP_SEGMENT); the description of a run is shared by all its destinations.
 *
 *   run:       [frame][frame][frame][shorter last frame]     iovecs + one control message, built once
 *   messages:  run → member 1, run → member 2, …, token → next member          sendmmsg
 */
export class SendBatch {
  /** Messages that the kernel refused: no route, filtered, buffer full. */
  failed = 0;
  private readonly headers: number;
  private readonly iovecs: number;
  private readonly controls: number;
  private frames = 0;
  private messages = 0;
  /** The run that is being built. */
  private runStart = 0;
  private runCount = 0;
  private runSegmentBytes = 0;
  private runBytes = 0;
  private runClosed = false;
  /** Frames larger than this are sent one by one: the interface's MTU, learned from refusals. */
  private segmentBytesMax = Number.POSITIVE_INFINITY;

  constructor(
    private readonly arena: Arena,
    private readonly fd: () => number,
    private readonly destinations: () => Destinations,
  ) {
    this.headers = arena.allocate(MESSAGES_MAX * MMSGHDR_BYTES, 64);
    this.iovecs = arena.allocate(FRAMES_MAX * IOVEC_BYTES, 64);
    this.controls = arena.allocate(FRAMES_MAX * CMSG_SLOT_BYTES, 64);
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
    writeIovec(this.arena, this.iovecs + this.frames * IOVEC_BYTES, this.arena.address + offset, length);
    this.frames++;
    this.runCount++;
    this.runBytes += length;
    if (length < this.runSegmentBytes) this.runClosed = true;
  }

  /** Adds a frame to one destination, behind everything added so far. */
  unicast(offset: number, length: number, name: number, nameBytes: number): void {
    this.endRun();
    if (this.frames === FRAMES_MAX || this.messages === MESSAGES_MAX) this.flush();
    const iovec = this.iovecs + this.frames * IOVEC_BYTES;
    writeIovec(this.arena, iovec, this.arena.address + offset, length);
    this.frames++;
    writeMessageHeader(this.arena, this.headers + this.messages * MMSGHDR_BYTES, name, nameBytes, iovec, 1);
    this.messages++;
  }

  get isEmpty(): boolean {
    return this.frames === 0;
  }

  flush(): void {
    if (this.frames === 0) return;
    this.endRun();
    this.send();
    this.frames = 0;
  }

  /** Forgets everything: the interface is down. */
  clear(): void {
    this.frames = 0;
    this.messages = 0;
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
    const iovec = this.iovecs + this.runStart * IOVEC_BYTES;
    let control = 0;
    let controlBytes = 0;
    if (this.runCount > 1) {
      control = this.controls + this.runStart * CMSG_SLOT_BYTES;
      controlBytes = writeSegmentControl(this.arena, control, this.runSegmentBytes);
    }
    for (let i = 0; i < count; i++) {
      if (this.messages === MESSAGES_MAX) this.send();
      const header = this.headers + this.messages * MMSGHDR_BYTES;
      writeMessageHeader(
        this.arena,
        header,
        first + i * strideBytes,
        nameBytes,
        iovec,
        this.runCount,
        control,
        controlBytes,
      );
      this.messages++;
    }
    this.runCount = 0;
  }

  private send(): void {
    const { messages } = this;
    let at = 0;
    let retries = 0;
    while (at < messages) {
      const address = this.arena.address + this.headers + at * MMSGHDR_BYTES;
      const sent = sendMessages(this.fd(), address, messages - at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) {
        at += sent;
        retries = 0;
      } else if (sent === EAGAIN && retries < RETRIES_MAX) {
        retries++;
        yieldCpu();
      } else {
        this.refused(at, sent);
        at++; // one message that cannot leave must not hold up the others
        retries = 0;
      }
    }
    this.messages = 0;
  }

  /** A run that is refused because of its segmentation goes out frame by frame, from now on all runs of its size do. */
  private refused(index: number, errno: number): void {
    const header = this.headers + index * MMSGHDR_BYTES;
    const count = this.arena.u32[(header + 24) >> 2]!;
    if (count === 1 || !SEGMENTATION_ERRORS.includes(errno)) {
      this.failed++;
      return;
    }
    // The header itself is re-used for each frame: name stays, the run's iovecs follow each other.
    const iovecAddress = this.arena.u32[(header + 16) >> 2]! + this.arena.u32[(header + 20) >> 2]! * 4294967296;
    const first = iovecAddress - this.arena.address;
    const segmentBytes = this.arena.u32[(first + 8) >> 2]!;
    if (segmentBytes - 1 < this.segmentBytesMax) this.segmentBytesMax = segmentBytes - 1;
    const name = this.arena.u32[header >> 2]! + this.arena.u32[(header + 4) >> 2]! * 4294967296 - this.arena.address;
    const nameBytes = this.arena.u32[(header + 8) >> 2]!;
    assert(first >= 0 && name >= 0);
    for (let i = 0; i < count; i++) {
      writeMessageHeader(this.arena, header, name, nameBytes, first + i * IOVEC_BYTES, 1);
      if (sendMessages(this.fd(), this.arena.address + header, 1, MSG_DONTWAIT | MSG_NOSIGNAL) !== 1) this.failed++;
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
