import { assert } from '../lib/assert.ts';
import type { RingId } from '../lib/ring-id.ts';
import { ringSeqAfter } from '../lib/ring-seq.ts';
import { AcceleratedRelease } from './accelerated-release.ts';
import { Disputes } from './disputes.ts';
import { FramePool } from './frame-pool.ts';
import type { FrameMemory, OriginCounter, SrpState, TotemNetwork, TotemObserver } from './interface.ts';
import { TOTEM_LIMITS, totemMtu } from './limits.ts';
import { LossControl } from './loss-control.ts';
import { MemoryTiers } from './memory-tiers.ts';
import { Passage } from './passage.ts';
import { PastRings } from './past-rings.ts';
import { SendQueue } from './send-queue.ts';
import { Silences } from './silences.ts';
import { SortQueue } from './sort-queue.ts';
import type { SrpUser } from './srp-user.ts';
import { Statistics, TokenSamples } from './statistics.ts';
import { DiskWait, FlowControl, Membership, OldRing, Recovery } from './sub-states.ts';
import { TimerTable } from './timer-table.ts';
import type { SrpTimings } from './timings.ts';
import { TokenPace } from './token-pace.ts';
import { COMMIT_TOKEN_BYTES_MAX } from './wire/commit-token.ts';
import { HoldCancel } from './wire/hold-cancel.ts';
import { JOIN_BYTES_MAX } from './wire/join.ts';
import { MergeDetect } from './wire/merge-detect.ts';
import { OrfToken } from './wire/orf-token.ts';
import { SILENCE_BYTES_MAX } from './wire/silence.ts';

export interface SrpOptions {
  readonly nodeId: number;
  readonly netMtu: number;
  readonly timings: SrpTimings;
  /** Highest ring sequence number that may ever have been used before this start (totem.md 4.2). */
  readonly storedRingSeq: number;
  /** Ring sequence numbers up to here are on disk already. */
  readonly reservedRingSeq: number;
  readonly memory: FrameMemory;
  /** The part of `memory` that the core owns. */
  readonly regionOffset: number;
  readonly regionBytes: number;
  readonly network: TotemNetwork;
  readonly observer: TotemObserver;
  /** 0 ≤ x < 1; only for the delay of `send_join`. */
  readonly random: () => number;
  /** `STATISTICS_SLOTS` numbers, possibly shared with another thread. */
  readonly statistics?: Float64Array;
  /** Hears whose messages had to be sent again. */
  readonly origins?: OriginCounter;
  readonly nowMs: number;
}

/** Legal transitions (totem.md 4.4). OPERATIONAL → COMMIT: a JOIN may complete the agreement on the spot. */
const LEGAL: Readonly<Record<SrpState, readonly SrpState[]>> = {
  operational: ['gather', 'commit'],
  gather: ['gather', 'commit'],
  commit: ['gather', 'recovery'],
  recovery: ['gather', 'operational'],
};

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;
const TOKEN_BUFFER_BYTES = align(COMMIT_TOKEN_BYTES_MAX);
const CONTROL_BUFFER_BYTES = align(Math.max(JOIN_BYTES_MAX, SILENCE_BYTES_MAX));
const CONTROL_BUFFERS = 8;
const CONTROL_BYTES = 2 * TOKEN_BUFFER_BYTES + CONTROL_BUFFERS * CONTROL_BUFFER_BYTES;

/**
 * The variables of the ring protocol (totem.md 4.1) and what its parts work with. The parts are functions over this
 * object, one file for each chapter of the protocol:
 *
 *   transitions.ts   entering the four states                orf.ts             the token visit
 *   membership.ts    JOIN, consensus, foreign rings          receive-mcast.ts   receiving messages
 *   joins.ts         sending JOIN and LEAVE                  delivery.ts        delivering, freeing
 *   commit.ts        the commit token                        timeouts.ts        the timers
 *   recovery.ts      old messages sent again
 */
export class RingState {
  readonly me: number;
  readonly memory: FrameMemory;
  readonly network: TotemNetwork;
  readonly observer: TotemObserver;
  readonly origins: OriginCounter | null;
  readonly random: () => number;
  readonly user: SrpUser;
  timings: SrpTimings;
  /** M of the specification. */
  readonly mtu: number;
  readonly timers = new TimerTable(this);
  readonly statistics: Statistics;
  readonly samples = new TokenSamples();
  readonly pool: FramePool;
  readonly tiers: MemoryTiers;
  /** How many messages the ring may be ahead of what this node has released: half of its memory. */
  readonly framesAheadMax: number;
  nowMs = 0;
  /** When a frame of another generation may be reported again. */
  strangerReportMs = Number.NEGATIVE_INFINITY;
  tokenArrivedMs = 0;

  state: SrpState = 'operational';
  readonly membership = new Membership();
  /** The ring before this one, from COMMIT until OPERATIONAL. */
  readonly old = new OldRing();
  readonly flow = new FlowControl();
  readonly recovery: Recovery;
  readonly diskWait: DiskWait;
  /** Who of the candidates will not agree with whom. */
  readonly disputes = new Disputes();
  /** Who does not hear whom. */
  readonly suspicion = new Silences();
  readonly pace = new TokenPace();
  readonly passage: Passage;
  readonly loss: LossControl;
  readonly accelerated = new AcceleratedRelease();

  /** What every member of `ring` can do (`Capability`); 0 while that is not known. */
  capabilities = 0;
  /** The new ring's id from COMMIT on (totem.md trap 15). `ringLow`/`ringHigh`: its seq as two words, for comparing frames. */
  ring: RingId;
  ringLow = 0;
  ringHigh = 0;
  /** Highest ring seq seen in any JOIN or used by this node. */
  ringSeqMax: number;
  readonly pastRings = new PastRings();

