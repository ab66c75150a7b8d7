import type { TxPackets } from '../../knet/tx-queue.ts';
import type { Arena } from '../../os/arena.ts';
import { GSO_BYTES_MAX, GSO_SEGMENTS_MAX } from '../../os/message.ts';
import { SOCKADDR_IN_BYTES, SOCKADDR_IN6_BYTES } from '../../os/sockaddr.ts';
import { EAGAIN, EMSGSIZE, MessageBatch, SEGMENTATION_ERRORS, type SendRefusals } from '../message-batch.ts';
import type { Wire } from '../wire.ts';
import type { LinkEnds } from './transmit/link-ends.ts';

/** Messages of one system call. */
export const MESSAGES_MAX = 256;
/** The kernel has no way there: ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH. */
const UNREACHABLE_ERRORS: readonly number[] = [-100, -101, -112, -113];
/** Errors that a socket reports once for an ICMP message about an earlier packet: the send itself has not been tried. */
const PENDING_ERRORS_MAX = 4;
/** EMSGSIZE is mostly the kernel's own word about this packet, but can be that of a (forged) ICMP message about an earlier one: a second attempt shows which. */
const PENDING_TOO_BIG_MAX = 1;

export interface SendTrouble {
  /** The kernel refused a packet of this link as too big. */
  tooBig(linkIndex: number): void;
  /** The kernel has no route to this link's peer. */
  unreachable(linkIndex: number): void;
  /** A socket reported an error that belongs to an earlier packet: its error queue is to be read. */
  pendingError(fd: number): void;
  /** So many packets of a kind (`RunKind`) of this link were refused, or had to be tried again, for the statistics. */
  failed(linkIndex: number, kind: number, packets: number): void;
  retried(linkIndex: number, kind: number): void;
}

/**
 * Runs of the core's queue into sendmmsg, on the ring thread or a transmit thread. Packets of a run lie one behind the other, so equal ones leave as one message
 * that the kernel cuts (UDP_SEGMENT): 44 fragments of 1400 bytes cost one message per peer. No copy is made.
 */
export class KnetSender implements SendRefusals {
  private readonly batch: MessageBatch;
  private readonly messageLink = new Int32Array(MESSAGES_MAX);
  private readonly messageKind = new Uint8Array(MESSAGES_MAX);
  private readonly messagePackets = new Int32Array(MESSAGES_MAX);
  private segmentation = true;

  constructor(
    arena: Arena,
    private readonly ends: LinkEnds,
    private readonly trouble: SendTrouble,
    give?: Wire['send'],
  ) {
    this.batch = new MessageBatch(arena, MESSAGES_MAX, MESSAGES_MAX, give);
  }

  /** Everything in the queue, socket by socket, in the order of queueing for each link. */
  transmit(queue: TxPackets): void {
    let done = 0;
    let fd = -1;
    // Usually all runs belong to one socket; otherwise each further socket takes another pass.
    for (let after = -1; done < queue.runs; after = fd) {
      fd = this.nextSocket(queue, after);
      if (fd < 0) break;
      for (let run = 0; run < queue.runs; run++) {
        if (this.ends.fd[queue.runLink[run]!]! !== fd) continue;
        done++;
        this.addRun(queue, run, fd);
      }
      this.batch.send(fd, this);
    }
  }

  /** The smallest descriptor above `after` that a run names. */
  private nextSocket(queue: TxPackets, after: number): number {
    let found = -1;
    for (let run = 0; run < queue.runs; run++) {
      const fd = this.ends.fd[queue.runLink[run]!]!;
      if (fd > after && (found < 0 || fd < found)) found = fd;
    }
    return found;
  }

  private addRun(queue: TxPackets, run: number, fd: number): void {
    const last = queue.runFirst[run]! + queue.runCount[run]!;
    for (let packet = queue.runFirst[run]!; packet < last; ) {
      const size = queue.wireLength[packet]!;
      const at = queue.offset[packet]!;
      let count = 1;
      let bytes = size;
      const most = this.segmentation ? GSO_SEGMENTS_MAX : 1;
      while (packet + count < last && count < most) {
        const length = queue.wireLength[packet + count]!;
        if (length > size || bytes + length > GSO_BYTES_MAX) break;
        bytes += length;
        count++;
        if (length < size) break; // a shorter one ends the message
      }
      if (this.batch.full) this.batch.send(fd, this);
      this.addMessage(queue.runLink[run]!, queue.runKind[run]!, at, bytes, count, size);
      packet += count;
    }
  }

  private addMessage(
    link: number,
    kind: number,
    at: number,
    bytes: number,
    packets: number,
    segmentBytes: number,
  ): void {
    const { batch } = this;
    const piece = batch.count;
    batch.setPiece(piece, at, bytes);
    if (packets > 1) batch.setSegment(piece, segmentBytes);
    const index = batch.add(this.ends.nameAt(link), this.ends.nameBytes[link]!, piece, 1, packets > 1);
    this.messageLink[index] = link;
    this.messageKind[index] = kind;
    this.messagePackets[index] = packets;
  }

  delayed(index: number): void {
    this.trouble.retried(this.messageLink[index]!, this.messageKind[index]!);
  }

  isOfEarlier(fd: number, error: number, attempts: number): boolean {
    if (attempts >= pendingMax(error)) return false;
    this.trouble.pendingError(fd);
    return true;
  }

  refused(fd: number, index: number, error: number): void {
    const packets = this.messagePackets[index]!;
    if (packets > 1 && SEGMENTATION_ERRORS.includes(error)) {
      this.sendSingly(fd, index, error);
      return;
    }
    this.noteFailed(index, packets);
    if (error === EMSGSIZE) this.trouble.tooBig(this.messageLink[index]!);
    if (UNREACHABLE_ERRORS.includes(error)) this.trouble.unreachable(this.messageLink[index]!);
  }

  /** Segmentation was refused: packet by packet, to see whether it or their size is the trouble. */
  private sendSingly(fd: number, index: number, error: number): void {
    const { batch } = this;
    const segmentBytes = batch.segmentOf(index);
    const start = batch.offsetOf(index);
    const bytes = batch.bytesOf(index);
    batch.narrow(index, index);
    let failed = 0;
    let tooBig = false;
    for (let done = 0; done < bytes; done += segmentBytes) {
      batch.setPiece(index, start + done, Math.min(segmentBytes, bytes - done));
      let sent = batch.sendOne(fd, index);
      if (sent < 0 && this.isOfEarlier(fd, sent, 0)) sent = batch.sendOne(fd, index);
      if (sent === 1) continue;
      failed++;
      tooBig ||= sent === EMSGSIZE;
    }
    if (failed > 0) this.noteFailed(index, failed);
    if (tooBig) this.trouble.tooBig(this.messageLink[index]!);
    else if (failed === 0 && error !== EMSGSIZE) this.segmentation = false; // this kernel or device cuts nothing; no ICMP message says that
  }

  private noteFailed(index: number, packets: number): void {
    this.trouble.failed(this.messageLink[index]!, this.messageKind[index]!, packets);
  }
}

/** How often a send that ended with this error is tried again because the error may belong to an earlier packet. */
function pendingMax(error: number): number {
  if (error === EMSGSIZE) return PENDING_TOO_BIG_MAX;
  return error === EAGAIN || SEGMENTATION_ERRORS.includes(error) ? 0 : PENDING_ERRORS_MAX;
}

export const nameBytesOf = (family: 4 | 6): number => (family === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
