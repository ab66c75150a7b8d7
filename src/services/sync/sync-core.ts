import { assert } from '../../lib/assert.ts';
import { type ConfigurationChange, NO_RING, type RingId, ringIdEquals } from '../../lib/ring-id.ts';
import { SyncFn } from '../codec/ids.ts';
import {
  decodeSync,
  encodeBarrier,
  encodeServiceBuild,
  type SyncDropReason,
  type SyncMessage,
} from './sync-messages.ts';

/**
 * The barrier protocol (services.md 3): after every regular configuration change all members bring their services into
 * step, one service after the other. Pure: configuration changes and messages in, messages and hook calls out.
 *
 *            start                 all builds             process() done           all barriers
 *   idle ───────────> serviceBuild ─────────> process ─────────────> barrier ────────────────> activate ─┐
 *    ^                                           ^  └─ barriers of others are marked meanwhile            │
 *    │  after the last service                   └──────────── next service ─────────────────────────────┤
 *    └───────────────────────────────────────────────────────────────────────────────────────────────────┘
 *   Any configuration change in any phase aborts; the regular one starts anew.
 */
export type SyncPhase = 'idle' | 'serviceBuild' | 'process' | 'barrier';

/** What a process step came to: finished, to be called again (queue full), or finished later by `processDone`. */
export type SyncProgress = 'done' | 'again' | 'later';

/** A service that takes part, in this thread or behind a bridge. */
export interface SyncParticipant {
  readonly serviceId: number;
  init(transitional: readonly number[], members: readonly number[], ringId: RingId): void;
  process(): SyncProgress;
  activate(): void;
  abort(): void;
}

export interface SyncHost {
  /** Multicasts in group "sync"; the message is copied. `false`: no room, `retry` will try again. */
  mcastSync(message: Uint8Array): boolean;
  /** Sync has begun or ended; engines get TRY_AGAIN or are not served meanwhile (services.md 2.3). */
  inProgressChanged(inProgress: boolean): void;
  /**
   * The barrier of the last service was queued. What this node multicasts behind it could be delivered after the end of
   * the round, so nothing but sync messages may be queued until `completed` or the next configuration change.
   */
  lastBarrierQueued?(): void;
  /** The last barrier is through: Totem goes back to its normal queue, connections are allowed (services.md 3.4). */
  completed(ringId: RingId): void;
  /** For the record: a phase begins, of the service in hand (-1: none). `idle` ends a round that was not aborted. */
  entered?(phase: SyncPhase, serviceId: number): void;
  /** A round that was under way has ended without result. */
  aborted?(status: SyncStatus): void;
  /** A phase takes longer than `PHASE_REPORT_MS`; reported once a phase, then at doubling intervals. */
  late(status: SyncStatus): void;
  dropped(reason: SyncDropReason, nodeId: number): void;
}

export interface SyncStatus {
  readonly phase: SyncPhase;
  readonly ringId: RingId;
  /** The service being synchronised; -1 while the service list is built and when idle. */
  readonly serviceId: number;
  /** Members whose message of this phase has not arrived; the own node stands for a process step not finished here. */
  readonly waitingFor: readonly number[];
  readonly elapsedMs: number;
}

/** A phase normally takes one token rotation; only a quorum device may take longer (its sync timeout is 30 s). */
export const PHASE_REPORT_MS = 5000;

export class SyncCore {
  private phase: SyncPhase = 'idle';
  private ringId: RingId = NO_RING;
  private members: readonly number[] = [];
  private transitional: readonly number[] = [];
  private readonly received = new Set<number>();
  /** Service ids of this round, the others' included, ascending. */
  private list: number[] = [];
  private index = 0;
  private participants: SyncParticipant[] = [];
  private inProgress = true;
  /** Messages that found no room, in order. */
  private readonly unsent: Uint8Array[] = [];
  /** The process step of list[index] has to be called (again). */
  private processDue = false;
  /** Watched by `tick`: changes with every phase. */
  private phaseSerial = 0;
  private phaseSerialSeen = -1;
  private phaseStartMs = 0;
  private reportAtMs = 0;

  constructor(
    private readonly nodeId: number,
    private readonly host: SyncHost,
  ) {}

  /** Services are known before the first configuration change; removing one takes effect at once (unload). */
  add(participant: SyncParticipant): void {
    assert(!this.participants.some(({ serviceId }) => serviceId === participant.serviceId), 'service added twice');
    this.participants.push(participant);
    this.participants.sort((a, b) => a.serviceId - b.serviceId);
  }

  remove(serviceId: number): void {
    this.participants = this.participants.filter((participant) => participant.serviceId !== serviceId);
    if (this.processDue) this.step(); // it may have been the one in hand: an absent service is done at once
  }

  isInProgress(): boolean {
    return this.inProgress;
  }

  /** Totem has a new configuration: what was under way is aborted, and a regular one begins a round (services.md 3.2). */
  configurationChange(change: ConfigurationChange): void {
    const wasInProgress = this.inProgress;
    this.setInProgress(true);
    if (wasInProgress) this.abort();
    if (change.kind === 'transitional') this.transitional = change.members;
    else this.start(change);
  }

  /** A message of group "sync" in total order; the bytes are not trusted. */
  message(nodeId: number, memory: Uint8Array, offset: number, length: number): void {
    const decoded = decodeSync(memory, offset, length);
    const dropped = decoded.ok ? this.accept(nodeId, decoded.value) : decoded.reason;
    if (dropped !== null) this.host.dropped(dropped, nodeId);
  }

