import type { HostTable } from '../../knet/host-table.ts';
import { type LinkKey, LinkStat } from '../../knet/stats.ts';
import { RunKind, type TxQueue } from '../../knet/tx-queue.ts';
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
import { SOCKADDR_IN_BYTES, SOCKADDR_IN6_BYTES } from '../../os/sockaddr.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, sendMessages } from '../../os/socket.ts';

const MESSAGES_MAX = 256;
const EAGAIN = -11;
const EMSGSIZE = -90;
/** "Not in one piece": EINVAL, EIO (no checksum offload), EMSGSIZE, EOPNOTSUPP. */
const SEGMENTATION_ERRORS: readonly number[] = [-22, -5, EMSGSIZE, -95];
/** The kernel has no way there: ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH. */
const UNREACHABLE_ERRORS: readonly number[] = [-100, -101, -112, -113];
/** A full socket buffer drains in microseconds; a network that does not drain loses packets, as a network does. */
const RETRIES_MAX = 20;
/** Errors that a socket reports once for an ICMP message about an earlier packet: the send itself has not been tried. */
const PENDING_ERRORS_MAX = 4;
/** EMSGSIZE is mostly the kernel's own word about this packet, but can be that of a (forged) ICMP message about an earlier one: a second attempt shows which. */
const PENDING_TOO_BIG_MAX = 1;

/** What the sender needs to know about a link, by the core's index. */
export interface LinkEnd {
  readonly fd: number;
  /** Where the peer's socket address lies in the arena. */
  readonly name: number;
  readonly nameBytes: number;
}

export interface SendTrouble {
  /** The kernel refused a packet of this link as too big. */
  tooBig(linkIndex: number): void;
  /** The kernel has no route to this link's peer. */
  unreachable(linkIndex: number): void;
  /** A socket reported an error that belongs to an earlier packet: read its error queue. */
  pendingError(fd: number): void;
}

/**
 * Runs of the core's queue into sendmmsg. Packets of a run lie one behind the other, so equal ones leave as one message
 * that the kernel cuts (UDP_SEGMENT): 44 fragments of 1400 bytes cost one message per peer. No copy is made.
 */
export class KnetSender {
  private readonly headers: number;
  private readonly iovecs: number;
  private readonly controls: number;
  private readonly messageLink = new Int32Array(MESSAGES_MAX);
  private readonly messageKind = new Uint8Array(MESSAGES_MAX);
  private readonly messagePackets = new Int32Array(MESSAGES_MAX);
  private messages = 0;
  private segmentation = true;

  constructor(
    private readonly arena: Arena,
    private readonly hosts: HostTable,
    private readonly ends: readonly (LinkEnd | null)[],
    private readonly trouble: SendTrouble,
  ) {
    this.headers = arena.allocate(MESSAGES_MAX * MMSGHDR_BYTES, 64);
    this.iovecs = arena.allocate(MESSAGES_MAX * IOVEC_BYTES, 64);
    this.controls = arena.allocate(MESSAGES_MAX * CMSG_SLOT_BYTES, 64);
  }

  /** Everything in the queue, socket by socket, in the order of queueing for each link. */
  transmit(queue: TxQueue): void {
    let done = 0;
    let fd = -1;
    // Usually all runs belong to one socket; otherwise each further socket takes another pass.
    for (let after = -1; done < queue.runs; after = fd) {
      fd = this.nextSocket(queue, after);
      if (fd < 0) break;
      for (let run = 0; run < queue.runs; run++) {
        const end = this.ends[queue.runLink[run]!];
        if (end?.fd !== fd) continue;
        done++;
        this.addRun(queue, run, end);
      }
      this.send(fd);
    }
  }

  /** The smallest descriptor above `after` that a run names. */
  private nextSocket(queue: TxQueue, after: number): number {
    let found = -1;
    for (let run = 0; run < queue.runs; run++) {
      const end = this.ends[queue.runLink[run]!];
      if (end === null || end === undefined || end.fd <= after) continue;
      if (found < 0 || end.fd < found) found = end.fd;
    }
    return found;
  }

