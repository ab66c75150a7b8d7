import { NO_RING, type RingId, ringIdEquals } from '../../lib/ring-id.ts';
import type { SyncStep } from '../../lib/sync-step.ts';
import type { EngineTimer } from '../engine.ts';
import type { LoadedEngine } from './loaded-engine.ts';
import type { HostPorts } from './ports.ts';

/** How often an unfinished process phase is tried again when nothing else happens to its engine. */
const RETRY_MS = 5;

/**
 * The engines' part in the barrier protocol (services.md 3). The protocol itself runs where the ring is; from there come
 * `init`, `process`, `activate` and `abort`, in the order of the ring, and "done" is sent back for each process phase.
 */
export class SyncParticipation {
  private ringId: RingId = NO_RING;
  private pending: LoadedEngine | null = null;
  private retry: EngineTimer | null = null;

  constructor(
    private readonly ports: HostPorts,
    private readonly engineOf: (serviceId: number) => LoadedEngine | undefined,
  ) {}

  /** A step that the ring thread, or a test, asks for. */
  take(step: SyncStep): void {
    switch (step.kind) {
      case 'init':
        this.init(step.serviceIds, step.transitional, step.members, step.ringId);
        break;
      case 'process':
        this.process(step.serviceId, step.ringId);
        break;
      case 'activate':
        this.activate(step.serviceId);
        break;
      case 'abort':
        this.abort(step.serviceId);
        break;
    }
  }

  private init(
    serviceIds: readonly number[],
    transitional: readonly number[],
    members: readonly number[],
    ringId: RingId,
  ): void {
    this.cancel();
    this.ringId = ringId;
    for (const serviceId of [...serviceIds].sort((a, b) => a - b)) {
      const loaded = this.engineOf(serviceId);
      loaded?.guard(undefined, () => loaded.service.sync?.init(transitional, members, ringId));
    }
  }

  /** Starts the process phase of one engine. One that is not here, or failed, is done at once. */
  private process(serviceId: number, ringId: RingId): void {
    this.cancel();
    if (!ringIdEquals(ringId, this.ringId)) return; // of a round that a newer configuration has ended already
    const loaded = this.engineOf(serviceId);
    if (loaded === undefined) this.ports.syncDone(serviceId, ringId);
    else {
      this.pending = loaded;
      this.step();
    }
  }

  /** Tries the pending process phase, if it is this engine's: something happened to it. */
  kick(loaded: LoadedEngine): void {
    if (this.pending === loaded) this.step();
  }

  private activate(serviceId: number): void {
    const loaded = this.engineOf(serviceId);
    loaded?.guard(undefined, () => loaded.service.sync?.activate());
  }

  private abort(serviceId: number): void {
    this.cancel();
    this.ringId = NO_RING;
    const loaded = this.engineOf(serviceId);
    loaded?.guard(undefined, () => loaded.service.sync?.abort());
  }

  private step(): void {
    const loaded = this.pending;
    if (loaded === null) return;
    this.retry?.cancel();
    this.retry = null;
    this.pending = null; // the engine's own calls must not come back here
    const finished = loaded.guard(true, () => loaded.service.sync?.process() ?? true);
    if (finished) this.ports.syncDone(loaded.engine.serviceId, this.ringId);
    else {
      this.pending = loaded;
      this.retry = this.ports.setTimer(RETRY_MS, () => this.step());
    }
  }

  private cancel(): void {
    this.pending = null;
    this.retry?.cancel();
    this.retry = null;
  }
}