  aru = 0;
  high = 0;
  highDelivered = 0;
  released = 0;
  /** aru of the previous valid token, as received (totem.md trap 36). */
  lastAru = 0;
  myTokenSeq = 0xffffffff;
  lastSeq = 0;
  /** Token visits since the last new seq. */
  unchanged = 0;
  held = false;
  /** The token is here, decoded in `token`, and waits for messages of this node; OPERATIONAL only. */
  tokenWaits = false;
  /** Highest message number of the token as this node passed it on last. */
  passedSeq = 0;
  /** Drop every ORF token: true from GATHER until RECOVERY. */
  discardOrf = false;
  /** OPERATIONAL, and the token has not come round since: other members may still be in RECOVERY. False in a ring of one. */
  settling = false;
  /** The representative has sent the initial ORF token. */
  originated = false;
  aruCount = 0;
  thisSeqno = 0;
  waitingTransAck = true;
  tokenTarget = 0;
  pauseRecordMs: number;
  /** In GATHER: the consensus timeout is over by then, however long this process was held up. */
  consensusUntilMs = 0;
  /** The udp transport is reading ahead of a token (totem.md 6.3). */
  draining = false;
  left = false;

  regular: SortQueue;
  readonly newQueue: SendQueue;
  readonly transQueue: SendQueue;

  /** Scratch objects of the decoders. */
  readonly token = new OrfToken();
  readonly mergeDetect = new MergeDetect();
  readonly holdCancel = new HoldCancel();
  /** The last token sent or held, ORF or commit: offset and length. Two buffers in turn. */
  lastTokenOffset = 0;
  lastTokenBytes = 0;
  private readonly tokenBuffers: number;
  private tokenBuffer = 0;
  private readonly controlBuffers: number;
  private controlBuffer = 0;
  /** Slots that this event may have handed to the network; they are freed at the next event. */
  readonly limbo: number[] = [];

  constructor(options: SrpOptions, user: SrpUser) {
    assert(options.nodeId > 0, 'node id 0 means nobody');
    assert(options.netMtu > 200 && options.netMtu <= TOTEM_LIMITS.frameBytesMax, 'netmtu out of bounds');
    this.me = options.nodeId;
    this.memory = options.memory;
    this.network = options.network;
    this.observer = options.observer;
    this.random = options.random;
    this.user = user;
    this.timings = options.timings;
    this.mtu = totemMtu(options.netMtu);
    this.loss = new LossControl(this.mtu);
    this.statistics = new Statistics(options.statistics);
    this.passage = new Passage(this.statistics.histograms);
    this.origins = options.origins ?? null;
    this.nowMs = options.nowMs;
    this.pauseRecordMs = options.nowMs;
    this.tokenBuffers = options.regionOffset;
    this.controlBuffers = options.regionOffset + 2 * TOKEN_BUFFER_BYTES;
    this.pool = new FramePool(options.regionOffset + CONTROL_BYTES, options.regionBytes - CONTROL_BYTES);
    this.tiers = new MemoryTiers(this.pool);
    this.framesAheadMax = Math.trunc(this.pool.framesOf(options.netMtu) / 2);
    this.regular = new SortQueue(this.pool);
    this.recovery = new Recovery(this.pool);
    this.diskWait = new DiskWait(options.reservedRingSeq);
    this.newQueue = new SendQueue(this.mtu, this.passage.fillingSinceMs);
    this.transQueue = new SendQueue(this.mtu, this.passage.fillingSinceMs);
    // The +1 makes the pre-ring id unique, so that a restarted node is never taken for a survivor (totem.md 4.2).
    this.ring = { rep: this.me, seq: ringSeqAfter(options.storedRingSeq, 1) };
    this.ringSeqMax = this.ring.seq;
    this.setRing(this.ring);
  }

  setRing(ring: RingId): void {
    this.ring = ring;
    this.ringLow = ring.seq % 0x1_0000_0000;
    this.ringHigh = Math.floor(ring.seq / 0x1_0000_0000);
  }

  /** RECOVERY: the messages of the new ring are numbered from 1, and its token has not been here. */
  startNumbering(): void {
    this.aru = 0;
    this.high = 0;
    this.released = 0;
    this.aruCount = 0;
    this.unchanged = 0;
    this.myTokenSeq = 0xffffffff;
  }

  isRing(rep: number, seq: number): boolean {
    return rep === this.ring.rep && seq === this.ring.seq;
  }

  get isRep(): boolean {
    return this.ring.rep === this.me;
  }

  enter(state: SrpState): void {
    assert(LEGAL[this.state].includes(state), `illegal transition ${this.state} -> ${state}`);
    this.state = state;
  }

  /** The sort queue that the current state works on. */
  get active(): SortQueue {
    return this.state === 'recovery' ? this.recovery.queue : this.regular;
  }

  /** Where the next token is written, so that the last one stays intact until it is replaced. */
  nextTokenBuffer(): number {
    this.tokenBuffer ^= 1;
    return this.tokenBuffers + this.tokenBuffer * TOKEN_BUFFER_BYTES;
  }

  /** Where the next JOIN, MERGE_DETECT or HOLD_CANCEL is written; several may leave in one event. */
  nextControlBuffer(): number {
    this.controlBuffer = (this.controlBuffer + 1) % CONTROL_BUFFERS;
    return this.controlBuffers + this.controlBuffer * CONTROL_BUFFER_BYTES;
  }

  storeToken(offset: number, length: number): void {
    this.lastTokenOffset = offset;
    this.lastTokenBytes = length;
  }
}