  private addRun(queue: TxQueue, run: number, end: LinkEnd): void {
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
      if (this.messages === MESSAGES_MAX) this.send(end.fd);
      this.addMessage(queue.runLink[run]!, queue.runKind[run]!, end, at, bytes, count, size);
      packet += count;
    }
  }

  private addMessage(
    link: number,
    kind: number,
    end: LinkEnd,
    at: number,
    bytes: number,
    packets: number,
    segmentBytes: number,
  ): void {
    const { arena } = this;
    const index = this.messages++;
    const iovec = this.iovecs + index * IOVEC_BYTES;
    writeIovec(arena, iovec, arena.address + at, bytes);
    let control = 0;
    let controlBytes = 0;
    if (packets > 1) {
      control = this.controls + index * CMSG_SLOT_BYTES;
      controlBytes = writeSegmentControl(arena, control, segmentBytes);
    }
    const header = this.headers + index * MMSGHDR_BYTES;
    writeMessageHeader(arena, header, end.name, end.nameBytes, iovec, 1, control, controlBytes);
    this.messageLink[index] = link;
    this.messageKind[index] = kind;
    this.messagePackets[index] = packets;
  }

  private send(fd: number): void {
    const { messages } = this;
    let at = 0;
    let retries = 0;
    let pending = 0;
    while (at < messages) {
      const address = this.arena.address + this.headers + at * MMSGHDR_BYTES;
      const sent = sendMessages(fd, address, messages - at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) {
        at += sent;
        retries = 0;
        pending = 0;
      } else if (sent === EAGAIN && retries < RETRIES_MAX) {
        retries++;
        this.count(at, RETRY_KEYS, 1);
        yieldCpu();
      } else if (pending < pendingMax(sent)) {
        pending++;
        this.trouble.pendingError(fd);
      } else {
        this.refused(fd, at, sent);
        at++; // what cannot leave must not hold up the others
        retries = 0;
        pending = 0;
      }
    }
    this.messages = 0;
  }

  private refused(fd: number, index: number, error: number): void {
    const packets = this.messagePackets[index]!;
    if (packets > 1 && SEGMENTATION_ERRORS.includes(error)) {
      this.sendSingly(fd, index, error);
      return;
    }
    this.count(index, ERROR_KEYS, packets);
    if (error === EMSGSIZE) this.trouble.tooBig(this.messageLink[index]!);
    if (UNREACHABLE_ERRORS.includes(error)) this.trouble.unreachable(this.messageLink[index]!);
  }

  /** Segmentation was refused: packet by packet, to see whether it or their size is the trouble. */
  private sendSingly(fd: number, index: number, error: number): void {
    const { arena } = this;
    const header = this.headers + index * MMSGHDR_BYTES;
    const iovec = this.iovecs + index * IOVEC_BYTES;
    const segmentBytes = arena.u32[(this.controls + index * CMSG_SLOT_BYTES + 16) >> 2]!;
    const start = arena.u32[iovec >> 2]! + arena.u32[(iovec >> 2) + 1]! * 2 ** 32;
    const bytes = arena.u32[(iovec >> 2) + 2]!;
    arena.u32[(header + 40) >> 2] = 0; // no control message any more
    let failed = 0;
    let tooBig = false;
    for (let done = 0; done < bytes; done += segmentBytes) {
      writeIovec(arena, iovec, start + done, Math.min(segmentBytes, bytes - done));
      let sent = sendMessages(fd, arena.address + header, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && pendingMax(sent) > 0) {
        this.trouble.pendingError(fd);
        sent = sendMessages(fd, arena.address + header, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
      }
      if (sent === 1) continue;
      failed++;
      tooBig ||= sent === EMSGSIZE;
    }
    if (failed > 0) this.count(index, ERROR_KEYS, failed);
    if (tooBig) this.trouble.tooBig(this.messageLink[index]!);
    else if (failed === 0 && error !== EMSGSIZE) this.segmentation = false; // this kernel or device cuts nothing; no ICMP message says that
  }

  private count(index: number, keys: readonly LinkKey[], amount: number): void {
    const link = this.hosts.links[this.messageLink[index]!];
    link?.stats.add(LinkStat[keys[this.messageKind[index]!]!], amount);
  }
}

/** How often a send that ended with this error is tried again because the error may belong to an earlier packet. */
function pendingMax(error: number): number {
  if (error === EMSGSIZE) return PENDING_TOO_BIG_MAX;
  return error === EAGAIN || SEGMENTATION_ERRORS.includes(error) ? 0 : PENDING_ERRORS_MAX;
}

/** By `RunKind`. */
const ERROR_KEYS: readonly LinkKey[] = ['tx_data_errors', 'tx_ping_errors', 'tx_pong_errors', 'tx_pmtu_errors'];
const RETRY_KEYS: readonly LinkKey[] = ['tx_data_retries', 'tx_ping_retries', 'tx_pong_retries', 'tx_pmtu_retries'];

export const KINDS = Object.keys(RunKind).length;
export const nameBytesOf = (family: 4 | 6): number => (family === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
