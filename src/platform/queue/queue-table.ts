export type QueueCommand =
  | { readonly op: 'put'; readonly value: Uint8Array; readonly jobsMax: number }
  | ({ readonly op: 'take'; readonly wait: boolean } & TakeTerms)
  /** The worker does not want what it asked for, whether it has it or waits for it. */
  | { readonly op: 'cancel'; readonly request: number }
  | { readonly op: 'confirm'; readonly request: number }
  | { readonly op: 'reject'; readonly request: number; readonly reason: string }
  | { readonly op: 'extend'; readonly request: number; readonly visibilityMs: number }
  /** The time that began at this place of the order is over. */
  | { readonly op: 'overdue'; readonly id: number; readonly term: number }
  /** The time of a worker that left at this place of the order is over. */
  | { readonly op: 'expire'; readonly life: string; readonly since: number };

interface TakeTerms {
  readonly request: number;
  readonly visibilityMs: number;
  readonly attemptsMax: number;
}

export interface JobHolder extends TakeTerms {
  readonly life: string;
  /** Place in the order at which its time began. */
  readonly term: number;
}

export interface QueuedJob {
  /** Place in the order of the whole queue. */
  readonly id: number;
  readonly value: Uint8Array;
  /** How often it was given to a worker. */
  readonly attempts: number;
  readonly holder: JobHolder | null;
}

/** A job that was given up. */
export interface DeadJob {
  readonly id: number;
  readonly value: Uint8Array;
  readonly attempts: number;
  readonly reason: string;
}

interface SavedQueue {
  readonly jobs: readonly QueuedJob[];
  readonly waiting: readonly (TakeTerms & { readonly life: string })[];
  readonly departed: readonly (readonly [string, number])[];
  readonly dead: readonly DeadJob[];
}

/** Of all jobs that are not confirmed. */
const VALUE_BYTES_MAX = 64 << 20;
/** Requests of workers that wait, of all programs. */
const WAITING_MAX = 100_000;
/** Jobs that were given up are kept; the oldest are forgotten. */
const DEAD_MAX = 1_000;

/** Jobs and their workers: what every member has. Pure: time is over when a command says so. */
export class QueueTable {
  /** In the order of their ids. */
  private jobs = new Map<number, QueuedJob>();
  /** Ids of those that nobody has, ascending. */
  private ready: number[] = [];
  private waiting: (TakeTerms & { readonly life: string })[] = [];
  /** Held jobs by worker and request. */
  private holders = new Map<string, number>();
  private departed = new Map<string, number>();
  private dead: DeadJob[] = [];
  private bytes = 0;
  /** Jobs whose holder or time has changed since `changes()`. */
  private changed = new Set<number>();

  /** `put`: the id, or -1: full. `take`: the id, 0: not now, -1: too many wait. Else 1: done, 0: not this worker's. */
  apply(command: QueueCommand, life: string, index: number): number {
    switch (command.op) {
      case 'put':
        return this.put(command.value, command.jobsMax, index);
      case 'take':
        return this.take(command, life, index);
      case 'cancel':
        this.waiting = this.waiting.filter((other) => other.life !== life || other.request !== command.request);
        return this.endAttempt(this.held(life, command.request), index, null);
      case 'confirm':
        return this.remove(this.held(life, command.request));
      case 'reject':
        return this.endAttempt(this.held(life, command.request), index, command.reason);
      case 'extend':
        return this.extend(this.held(life, command.request), command.visibilityMs, index);
      case 'overdue': {
        const job = this.jobs.get(command.id);
        return job?.holder?.term === command.term ? this.endAttempt(job, index, 'its time was over') : 0;
      }
      case 'expire':
        return this.departed.get(command.life) === command.since ? this.expire(command.life, index) : 0;
    }
  }

  /** Who waits is forgotten at once; who has a job keeps it until its time is over. */
  members(lives: ReadonlySet<string>, index: number): void {
    for (const life of [...this.departed.keys()]) if (lives.has(life)) this.departed.delete(life);
    this.waiting = this.waiting.filter(({ life }) => lives.has(life));
    for (const id of this.holders.values()) {
      const { life } = this.jobs.get(id)!.holder!;
      if (!lives.has(life) && !this.departed.has(life)) this.departed.set(life, index);
    }
  }

  get absent(): readonly (readonly [string, number])[] {
    return [...this.departed];
  }

  get size(): number {
    return this.jobs.size;
  }

  get readyCount(): number {
    return this.ready.length;
  }

  get deadJobs(): readonly DeadJob[] {
    return this.dead;
  }

