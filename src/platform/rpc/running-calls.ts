/** Handlers that run at a time for all callers, and for one of them. */
const RUNNING_MAX = 1_000;
const RUNNING_OF_ONE_MAX = 500;

interface Running {
  readonly caller: string;
  readonly controller: AbortController;
}

/** The calls that this program's handler works on. */
export class RunningCalls {
  private readonly running = new Map<string, Running>();
  private readonly counts = new Map<string, number>();

  /** `null`: too many. */
  begin(caller: string, key: string): AbortController | null {
    const count = this.counts.get(caller) ?? 0;
    if (this.running.size >= RUNNING_MAX || count >= RUNNING_OF_ONE_MAX || this.running.has(key)) return null;
    const controller = new AbortController();
    this.running.set(key, { caller, controller });
    this.counts.set(caller, count + 1);
    return controller;
  }

  /** `false`: its caller does not wait for it any more. */
  end(key: string): boolean {
    const running = this.running.get(key);
    if (running === undefined) return false;
    this.running.delete(key);
    const left = this.counts.get(running.caller)! - 1;
    if (left > 0) this.counts.set(running.caller, left);
    else this.counts.delete(running.caller);
    return true;
  }

  cancel(key: string, reason: Error): void {
    const controller = this.running.get(key)?.controller;
    this.end(key);
    controller?.abort(reason);
  }

  /** Of callers that are not there any more. */
  cancelAbsent(present: (caller: string) => boolean, reason: Error): void {
    for (const [key, { caller }] of [...this.running]) if (!present(caller)) this.cancel(key, reason);
  }
}
