import type { Clock } from '../../client/clock.ts';

/** Signs of life in a lease. */
const BEATS = 4;
/** Others wait longer than a holder: their clocks may run faster than its own. */
export const WAIT_FACTOR = 1.25;

interface LifeHooks {
  /** Resolves when this member has reached the others, however long that takes. */
  barrier(): Promise<void>;
  /** Whether there is anything that depends on being heard. */
  needed(): boolean;
  /** The others were not reached for the time of a lease. */
  silent(): void;
}

/** Whether the others have heard of this member within the time of a lease, by this member's clock alone. */
export class SignsOfLife {
  /** The others are known to have heard of this member since then. */
  private heardMs = Number.NEGATIVE_INFINITY;
  private beating = false;
  private timer = { cancel: (): void => {} };

  constructor(
    private readonly clock: Clock,
    private readonly leaseMs: number,
    private readonly hooks: LifeHooks,
  ) {}

  /** Something that was sent then has been agreed on. */
  heard(startedMs: number): void {
    this.heardMs = Math.max(this.heardMs, startedMs);
    this.timer.cancel();
    const leftMs = Math.max(0, this.heardMs + this.leaseMs - this.clock.nowMs());
    this.timer = this.clock.setTimer(leftMs, () => this.hooks.silent());
  }

  async beat(): Promise<void> {
    const startedMs = this.clock.nowMs();
    await this.hooks.barrier();
    this.heard(startedMs);
  }

  /** Signs follow as long as they are needed. */
  keep(): void {
    if (this.beating) return;
    this.beating = true;
    this.clock.setTimer(this.leaseMs / BEATS, () => {
      const beat = this.hooks.needed() ? this.beat() : Promise.resolve();
      beat
        .then(() => {
          this.beating = false;
          if (this.hooks.needed()) this.keep();
          else this.stop();
        })
        .catch(() => this.hooks.silent());
    });
  }

  stop(): void {
    this.timer.cancel();
  }
}