  isWaiting(life: string, request: number): boolean {
    return this.waiting.some((other) => other.life === life && other.request === request);
  }

  held(life: string, request: number): QueuedJob | null {
    return this.jobs.get(this.holders.get(`${life}/${request}`) ?? -1) ?? null;
  }

  job(id: number): QueuedJob | null {
    return this.jobs.get(id) ?? null;
  }

  /** Jobs that have a holder. */
  heldJobs(): QueuedJob[] {
    return [...this.holders.values()].map((id) => this.jobs.get(id)!);
  }

  /** Ids of the jobs whose holder has changed since the last call. */
  changes(): number[] {
    const found = [...this.changed];
    this.changed.clear();
    return found;
  }

  save(): SavedQueue {
    const { waiting, dead } = this;
    return { jobs: [...this.jobs.values()], waiting, departed: [...this.departed], dead };
  }

  load(saved: unknown): void {
    const { jobs, waiting, departed, dead } = saved as SavedQueue;
    this.jobs = new Map(jobs.map((job) => [job.id, job]));
    this.ready = jobs.filter(({ holder }) => holder === null).map(({ id }) => id);
    const held = jobs.filter(({ holder }) => holder !== null);
    this.holders = new Map(held.map(({ id, holder }) => [keyOf(holder!), id]));
    this.waiting = [...waiting];
    this.departed = new Map(departed);
    this.dead = [...dead];
    this.bytes = jobs.reduce((sum, { value }) => sum + value.length, 0);
    this.changed.clear();
  }

  private put(value: Uint8Array, jobsMax: number, index: number): number {
    if (this.jobs.size >= jobsMax || this.bytes + value.length > VALUE_BYTES_MAX) return -1;
    this.bytes += value.length;
    this.jobs.set(index, { id: index, value, attempts: 0, holder: null });
    this.ready.push(index);
    this.give(index);
    return index;
  }

  private take(
    { request, visibilityMs, attemptsMax, wait }: TakeTerms & { wait: boolean },
    life: string,
    index: number,
  ) {
    if (this.waiting.length >= WAITING_MAX) return -1;
    if (!wait && (this.ready.length === 0 || this.waiting.length > 0)) return 0;
    this.waiting.push({ life, request, visibilityMs, attemptsMax });
    this.give(index);
    return this.held(life, request)?.id ?? 0;
  }

  /** The first jobs to those who have waited the longest. */
  private give(index: number): void {
    while (this.ready.length > 0 && this.waiting.length > 0) {
      const job = this.jobs.get(this.ready.shift()!)!;
      const holder = { ...this.waiting.shift()!, term: index };
      this.set({ ...job, attempts: job.attempts + 1, holder });
      this.holders.set(keyOf(holder), job.id);
    }
  }

  private set(job: QueuedJob): void {
    this.jobs.set(job.id, job);
    this.changed.add(job.id);
  }

  private remove(job: QueuedJob | null): number {
    if (job === null) return 0;
    this.jobs.delete(job.id);
    this.changed.add(job.id);
    if (job.holder !== null) this.holders.delete(keyOf(job.holder));
    this.bytes -= job.value.length;
    return 1;
  }

  private extend(job: QueuedJob | null, visibilityMs: number, index: number): number {
    if (job === null) return 0;
    this.set({ ...job, holder: { ...job.holder!, visibilityMs, term: index } });
    return 1;
  }

  /** Back to its place in the order, or given up. `reason` is `null` when the worker has not tried. */
  private endAttempt(job: QueuedJob | null, index: number, reason: string | null): number {
    if (job === null || job.holder === null) return 0;
    const { id, value, attempts, holder } = job;
    if (reason !== null && attempts >= holder.attemptsMax) {
      this.remove(job);
      this.dead.push({ id, value, attempts, reason });
      if (this.dead.length > DEAD_MAX) this.dead.shift();
      return 1;
    }
    this.holders.delete(keyOf(holder));
    this.set({ ...job, attempts: reason === null ? attempts - 1 : attempts, holder: null });
    const at = this.ready.findIndex((other) => other > id);
    this.ready.splice(at < 0 ? this.ready.length : at, 0, id);
    this.give(index);
    return 1;
  }

  private expire(life: string, index: number): number {
    this.departed.delete(life);
    for (const job of this.heldJobs()) {
      if (job.holder!.life === life) this.endAttempt(job, index, 'its worker died');
    }
    return 1;
  }
}

const keyOf = ({ life, request }: { readonly life: string; readonly request: number }): string => `${life}/${request}`;
