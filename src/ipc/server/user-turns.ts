/** What a user's clients have caused and is not done yet. */
type Work = () => void;

/**
 * Work that users cause, done on libuv's thread in turns: one piece of each user after the other, as long as a turn of the loop has time for
 * it. So a thousand connections of one user, at work or ending at once, hold up nobody else for longer than that.
 */
export class UserTurns {
  private readonly waiting = new Map<number, Work[]>();
  /** Added while the turn runs: for the next one. */
  private readonly added = new Map<number, Work[]>();
  private running = false;
  private scheduled = false;
  private endMs = 0;

  /** @param turnMs time for it in one turn of the loop */
  constructor(private readonly turnMs: number) {}

  add(uid: number, work: Work): void {
    append(this.running ? this.added : this.waiting, uid, work);
    this.schedule();
  }

  /** How much of a user waits. */
  waitingOf(uid: number): number {
    return (this.waiting.get(uid)?.length ?? 0) + (this.added.get(uid)?.length ?? 0);
  }

  /** The time of this turn is over: work that has parts leaves the rest for the next one. */
  get over(): boolean {
    return performance.now() >= this.endMs;
  }

  /** Everything that waits, now. */
  finish(): void {
    for (const queues of [this.waiting, this.added]) {
      for (const queue of queues.values()) for (const work of queue) work();
      queues.clear();
    }
  }

  private schedule(): void {
    if (this.scheduled || this.running) return;
    this.scheduled = true;
    setImmediate(this.turn);
  }

  private readonly turn = (): void => {
    this.scheduled = false;
    this.running = true;
    this.endMs = performance.now() + this.turnMs;
    for (const [uid, queue] of this.waiting) {
      this.waiting.delete(uid);
      const work = queue.shift();
      if (queue.length > 0) this.waiting.set(uid, queue); // behind the others
      work?.();
      if (this.over) break;
    }
    this.running = false;
    for (const [uid, queue] of this.added) for (const work of queue) append(this.waiting, uid, work);
    this.added.clear();
    if (this.waiting.size > 0) this.schedule();
  };
}

function append(queues: Map<number, Work[]>, uid: number, work: Work): void {
  const queue = queues.get(uid);
  if (queue === undefined) queues.set(uid, [work]);
  else queue.push(work);
}
