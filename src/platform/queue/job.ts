import { checkedInteger } from '../../client/arguments.ts';
import type { Clock } from '../../client/clock.ts';
import { MachineError } from '../errors.ts';
import type { SubmitOptions } from '../replicated/replicated.ts';

interface Rejection {
  readonly reason: string;
}

interface JobHooks {
  /** `false`: it is not this worker's any more. */
  submit(op: 'confirm' | 'extend' | Rejection, visibilityMs: number, options: SubmitOptions): Promise<boolean>;
  /** Resolves also when that is not agreed on in time. */
  release(): Promise<void>;
  over(): void;
}

const VISIBILITY_MS_MIN = 10;
const VISIBILITY_MS_MAX = 86_400_000;

export const checkedVisibility = (ms: number): number =>
  checkedInteger(ms, 'visibilityMs', VISIBILITY_MS_MIN, VISIBILITY_MS_MAX);

/** A job that this worker has, and nobody else, until its time is over. */
export class Job<T> {
  private readonly controller = new AbortController();
  private untilMs = 0;
  private timer = { cancel: (): void => {} };

  constructor(
    /** Its place in the queue; grows from job to job. */
    readonly id: number,
    readonly value: T,
    /** 1 when it is given to a worker for the first time. */
    readonly attempt: number,
    private readonly clock: Clock,
    private readonly visibilityMs: number,
    private readonly hooks: JobHooks,
  ) {}

  /** Fires when the job is not this worker's any more: before another one can have it, unless this process stalls. */
  get lost(): AbortSignal {
    return this.controller.signal;
  }

  /**
   * It is done, and leaves the queue.
   *
   * @throws MachineError RONDO_NOT_HELD: the time was over, another worker may do it again. As `Replicated.submit`: it may be confirmed, or be
   * done again.
   */
  confirm(options: SubmitOptions = {}): Promise<void> {
    return this.finish('confirm', options);
  }

  /** It failed: it is given again, at once and before later ones, or given up after `attemptsMax` attempts. */
  reject(reason = 'rejected', options: SubmitOptions = {}): Promise<void> {
    return this.finish({ reason: String(reason).slice(0, REASON_CHARS_MAX) }, options);
  }

  /** Back to the queue as if it had not been taken; others get it later if that cannot be agreed on within a second. */
  async release(): Promise<void> {
    if (this.controller.signal.aborted) return;
    const released = this.hooks.release();
    this.lose('it was released');
    await released.catch(() => {});
  }

  /** Its time begins again, from this call on. @param visibilityMs Default: as before. */
  async extend(visibilityMs = this.visibilityMs, options: SubmitOptions = {}): Promise<void> {
    checkedVisibility(visibilityMs);
    const startedMs = this.clock.nowMs();
    const isHeld = !this.controller.signal.aborted && (await this.hooks.submit('extend', visibilityMs, options));
    if (!isHeld || this.controller.signal.aborted) throw this.lose('its time was over');
    this.begin(startedMs, visibilityMs);
  }

  /** For `await using`: released, unless it is confirmed or rejected. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Of a request that was sent then and is granted. */
  begin(startedMs: number, visibilityMs: number): void {
    this.untilMs = startedMs + visibilityMs;
    this.timer.cancel();
    const leftMs = Math.max(0, this.untilMs - this.clock.nowMs());
    this.timer = this.clock.setTimer(leftMs, () => this.lose('its time is over'));
  }

  /** Ends here; what the others know of it is not changed. */
  lose(why: string): MachineError {
    const error = new MachineError('RONDO_NOT_HELD', `job ${this.id} is not this worker's: ${why}`);
    this.timer.cancel();
    if (!this.controller.signal.aborted) this.controller.abort(error);
    this.hooks.over();
    return error;
  }

  private async finish(op: 'confirm' | Rejection, options: SubmitOptions): Promise<void> {
    if (this.controller.signal.aborted) throw this.lose('it was finished, or its time was over');
    const done = this.hooks.submit(op, 0, options);
    this.lose('it was finished');
    if (!(await done)) throw this.lose('its time was over');
  }
}

const REASON_CHARS_MAX = 1000;
