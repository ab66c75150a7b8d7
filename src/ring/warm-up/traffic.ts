import type { Machine } from './machine.ts';

/** While messages come, they teach the compiler what the warm-up would, and nothing is to be in their way; a client's next one mostly comes at once. */
const QUIET_MS = 10;
/** Slices that had to wait for so long because a client never pauses longer have its short pauses. */
const PATIENCE_MS = 1000;
const SHORT_QUIET_MS = 2;
/** More show a load that goes on, which is to have its code compiled. */
const HELD_MESSAGES_MAX = 1000;
const MESSAGES_MAX = 2000;

/**
 * The messages of the real ring while the warm-up goes on. It leaves functions behind that are about to be optimised, milliseconds each: the first two
 * hundred messages would find most of them, one after the other. So nothing is optimised while messages come, until it is seen that they do not end.
 */
export class Traffic {
  private first = -1;
  private messages = 0;
  private cameMs = Number.NEGATIVE_INFINITY;
  private practisedMs = Number.NEGATIVE_INFINITY;
  private held = false;

  constructor(private readonly machine: Pick<Machine, 'holdOptimizer'>) {}

  /** @param messages that the real ring has handled so far */
  look(nowMs: number, messages: number): void {
    if (this.first < 0) {
      this.first = messages;
      this.practisedMs = nowMs;
    } else if (messages !== this.messages) this.cameMs = nowMs;
    this.messages = messages;
    this.hold(nowMs < this.quietMs && this.count < HELD_MESSAGES_MAX);
  }

  practised(nowMs: number): void {
    this.practisedMs = nowMs;
  }

  /** When it will have been quiet for long enough. */
  get quietMs(): number {
    return this.cameMs + (this.cameMs - this.practisedMs >= PATIENCE_MS ? SHORT_QUIET_MS : QUIET_MS);
  }

  get isMuch(): boolean {
    return this.count > MESSAGES_MAX;
  }

  end(): void {
    this.hold(false);
  }

  private get count(): number {
    return this.messages - this.first;
  }

  private hold(hold: boolean): void {
    if (hold !== this.held) this.machine.holdOptimizer(hold);
    this.held = hold;
  }
}
