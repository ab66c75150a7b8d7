/**
 * Holds back what happens until somebody is ready for it, then hands it over in order. The ring goes on while engines
 * start; its messages to them must neither be lost nor overtake each other.
 */
export class Gate {
  private waiting: (() => void)[] | null = [];

  get open(): boolean {
    return this.waiting === null;
  }

  run(action: () => void): void {
    if (this.waiting === null) action();
    else this.waiting.push(action);
  }

  release(): void {
    const actions = this.waiting ?? [];
    // Actions that come while the old ones run must not overtake them: they are appended to the list in hand.
    for (let at = 0; at < actions.length; at++) actions[at]!();
    this.waiting = null;
  }
}

/** A promise with its resolver outside, for responses that come as messages. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (error: Error) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** Resolves `false` when the promise takes longer than `waitMs`. */
export async function settlesWithin(waitMs: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), waitMs);
  });
  try {
    return await Promise.race([promise.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
