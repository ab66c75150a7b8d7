import type { CipherName, CryptoProvider, CryptoSuite, HashName, PacketBatch } from '../../../knet/crypto.ts';
import type { TxQueue } from '../../../knet/tx-queue.ts';
import { assert } from '../../../lib/assert.ts';
import { JOBS, JobKind, type TransmitJob, type TransmitShared } from './shared.ts';

/** So few packets, a token, a PING, are sealed and sent at once by the ring thread when nothing is under way: waking another takes longer. */
const HERE_PACKETS = 2;

export interface LanesPorts {
  /** So many packets were sealed in so many nanoseconds together. */
  sealed(packets: number, ns: number): void;
  /** A queue was handed over; one was kept; one was waited for. */
  count(what: 'handedOver' | 'kept' | 'waited'): void;
}

/** The ring thread's end of its transmit threads: what it fills they seal and send. */
export class TransmitLanes {
  private posted = 0;
  private noted = 0;
  private filling = 0;
  private suites = 0;
  /** By queue: the number of the job after the one that it was handed over with. */
  private readonly free: Int32Array;
  /** By job, modulo JOBS: its packets, when they are sealed. */
  private readonly packets = new Int32Array(JOBS);
  private readonly job: TransmitJob = { kind: 0, queue: 0, packets: 0, runs: 0, suite: 0 };

  constructor(
    private readonly shared: TransmitShared,
    private readonly queues: readonly TxQueue[],
    private readonly ports: LanesPorts,
  ) {
    assert(queues.length > shared.threads, 'a queue for each thread, and one to fill');
    this.free = new Int32Array(queues.length);
  }

  /** As `KnetEffects.handOver`. */
  handOver(queue: TxQueue, suite: CryptoSuite | null): TxQueue | null {
    assert(queue === this.queues[this.filling], 'the queue that is being filled');
    if (this.shared.hasFailed) return null; // the ring thread ends as soon as it hears of it
    const done = this.note();
    if (done === this.posted && queue.packetCount <= HERE_PACKETS) {
      this.ports.count('kept');
      return null;
    }
    const id = suite instanceof LaneSuite ? suite.id : 0;
    this.post(JobKind.SEND, this.filling, queue.packetCount, queue.runs, id);
    this.free[this.filling] = this.posted;
    this.ports.count('handedOver');
    this.filling = (this.filling + 1) % this.queues.length;
    const due = this.free[this.filling]!;
    if (((this.shared.done - due) | 0) < 0) {
      this.ports.count('waited');
      this.await(due);
    }
    return this.queues[this.filling]!;
  }

  /** Until everything that was handed over has left: before links, sockets or keys change. */
  settle(): void {
    if (!this.shared.hasFailed) this.await(this.posted);
    this.note();
  }

  private await(job: number): void {
    if (!this.shared.awaitDone(job)) throw new Error('a transmit thread has failed');
  }

  private post(kind: number, queue: number, packets: number, runs: number, suite: number): void {
    const { job } = this;
    job.kind = kind;
    job.queue = queue;
    job.packets = packets;
    job.runs = runs;
    job.suite = suite;
    this.packets[this.posted & (JOBS - 1)] = kind === JobKind.SEND && suite !== 0 ? packets : 0;
    this.shared.post(this.posted, job);
    this.posted = (this.posted + 1) | 0;
  }

  /** Takes down what sealing took; returns the number of jobs done. */
  note(): number {
    const { done } = this.shared;
    for (; this.noted !== done; this.noted = (this.noted + 1) | 0) {
      const packets = this.packets[this.noted & (JOBS - 1)]!;
      if (packets > 0) this.ports.sealed(packets, this.shared.nanosecondsOf(this.noted));
    }
    return done;
  }

  /** The same for each thread: that many jobs in a row are one for each. */
  private all(kind: number, suite: number): void {
    this.settle();
    if (this.shared.hasFailed) return;
    for (let thread = 0; thread < this.shared.threads; thread++) this.post(kind, 0, 0, 0, suite);
    this.settle();
  }

  load(cipher: CipherName, hash: HashName, key: Uint8Array): number {
    this.settle();
    const suite = ++this.suites;
    this.shared.putKey(cipher, hash, key);
    try {
      this.all(JobKind.LOAD, suite);
    } finally {
      this.shared.wipeKey();
    }
    return suite;
  }

  forget(suite: number): void {
    this.all(JobKind.FORGET, suite);
  }

  /** The threads end, and leave the sockets alone. */
  stop(): void {
    this.all(JobKind.STOP, 0);
    if (this.shared.hasFailed) this.shared.awaitEnds();
  }
}

/** A suite that the transmit threads have loaded, too. */
export class LaneSuite implements CryptoSuite {
  readonly name: string;
  readonly engine: string;
  readonly saltBytes: number;
  readonly blockBytes: number;
  readonly digestBytes: number;

  constructor(
    private readonly here: CryptoSuite,
    private readonly lanes: TransmitLanes,
    /** Its number among the threads. */
    readonly id: number,
  ) {
    this.name = here.name;
    this.engine = here.engine;
    this.saltBytes = here.saltBytes;
    this.blockBytes = here.blockBytes;
    this.digestBytes = here.digestBytes;
  }

  seal(batch: PacketBatch, first: number, count: number): void {
    this.here.seal(batch, first, count);
  }

  open(batch: PacketBatch, first: number, count: number, scratchDelta: number): void {
    this.here.open(batch, first, count, scratchDelta);
  }

  wipe(): void {
    this.lanes.forget(this.id);
    this.here.wipe();
  }
}

/** Loads what it is asked for here and in the transmit threads. */
export class LaneProvider implements CryptoProvider {
  readonly memory;

  constructor(
    private readonly here: CryptoProvider,
    private readonly lanes: TransmitLanes,
  ) {
    this.memory = here.memory;
  }

  load(cipher: CipherName, hash: HashName, key: Uint8Array): CryptoSuite {
    const suite = this.here.load(cipher, hash, key);
    return new LaneSuite(suite, this.lanes, this.lanes.load(cipher, hash, key));
  }
}
