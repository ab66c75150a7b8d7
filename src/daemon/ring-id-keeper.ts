import type { LogFunction } from '../lib/log.ts';
import { RING_SEQ_MAX, ringSeqNewer } from '../lib/ring-seq.ts';
import { RingIdRequests } from './ring-id-requests.ts';
import type { RingIdStore } from './ring-id-store.ts';

/** How often it is looked whether the state directory still takes files. */
const PROBE_MS = 30_000;
/** How often a block that could not be stored is tried again. */
const RETRY_MS = 5_000;
/** How often the trouble is logged while it lasts. */
const REPORT_MS = 60_000;
/** A formed ring advances the sequence by four (totem.md 4.8). */
const SEQ_PER_RING = 4;

export interface RingIdKeeperPorts {
  readonly log: LogFunction;
  /** Numbers up to `upTo` are on disk. */
  reserved(upTo: number): void;
  /** The ring needs a number and none can be stored: the node cannot go on, as stock's cannot. */
  failed(error: unknown): void;
}

/**
 * Keeps ring sequence numbers reserved on disk while the node runs. A directory that cannot be written is no harm while there are numbers
 * left, so the node goes on; but it is logged at once and every minute, not when they are used up.
 */
export class RingIdKeeper {
  private readonly requests = new RingIdRequests((upTo) => this.attempt(upTo));
  private wanted = 0;
  private highest = 0;
  private trouble: unknown = null;
  private reportedMs = Number.NEGATIVE_INFINITY;
  private timer: NodeJS.Timeout | null = null;
  private probes: NodeJS.Timeout | null = null;

  constructor(
    private readonly store: Pick<RingIdStore, 'reserve' | 'reserved' | 'probe'>,
    private readonly ports: RingIdKeeperPorts,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** From now on it is looked now and then whether the directory takes files. */
  start(): void {
    this.probes ??= setInterval(() => this.probe(), PROBE_MS).unref();
  }

  /** The ring thread wants numbers up to `upTo`. */
  ask(upTo: number): void {
    if (this.wanted === 0 || ringSeqNewer(upTo, this.wanted)) this.wanted = upTo;
    this.requests.ask(upTo);
  }

  /** A ring formed: as stock writes its file then, the directory must take one now. */
  formed(seq: number): void {
    this.highest = seq;
    this.probe();
  }

  /** The ring cannot form for want of a number on disk. */
  missing(): void {
    if (this.trouble === null) return; // it is on its way
    this.attempt(this.wanted);
    if (this.trouble !== null && this.isShort()) this.ports.failed(this.trouble);
  }

  stop(): void {
    if (this.probes !== null) clearInterval(this.probes);
    this.probes = null;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  /** Looks whether the directory takes a file; called by a timer, too. */
  probe(): void {
    if (this.trouble !== null && this.isShort()) this.attempt(this.wanted);
    else this.guard(() => this.store.probe());
  }

  /** A block was asked for and is not stored. */
  private isShort(): boolean {
    return ringSeqNewer(this.wanted, this.store.reserved);
  }

  private attempt(upTo: number): void {
    this.guard(() => this.ports.reserved(this.store.reserve(upTo)));
  }

  private guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.failing(error);
      return;
    }
    if (this.trouble === null) return;
    this.trouble = null;
    this.reportedMs = Number.NEGATIVE_INFINITY;
    this.ports.log('notice', 'MAIN', 'The ring id can be stored again');
  }

  private failing(error: unknown): void {
    this.trouble = error;
    if (this.nowMs() - this.reportedMs >= REPORT_MS) {
      this.reportedMs = this.nowMs();
      const rings = Math.floor(((this.store.reserved - this.highest + RING_SEQ_MAX) % RING_SEQ_MAX) / SEQ_PER_RING);
      const left = `${rings} more rings can form, then this node ends. Make room, or make the directory writable`;
      this.ports.log('error', 'MAIN', `${error instanceof Error ? error.message : String(error)}: ${left}`, 'ring id');
    }
    if (this.timer !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.probe();
    }, RETRY_MS);
    this.timer.unref();
  }
}
