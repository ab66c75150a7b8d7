/** So long after the requests of another client clients count as several that send. */
const SHARED_MS = 1000;
const NOBODY = -1;

/** Whether several clients of a node send: what one of them has queued is then waited for by others. */
export class Sharing {
  private lastId = NOBODY;
  private untilMs = Number.NEGATIVE_INFINITY;

  /** Requests of this client were handled. */
  served(clientId: number, nowMs: number): void {
    if (clientId === this.lastId) return;
    if (this.lastId !== NOBODY) this.untilMs = nowMs + SHARED_MS;
    this.lastId = clientId;
  }

  holds(nowMs: number): boolean {
    return nowMs < this.untilMs;
  }
}
