import { ringIdEquals } from '../lib/ring-id.ts';
import { seqLt } from '../lib/seq.ts';
import { TotemDrop } from './drop-reason.ts';
import { TOTEM_LIMITS } from './limits.ts';
import type { RingState } from './state.ts';
import { checkHeader, Encapsulated, FrameType, HEADER, isLittleEndian, readU64 } from './wire/header.ts';
import { MCAST, MCAST_HEADER_BYTES, numberMcast, writeMcastHeader } from './wire/mcast.ts';

const SLOTS = TOTEM_LIMITS.sortQueueSlots;
const MASK = SLOTS - 1;
const NOWHERE = 0;
/** "Sender" of a message that was received and not kept. */
const NOBODY = 0;

/**
 * In recovery every survivor of stock sends every old message that somebody lacks, so the same message may arrive many times, each
 * time under another sequence number of the new ring (totem.md 4.3). Its bytes are kept once: the sort queue of the
 * recovery holds a stub for the others, and this table holds what each stub stands for.
 *
 *   recovery seq → inner seq, who encapsulated it, its this_seqno          inner seq → recovery seq with the bytes, the first one that carried it
 */
export class RecoveryIndex {
  private readonly innerSeqs = new Uint32Array(SLOTS);
  private readonly senders = new Uint32Array(SLOTS);
  private readonly seqnos = new Int32Array(SLOTS);
  private readonly keptAt = new Uint32Array(SLOTS);
  private readonly sentAt = new Uint32Array(SLOTS);

  reset(): void {
    this.keptAt.fill(NOWHERE);
    this.sentAt.fill(NOWHERE);
  }

  noteStub(seq: number, innerSeq: number, sender: number, thisSeqno: number): void {
    const slot = seq & MASK;
    this.innerSeqs[slot] = innerSeq;
    this.senders[slot] = sender;
    this.seqnos[slot] = thisSeqno;
  }

  /** What was received at `seq` has not been kept. */
  noteForgotten(seq: number): void {
    this.senders[seq & MASK] = NOBODY;
  }

  isForgotten(seq: number): boolean {
    return this.senders[seq & MASK] === NOBODY;
  }

  /** The message `innerSeq` lies, whole, in the recovery queue at `seq`. */
  noteKept(seq: number, innerSeq: number): void {
    this.keptAt[innerSeq & MASK] = seq;
  }

  /** The message `innerSeq` came from another survivor, as `seq` of this recovery. */
  noteSent(innerSeq: number, seq: number): void {
    const slot = innerSeq & MASK;
    const before = this.sentAt[slot]!;
    if (before === NOWHERE || seqLt(seq, before)) this.sentAt[slot] = seq;
  }

  /** Whether a survivor has sent it under a number that the token has given. */
  wasSent(innerSeq: number, tokenSeq: number): boolean {
    const seq = this.sentAt[innerSeq & MASK]!;
    return seq !== NOWHERE && !seqLt(tokenSeq, seq);
  }

  isKept(innerSeq: number): boolean {
    return this.keptAt[innerSeq & MASK] !== NOWHERE;
  }

  innerSeq(seq: number): number {
    return this.innerSeqs[seq & MASK]!;
  }

  sender(seq: number): number {
    return this.senders[seq & MASK]!;
  }

  thisSeqno(seq: number): number {
    return this.seqnos[seq & MASK]!;
  }

  keptSeq(innerSeq: number): number {
    return this.keptAt[innerSeq & MASK]!;
  }
}

/** Sequence number of the old-ring message inside an encapsulated one that lies at `at`; -1 if it is none. */
export function innerSeqOf(s: RingState, at: number, length: number): number {
  const view = s.memory.view;
  const inner = at + MCAST_HEADER_BYTES;
  const innerBytes = length - MCAST_HEADER_BYTES;
  if (innerBytes < MCAST_HEADER_BYTES || checkHeader(view, inner, innerBytes) !== TotemDrop.NONE) return -1;
  if (view.getUint8(inner + HEADER.type) !== FrameType.MCAST) return -1;
  const littleEndian = isLittleEndian(view, inner);
  const rep = view.getUint32(inner + MCAST.ringRep, littleEndian);
  if (!ringIdEquals({ rep, seq: readU64(view, inner + MCAST.ringSeq, littleEndian) }, s.old.ring)) return -1;
  const seq = view.getUint32(inner + MCAST.seq, littleEndian);
  return s.regular.inRange(seq) ? seq : -1;
}

const hasInner = (s: RingState, innerSeq: number): boolean =>
  s.regular.has(innerSeq) || s.recovery.index.isKept(innerSeq);

/** Enters a received encapsulated message as a stub if its content is known; returns whether it was. */
export function storeAsStub(s: RingState, seq: number, innerSeq: number, at: number, littleEndian: boolean): boolean {
  if (innerSeq < 0 || !hasInner(s, innerSeq)) return false;
  const view = s.memory.view;
  s.recovery.queue.addStub(seq);
  const sender = view.getUint32(at + HEADER.nodeId, littleEndian);
  s.recovery.index.noteStub(seq, innerSeq, sender, view.getInt32(at + MCAST.thisSeqno, littleEndian));
  return true;
}

/**
 * There is no memory for an encapsulated message. If it is of a ring that this node does not come from, nobody will look
 * into it here: it counts as received, and whoever needs it asks its sender. Otherwise a node that joins a large ring, whose
 * members all send all messages again, would keep all of them waiting until it gives up. Returns whether it was.
 */
export function storeForgotten(s: RingState, seq: number, innerSeq: number): boolean {
  if (innerSeq >= 0) return false;
  s.recovery.queue.addStub(seq);
  s.recovery.index.noteForgotten(seq);
  return true;
}

/**
 * Writes the encapsulated message that `seq` stands for into a slot that is free again at the next event. Returns its
 * offset, -1 without memory or if it was not kept; the length is `stubBytes`.
 */
export function writeStub(s: RingState, seq: number): number {
  const { index } = s.recovery;
  if (index.isForgotten(seq)) return -1;
  const innerSeq = index.innerSeq(seq);
  const innerBytes = innerLength(s, innerSeq);
  const at = s.pool.alloc(MCAST_HEADER_BYTES + innerBytes);
  if (at < 0) return -1;
  s.limbo.push(at);
  const inner = s.regular.has(innerSeq)
    ? s.regular.offsetOf(innerSeq)
    : s.recovery.queue.offsetOf(index.keptSeq(innerSeq)) + MCAST_HEADER_BYTES;
  writeMcastHeader(s.memory.view, at, Encapsulated.RECOVERY, index.sender(seq));
  numberMcast(s.memory.view, at, seq, index.thisSeqno(seq), s.ring.rep, s.ring.seq);
  s.memory.bytes.copyWithin(at + MCAST_HEADER_BYTES, inner, inner + innerBytes);
  return at;
}

export const stubBytes = (s: RingState, seq: number): number =>
  MCAST_HEADER_BYTES + innerLength(s, s.recovery.index.innerSeq(seq));

const innerLength = (s: RingState, innerSeq: number): number =>
  s.regular.has(innerSeq)
    ? s.regular.lengthOf(innerSeq)
    : s.recovery.queue.lengthOf(s.recovery.index.keptSeq(innerSeq)) - MCAST_HEADER_BYTES;
