import type { FlightLog } from '../observe/flight/index.ts';
import type { SyncPhase, SyncStatus } from '../services/sync/sync-core.ts';

/** What each phase of synchronization takes, as records. */
export class SyncFlight {
  private startMs = 0;
  private phaseMs = 0;
  private processMs = 0;
  /** The service whose barriers are awaited; -1: none. */
  private service = -1;

  constructor(
    private readonly flight: FlightLog,
    private readonly nowMs: () => number,
  ) {}

  entered(phase: SyncPhase, serviceId: number): void {
    const nowMs = this.nowMs();
    if (phase === 'serviceBuild') {
      this.startMs = nowMs;
      this.service = -1;
    } else if (phase === 'barrier') {
      this.processMs = nowMs - this.phaseMs;
      this.service = serviceId;
    } else if (this.service >= 0) {
      const { service, processMs } = this;
      this.service = -1;
      this.flight.write('synced', { service, processMs, barrierMs: nowMs - this.phaseMs });
    }
    this.phaseMs = nowMs;
    if (phase === 'idle') this.flight.write('syncDone', { totalMs: nowMs - this.startMs });
  }

  aborted({ serviceId, waitingFor }: SyncStatus): void {
    this.service = -1;
    this.flight.write('syncAborted', { service: serviceId, ms: this.nowMs() - this.startMs, waitingFor });
  }

  late({ serviceId, waitingFor, elapsedMs }: SyncStatus): void {
    this.flight.write('syncLate', { service: serviceId, ms: elapsedMs, waitingFor });
  }
}
