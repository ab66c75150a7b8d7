import type { EngineTimer, MainEngineContext } from '../engine.ts';

const DEFAULT_PERIOD_MS = 6000;
const PERIOD_MS_MIN = 500;
const PERIOD_MS_MAX = 120_000;
const FIRST_CHECK_MS_MIN = 6000;

/** What is done when the resource fails; `watchdog` and `quit` let the watchdog bite. */
export type RecoveryAction = string;

export interface ResourcePorts {
  monotonicNs(): bigint;
  failed(recovery: RecoveryAction): void;
}

/** One group of keys `resources.<type>.<name>.` that is checked (services.md 10.3). */
export class WatchedResource {
  private timer: EngineTimer | null = null;
  private periodMs = DEFAULT_PERIOD_MS;
  private failed = false;
  private warned = false;
  /** The period is not one that somebody set: it is removed with the resource, or who makes and removes resources would fill the map. */
  private wrotePeriod = false;

  constructor(
    private readonly context: MainEngineContext,
    private readonly path: string,
    private readonly name: string,
    private readonly ports: ResourcePorts,
  ) {}

  /** Starts or stops checking as the keys say. `false`: it is not monitored. */
  configure(): boolean {
    const { cmap } = this.context;
    const state = cmap.getString(`${this.path}state`);
    if (this.recovery() === null) {
      if (!this.warned)
        this.context.log('warning', 'WD', `resource ${this.name} missing a recovery key.`, 'recovery key');
      this.warned = true;
      this.stop();
      return false;
    }
    this.readPeriod();
    if (state === 'stopped' || state === null) this.stop();
    else if (this.timer === null && !this.failed) {
      this.schedule(Math.max(2 * this.periodMs, FIRST_CHECK_MS_MIN));
    } else if (this.failed && state !== 'failed') {
      this.failed = false;
      this.schedule(Math.max(2 * this.periodMs, FIRST_CHECK_MS_MIN));
    }
    return true;
  }

  private recovery(): RecoveryAction | null {
    return this.context.cmap.getString(`${this.path}recovery`);
  }

  private readPeriod(): void {
    const { cmap } = this.context;
    const key = `${this.path}poll_period`;
    const wanted = cmap.getU64(key);
    if (wanted === null) {
      if (cmap.has(key)) return;
      cmap.setU64(key, DEFAULT_PERIOD_MS);
      this.wrotePeriod = true;
      return;
    }
    const ms = Number(wanted);
    if (ms >= PERIOD_MS_MIN && ms <= PERIOD_MS_MAX) this.periodMs = ms;
    else this.context.log('warning', 'WD', `poll_period ${wanted} of resource ${this.name} is invalid`, 'poll period');
  }

  private schedule(delayMs: number): void {
    this.timer?.cancel();
    this.timer = this.context.setTimer(delayMs, () => {
      this.timer = null;
      this.check();
    });
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = null;
  }

  /** Its keys are gone. */
  remove(): void {
    this.stop();
    if (this.wrotePeriod) this.context.cmap.delete(`${this.path}poll_period`);
  }

  private check(): void {
    const problem = this.problem();
    if (problem === null) {
      this.schedule(this.periodMs);
      return;
    }
    this.failed = true;
    const recovery = this.recovery() ?? 'none';
    this.context.log('crit', 'WD', `resource "${this.name}" failed: ${problem} (recovery: ${recovery})`, 'failed');
    this.ports.failed(recovery);
  }

  private problem(): string | null {
    const { cmap } = this.context;
    const updatedNs = cmap.getU64(`${this.path}last_updated`);
    const state = cmap.getString(`${this.path}state`);
    if (updatedNs === null) return 'last_updated is missing';
    if (state === null) return 'state is missing';
    if (state === 'disabled' || state === 'failed') return `state is ${state}`;
    if (updatedNs === 0n) return null;
    const ageMs = Number(this.ports.monotonicNs() - updatedNs) / 1e6;
    return ageMs > this.periodMs * 1.5 ? `not updated for ${Math.round(ageMs)} ms` : null;
  }
}
