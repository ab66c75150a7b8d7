import type { TotemObserver, TotemReport } from '../totem/index.ts';
import type { StatCounter } from '../transport/transport.ts';

/** What a change of the membership goes through; `sync` is that of the services. */
export const CHANGE_PHASES = ['gather', 'commit', 'recovery', 'sync'] as const;
export type ChangePhase = (typeof CHANGE_PHASES)[number];

/** Key of the duration of a phase in the last change, in microseconds. */
export const phaseKey = (phase: ChangePhase): string => `rondo.membership.${phase}_us`;
/** Key of the wall-clock time at which the services were synchronised, in milliseconds. */
export const CHANGED_AT_KEY = 'rondo.membership.changed_at_ms';

/**
 * Measures the phases of a change of the membership, from the first GATHER until the services are synchronised. An attempt that is given up
 * counts to the change that it belongs to. The durations of the last whole change lie in the shared statistics.
 */
export class PhaseTimes implements TotemObserver {
  private readonly counters: ReadonlyMap<ChangePhase, StatCounter>;
  private readonly changedAt: StatCounter;
  private readonly spentMs: Record<ChangePhase, number> = { gather: 0, commit: 0, recovery: 0, sync: 0 };
  private phase: ChangePhase | null = null;
  private sinceMs = 0;

  constructor(
    private readonly inner: TotemObserver,
    counter: (name: string) => StatCounter,
    private readonly nowMs: () => number,
    private readonly wallMs: () => number,
  ) {
    this.counters = new Map(CHANGE_PHASES.map((phase) => [phase, counter(phaseKey(phase))]));
    this.changedAt = counter(CHANGED_AT_KEY);
  }

  report(event: TotemReport): void {
    if (event.kind === 'gather' || event.kind === 'commit' || event.kind === 'recovery') this.enter(event.kind);
    else if (event.kind === 'operational') this.enter('sync');
    this.inner.report(event);
  }

  /** The services are synchronised: the change is whole. */
  completed(): void {
    if (this.phase !== 'sync') return;
    this.spend();
    this.phase = null;
    for (const [phase, { values, slot }] of this.counters) {
      values[slot] = Math.round(this.spentMs[phase] * 1000);
      this.spentMs[phase] = 0;
    }
    this.changedAt.values[this.changedAt.slot] = this.wallMs();
  }

  private enter(phase: ChangePhase): void {
    this.spend();
    this.phase = phase;
  }

  private spend(): void {
    const nowMs = this.nowMs();
    if (this.phase !== null) this.spentMs[this.phase] += Math.max(0, nowMs - this.sinceMs);
    this.sinceMs = nowMs;
  }
}