  private accept(nodeId: number, value: SyncMessage): SyncDropReason | null {
    // Barriers and builds of aborted rounds arrive in later ones (services.md 3.5): compare all of the ring id.
    const current = this.phase !== 'idle' && ringIdEquals(value.ringId, this.ringId) && this.members.includes(nodeId);
    if (!current) return 'foreignRing';

    if (value.id === SyncFn.BARRIER) {
      // Cannot be, the order being total, unless somebody forges: builds precede barriers, mine comes after I sent it.
      const early = this.phase === 'serviceBuild' || (nodeId === this.nodeId && this.phase !== 'barrier');
      if (early) return 'early';
      this.received.add(nodeId);
      if (this.allReceived()) this.barrierReached();
      return null;
    }
    if (this.phase !== 'serviceBuild') return 'late';
    for (const id of value.services) if (!this.list.includes(id)) this.list.push(id);
    this.received.add(nodeId);
    if (this.allReceived()) {
      this.list.sort((a, b) => a - b);
      this.enterProcess();
    }
    return null;
  }

  /** A participant whose process step was 'later' has sent everything. Responses of earlier rounds are ignored. */
  processDone(serviceId: number, ringId: RingId): void {
    if (this.phase !== 'process' || this.processDue || !ringIdEquals(ringId, this.ringId)) return;
    if (this.list[this.index] !== serviceId) return;
    this.sendBarrier();
  }

  /** Call after every token visit while `isInProgress()`: room may have appeared. */
  retry(): void {
    if (!this.flushUnsent()) return;
    if (this.processDue) this.step();
  }

  /** Watches the phases; `nowMs` is monotonic. Call a few times a second while `isInProgress()`. */
  tick(nowMs: number): void {
    if (this.phaseSerialSeen !== this.phaseSerial) {
      this.phaseSerialSeen = this.phaseSerial;
      this.phaseStartMs = nowMs;
      this.reportAtMs = nowMs + PHASE_REPORT_MS;
    } else if (this.phase !== 'idle' && nowMs >= this.reportAtMs) {
      this.reportAtMs = nowMs + 2 * (nowMs - this.phaseStartMs);
      this.host.late(this.status(nowMs));
    }
  }

  status(nowMs: number): SyncStatus {
    return {
      phase: this.phase,
      ringId: this.ringId,
      serviceId: this.serviceInHand,
      waitingFor: this.phase === 'idle' ? [] : this.members.filter((nodeId) => !this.received.has(nodeId)),
      elapsedMs: this.phaseSerialSeen === this.phaseSerial ? nowMs - this.phaseStartMs : 0,
    };
  }

  private get serviceInHand(): number {
    return this.phase === 'process' || this.phase === 'barrier' ? this.list[this.index]! : -1;
  }

  /** services.md 3.3: the build leaves before the init hooks run. */
  private start(change: ConfigurationChange): void {
    this.ringId = change.ringId;
    this.members = change.members;
    this.received.clear();
    this.index = 0;
    this.list = this.participants.map(({ serviceId }) => serviceId);
    this.unsent.length = 0;
    this.enter('serviceBuild');
    this.send(encodeServiceBuild(this.ringId, this.list));
    this.transitional = this.transitional.filter((nodeId) => this.members.includes(nodeId));
    for (const participant of this.participants) participant.init(this.transitional, this.members, this.ringId);
  }

  private enterProcess(): void {
    this.received.clear();
    if (this.index >= this.list.length) {
      this.complete();
      return;
    }
    this.enter('process');
    this.processDue = true;
    this.step();
  }

  /** One try of the process phase of list[index]. */
  private step(): void {
    assert(this.phase === 'process' && this.processDue);
    const participant = this.current();
    const progress = participant === undefined ? 'done' : participant.process();
    if (progress === 'again') return;
    this.processDue = false;
    if (progress === 'done') this.sendBarrier();
  }

  private sendBarrier(): void {
    this.enter('barrier');
    this.send(encodeBarrier(this.ringId));
    if (this.index === this.list.length - 1) this.host.lastBarrierQueued?.();
  }

  private barrierReached(): void {
    // The own barrier is one of them, so the own process step is over.
    assert(this.phase === 'barrier' && !this.processDue, 'all barriers arrived before the own one was sent');
    this.current()?.activate();
    this.index++;
    this.enterProcess();
  }

  private complete(): void {
    this.enter('idle');
    this.setInProgress(false);
    this.host.completed(this.ringId);
  }

  /**
   * services.md 3.6, with the hook also called in the barrier phase as in the development branch of stock: what was
   * collected for a service must not survive into the next round.
   */
  private abort(): void {
    if (this.phase === 'process' || this.phase === 'barrier') this.current()?.abort();
    if (this.phase !== 'idle') this.host.aborted?.(this.status(this.phaseStartMs));
    this.processDue = false;
    this.unsent.length = 0;
    this.ringId = NO_RING;
    this.phase = 'idle';
    this.phaseSerial++;
  }

  private current(): SyncParticipant | undefined {
    const serviceId = this.list[this.index];
    return this.participants.find((participant) => participant.serviceId === serviceId);
  }

  private allReceived(): boolean {
    return this.members.every((nodeId) => this.received.has(nodeId));
  }

  private enter(phase: SyncPhase): void {
    this.phase = phase;
    this.phaseSerial++;
    this.host.entered?.(phase, this.serviceInHand);
  }

  private setInProgress(inProgress: boolean): void {
    if (this.inProgress === inProgress) return;
    this.inProgress = inProgress;
    this.host.inProgressChanged(inProgress);
  }

  private send(message: Uint8Array): void {
    if (this.unsent.length > 0 || !this.host.mcastSync(message)) this.unsent.push(message);
  }

  private flushUnsent(): boolean {
    while (this.unsent.length > 0) {
      if (!this.host.mcastSync(this.unsent[0]!)) return false;
      this.unsent.shift();
    }
    return true;
  }
}
