/** Events in order, for a reader that waits for them one by one. */
export class Arrivals<T> {
  private readonly events: T[] = [];
  private waiting: ((event: T | null) => void) | null = null;
  private ended = false;

  push(event: T): void {
    if (this.waiting === null) this.events.push(event);
    else this.resolve(event);
  }

  /** No more come. */
  end(): void {
    this.ended = true;
    if (this.waiting !== null) this.resolve(null);
  }

  /** The next event; `null` after the end. */
  next(): Promise<T | null> {
    const event = this.events.shift();
    if (event !== undefined || this.ended) return Promise.resolve(event ?? null);
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }

  private resolve(event: T | null): void {
    const { waiting } = this;
    this.waiting = null;
    waiting?.(event);
  }
}
