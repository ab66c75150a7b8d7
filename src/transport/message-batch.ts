import { assert } from '../lib/assert.ts';
import type { Arena } from '../os/arena.ts';
import {
  CMSG_SLOT_BYTES,
  IOVEC_BYTES,
  iovecBytes,
  iovecOffset,
  MMSGHDR_BYTES,
  messageIovec,
  messageIovecs,
  messageName,
  messageNameBytes,
  SEGMENT_CONTROL_BYTES,
  segmentBytesOf,
  writeIovec,
  writeMessageHeader,
  writeSegmentControl,
} from '../os/message.ts';
import { yieldCpu } from '../os/schedule.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, sendMessages } from '../os/socket.ts';

export const EAGAIN = -11;
export const EMSGSIZE = -90;
/** "Not in one piece with segmentation": EINVAL, EIO (no checksum offload), EMSGSIZE, EOPNOTSUPP. */
export const SEGMENTATION_ERRORS: readonly number[] = [-22, -5, EMSGSIZE, -95];
/** A full socket buffer drains in microseconds; a network that does not drain loses packets, as a network does. */
const RETRIES_MAX = 20;
const ALIGN_BYTES = 64;

/** What becomes of a message that the kernel does not take; `index` is its place in the batch, `error` a negative errno. */
export interface SendRefusals {
  /** The socket buffer is full: it is tried again. */
  delayed(index: number): void;
  /** Whether the error may be that of an earlier packet, so that it is tried again; `attempts` were made so. */
  isOfEarlier(fd: number, error: number, attempts: number): boolean;
  /** It does not leave in this form. */
  refused(fd: number, index: number, error: number): void;
}

/**
 * The messages of one sendmmsg call, in an arena. A message is a destination and a run of pieces of memory, which the kernel cuts into
 * datagrams of equal size where it is segmented (UDP_SEGMENT); messages may share a run.
 *
 *   headers    [message 0][message 1] …
 *   iovecs     [piece 0][piece 1][piece 2] …      controls    [size of run from piece 0] …      a slot for each piece
 */
export class MessageBatch {
  count = 0;
  private readonly headers: number;
  private readonly iovecs: number;
  private readonly controls: number;

  constructor(
    private readonly arena: Arena,
    readonly messagesMax: number,
    readonly piecesMax: number,
    /** By default the kernel. */
    private readonly give: typeof sendMessages = sendMessages,
  ) {
    this.headers = arena.allocate(messagesMax * MMSGHDR_BYTES, ALIGN_BYTES);
    this.iovecs = arena.allocate(piecesMax * IOVEC_BYTES, ALIGN_BYTES);
    this.controls = arena.allocate(piecesMax * CMSG_SLOT_BYTES, ALIGN_BYTES);
  }

  /** What a batch takes of its arena. */
  static bytesFor(messagesMax: number, piecesMax: number): number {
    return messagesMax * MMSGHDR_BYTES + piecesMax * (IOVEC_BYTES + CMSG_SLOT_BYTES) + 3 * ALIGN_BYTES;
  }

  get full(): boolean {
    return this.count === this.messagesMax;
  }

  /** A piece of memory, by its offset in the arena. */
  setPiece(index: number, offset: number, bytes: number): void {
    assert(
      index < this.piecesMax && bytes > 0 && offset >= 0 && offset + bytes <= this.arena.u8.length,
      'a piece of the arena',
    );
    writeIovec(this.arena, this.iovecs + index * IOVEC_BYTES, offset, bytes);
  }

  /** The run that begins at this piece is cut into datagrams of so many bytes. */
  setSegment(piece: number, segmentBytes: number): void {
    writeSegmentControl(this.arena, this.controls + piece * CMSG_SLOT_BYTES, segmentBytes);
  }

  /** Adds a message: the run of `pieces` from `piece` on to the address at `name`. The batch must not be full. */
  add(name: number, nameBytes: number, piece: number, pieces: number, segmented: boolean): number {
    assert(
      this.count < this.messagesMax && pieces > 0 && piece + pieces <= this.piecesMax,
      'a message has room and a run',
    );
    this.write(this.count, name, nameBytes, piece, pieces, segmented);
    return this.count++;
  }

  /** Gives a message one piece, which is not cut, in place of its run. */
  narrow(index: number, piece: number): void {
    const header = this.headers + index * MMSGHDR_BYTES;
    this.write(index, messageName(this.arena, header), messageNameBytes(this.arena, header), piece, 1, false);
  }

  /** The first piece of a message's run, and how many there are. */
  pieceOf(index: number): number {
    return (messageIovec(this.arena, this.headers + index * MMSGHDR_BYTES) - this.iovecs) / IOVEC_BYTES;
  }
  piecesOf(index: number): number {
    return messageIovecs(this.arena, this.headers + index * MMSGHDR_BYTES);
  }
  offsetOf(piece: number): number {
    return iovecOffset(this.arena, this.iovecs + piece * IOVEC_BYTES);
  }
  bytesOf(piece: number): number {
    return iovecBytes(this.arena, this.iovecs + piece * IOVEC_BYTES);
  }
  segmentOf(piece: number): number {
    return segmentBytesOf(this.arena, this.controls + piece * CMSG_SLOT_BYTES);
  }

  private write(
    index: number,
    name: number,
    nameBytes: number,
    piece: number,
    pieces: number,
    segmented: boolean,
  ): void {
    writeMessageHeader(
      this.arena,
      this.headers + index * MMSGHDR_BYTES,
      name,
      nameBytes,
      this.iovecs + piece * IOVEC_BYTES,
      pieces,
      segmented ? this.controls + piece * CMSG_SLOT_BYTES : 0,
      SEGMENT_CONTROL_BYTES,
    );
  }

  /** Hands all messages to the kernel, in order, and forgets them. */
  send(fd: number, refusals: SendRefusals): void {
    const { count } = this;
    let at = 0;
    let retries = 0;
    let attempts = 0;
    while (at < count) {
      const sent = this.give(fd, this.addressOf(at), count - at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) {
        at += sent;
        retries = 0;
        attempts = 0;
      } else if (sent === EAGAIN && retries < RETRIES_MAX) {
        retries++;
        refusals.delayed(at);
        yieldCpu();
      } else if (refusals.isOfEarlier(fd, sent, attempts)) {
        attempts++;
      } else {
        refusals.refused(fd, at, sent);
        at++; // what cannot leave must not hold up the others
        retries = 0;
        attempts = 0;
      }
    }
    assert(at === count, 'each message left or was refused, once');
    this.count = 0;
  }

  /** One message once, from inside `refused`: 1, or a negative errno. */
  sendOne(fd: number, index: number): number {
    return this.give(fd, this.addressOf(index), 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  private addressOf(index: number): number {
    return this.arena.address + this.headers + index * MMSGHDR_BYTES;
  }
}
