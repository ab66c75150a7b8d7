import { NO_RING, type RingId } from '../lib/ring-id.ts';
import type { FramePool } from './frame-pool.ts';
import { TOTEM_LIMITS } from './limits.ts';
import { union } from './node-set.ts';
import { RecoveryIndex } from './recovery-index.ts';
import { SortQueue } from './sort-queue.ts';

/**
 * The parts of `RingState` that begin and end together. Entering a state resets a part as a whole, so no variable of an earlier
 * round can be forgotten. What holds between them stands at the fields and is checked by `checkInvariants` (invariants.ts).
 */

/** Who is, was and will be in the ring (totem.md 4.1). No list names a node twice. */
export class Membership {
  /** Candidates of the round. From COMMIT to RECOVERY it may differ from `newMemb`; in OPERATIONAL it has all of `memb`. */
  proc: readonly number[] = [];
  /** Who is taken to be dead; a JOIN can carry it: at most `processorsMax`. Empty when a ring has formed. */
  failed: readonly number[] = [];
  /** Members of the last operational ring; in OPERATIONAL this node is one of them. */
  memb: readonly number[] = [];
  /** Members of the ring that the last commit token formed; from COMMIT on not empty, and this node is one of them. */
  newMemb: readonly number[] = [];
  /** Those of `memb` that come along into the new ring: in both lists, from RECOVERY on. */
  transMemb: readonly number[] = [];
  /** Originators whose old-ring messages are still passed up behind a hole: `transMemb`, or nobody. */
  deliverMemb: readonly number[] = [];
  /** In GATHER: which time the JOIN is sent again, unchanged. */
  joinRepeat = 0;
  /** Who sent a matching JOIN in this round: in GATHER this node and nobody that is no candidate. */
  consensus: readonly number[] = [];
  /** Members that announced their departure with a LEAVE; only for reports. */
  politeLeavers: readonly number[] = [];
  /** This node holds the ring's aru down: it forms a ring of its own next. Never set while OPERATIONAL. */
  failedToReceive = false;

  /** GATHER: votes count from here on, and this node is a candidate. */
  startRound(me: number): void {
    this.proc = union(this.proc, [me]);
    this.consensus = [me];
  }

  /** OPERATIONAL: the new ring's members are the ring, and the round that made it is over. */
  install(): void {
    this.memb = this.newMemb;
    this.proc = this.newMemb;
    this.failed = [];
    this.consensus = [];
    this.politeLeavers = [];
  }
}

/** The last operational ring, from the first COMMIT after it until the next OPERATIONAL. */
export class OldRing {
  /** The fields below are those of a ring that has ended: never in OPERATIONAL, always in COMMIT and RECOVERY. */
  saved = false;
  ring: RingId = NO_RING;
  /** aru ≤ high, as in any ring. */
  aru = 0;
  high = 0;
  /** received_flg: 1 if this node has all messages of the old ring that a survivor has, as far as it knows. */
  receivedFlg = 1;

  /** Only the first COMMIT after OPERATIONAL does it: a ring that never got there is nobody's past (totem.md trap 15). */
  saveOnce(ring: RingId, aru: number, high: number): void {
    if (this.saved) return;
    this.saved = true;
    this.ring = ring;
    this.aru = aru;
    this.high = high;
  }

  reset(): void {
    this.saved = false;
    this.ring = NO_RING;
    this.aru = 0;
    this.high = 0;
    this.receivedFlg = 1;
  }
}

/** What this node has added to the token's figures of flow control, which it takes off again (totem.md 4.9). */
export class FlowControl {
  /** Messages in the last visit: what the token's fcc holds of this node. */
  trc = 0;
  /** Backlog in the last visit, and in this one: what the token's backlog holds of this node. */
  pbl = 0;
  cbl = 0;

  /** A new ring's token begins with fcc and backlog 0. */
  reset(): void {
    this.trc = 0;
    this.pbl = 0;
    this.cbl = 0;
  }
}

/** RECOVERY: old-ring messages that are exchanged, and how far all nodes are (totem.md 4.7). */
export class Recovery {
  /** Messages of the new ring, each one of an old ring inside. Empty outside of RECOVERY and of the GATHER that ended one. */
  queue: SortQueue;
  readonly index = new RecoveryIndex();
  /** Sequence numbers of the old ring that are still to be sent again: `retransFirst` … `retransCount`, ascending. */
  readonly retransSeqs = new Uint32Array(TOTEM_LIMITS.sortQueueSlots);
  /** retransFirst ≤ retransCount ≤ slots of a sort queue. */
  retransFirst = 0;
  retransCount = 0;
  /** This node has set the token's retrans_flg, and clears it when it has sent all. */
  setRetransFlg = false;
  /** Visits in a row with retrans_flg 0. */
  retransFlgCount = 0;
  /** Visits in a row in which all were seen to have everything; the second one ends RECOVERY. */
  rotationCount = 0;
  /** Seq of the token when `retransFlgCount` became 2: who has everything up to here has all old messages. */
  installSeq = 0;

  constructor(pool: FramePool) {
    this.queue = new SortQueue(pool);
  }

  /** Whether all old messages that this node had to send are sent. */
  get allSent(): boolean {
    return this.retransFirst === this.retransCount;
  }

  reset(): void {
    this.queue.clear();
    this.index.reset();
    this.retransFirst = 0;
    this.retransCount = 0;
    this.setRetransFlg = false;
    this.retransFlgCount = 0;
    this.rotationCount = 0;
    this.installSeq = 0;
  }
}

/** Ring sequence numbers on their way to the disk, and the commit that waits for one (reservation.ts). */
export class DiskWait {
  /** The disk was asked for numbers up to here; never behind `reserved`. */
  requested: number;
  /** Numbers up to here are on disk: those of all rings that this node takes part in. */
  reserved: number;
  /** A commit token that waits for its ring seq to be on disk; only in GATHER. */
  waitingCommit: Uint8Array | null = null;
  /** This node's own commit waits; only in GATHER. */
  commitWaiting = false;
  /** How often the disk was too late for what was needed, since the last COMMIT. */
  waits = 0;
  /** The ring seq that was chosen for a leap, and for which `ringSeqMax`; -1: none. */
  leapFrom = -1;
  leapTo = 0;
  /** When the disk was asked last for what a leap may land on. */
  leapAskedMs = Number.NEGATIVE_INFINITY;

  constructor(reserved: number) {
    this.requested = reserved;
    this.reserved = reserved;
  }

  /** GATHER: what waits belongs to a round that is over. */
  forgetRound(): void {
    this.waitingCommit = null;
    this.commitWaiting = false;
  }

  /** COMMIT: nothing waits, and the next leap is another. */
  reset(): void {
    this.forgetRound();
    this.waits = 0;
    this.leapFrom = -1;
    this.leapTo = 0;
  }
}
