/**
 * A share of each turn of the event loop. Whoever may have much to do in this thread does it until the share is over, and the rest `later`, so that
 * timers and sockets get their turns, however many of its kind there are:
 *
 *   while (there is something) {
 *     if (share.isOver()) return share.later(goOn);
 *     do some of it;
 *   }
 *
 * What was put off goes on in the order in which it was, each with the share that those before it left; nobody is left out for good.
 */
export class TurnShare {
  private endMs = Number.NEGATIVE_INFINITY;
  private scheduled = false;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly shareMs: number) {}

  /** Whether this turn's share is used up. The first look in a turn begins it. */
  isOver(): boolean {
    const nowMs = performance.now();
    if (this.endMs > Number.NEGATIVE_INFINITY) return nowMs >= this.endMs;
    this.endMs = nowMs + this.shareMs;
    this.schedule();
    return false;
  }

  /** Calls back in a later turn. */
  later(goOn: () => void): void {
    this.waiting.push(goOn);
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.turn);
  }

  private readonly turn = (): void => {
    this.scheduled = false;
    this.endMs = Number.NEGATIVE_INFINITY;
    for (let left = this.waiting.length; left > 0 && !this.isOver(); left--) this.waiting.shift()!();
    if (this.waiting.length > 0) this.schedule();
  };
}
