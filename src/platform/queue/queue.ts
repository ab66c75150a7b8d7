import { abortable, checkedSignal } from '../../client/abort.ts';
import { checkedAmount, checkedInteger } from '../../client/arguments.ts';
import type { Clock } from '../../client/clock.ts';
import { clockOf } from '../../client/clock.ts';
import { type Codec, jsonCodec } from '../../client/codecs.ts';
import { MachineError } from '../errors.ts';
import { SignsOfLife, WAIT_FACTOR } from '../locks/signs-of-life.ts';
import { Deadlines } from '../replicated/deadlines.ts';
import { ExactMachine } from '../replicated/exact-machine.ts';
import { ExpiryWatch } from '../replicated/expiry-watch.ts';
import { OnMachine } from '../replicated/on-machine.ts';
import type { ApplyContext, MachineMember, SharedOptions, SubmitOptions } from '../replicated/replicated.ts';
import { checkedVisibility, Job } from './job.ts';
import { type QueueCommand, type QueuedJob, QueueTable } from './queue-table.ts';

export interface JobQueueOptions<T> extends SharedOptions {
  /** Of jobs. Default JSON. */
  readonly codec?: Codec<T>;
  /** How long a worker has for a job before another one gets it, from 10 ms to a day; `extend()` prolongs it. Default 30 000. */
  readonly visibilityMs?: number;
  /** How often a job is given to a worker before it is given up; see `dead()`. Default 5. */
  readonly attemptsMax?: number;
  /** Jobs that are not confirmed: further ones are refused. Default 10 000. */
  readonly jobsMax?: number;
  /** A worker that cannot reach the others for so long loses its jobs, and others get them later. Default 2000; the same in all members. */
  readonly leaseMs?: number;
}

/** A job that was given up after its last attempt. */
export interface GivenUpJob<T> {
  readonly id: number;
  readonly value: T;
  readonly attempts: number;
  readonly reason: string;
}

const VISIBILITY_MS_DEFAULT = 30_000;
const ATTEMPTS_DEFAULT = 5;
const JOBS_DEFAULT = 10_000;
const LEASE_MS_DEFAULT = 2_000;
const FOREVER = { timeoutMs: Number.POSITIVE_INFINITY };

interface Request {
  readonly granted: (job: QueuedJob) => void;
  readonly failed: (error: unknown) => void;
  /** Its command has its place: when it is not in the table any more, this program was away. */
  asked: boolean;
}

/**
 * Jobs for the workers of the whole cluster: each is given to one of them, and to another one when that one dies or its time is over.
 *
 * ```ts
 * const queue = await Queue.open<{ url: string }>({ name: 'mirror', store: { directory: '/var/lib/mirror' } });
 * await queue.put({ url: 'https://example.com' });
 * for await (const job of queue.jobs()) {
 *   try { await mirror(job.value, job.lost); await job.confirm(); } catch (error) { await job.reject(String(error)); }
 * }
 * ```
 */
export class Queue<T> extends OnMachine {
  private readonly table = new QueueTable();
  private readonly clock: Clock;
  private readonly codec: Codec<T>;
  private readonly deadlines: Deadlines;
  private readonly expiries: ExpiryWatch;
  private readonly signs: SignsOfLife;
  private readonly requests = new Map<number, Request>();
  private readonly held = new Map<number, Job<T>>();
  private readonly visibilityMs: number;
  private readonly attemptsMax: number;
  private readonly jobsMax: number;
  private readonly leaseMs: number;
  protected override machine!: ExactMachine<QueueCommand, number>;
  private lastRequest = 0;
  private end: MachineError | null = null;

  private constructor(options: JobQueueOptions<T>) {
    super();
    this.clock = clockOf(options);
    this.codec = options.codec ?? jsonCodec<T>();
    this.deadlines = new Deadlines(this.clock);
    this.expiries = new ExpiryWatch(this.clock);
    this.visibilityMs = checkedVisibility(options.visibilityMs ?? VISIBILITY_MS_DEFAULT);
    this.attemptsMax = checkedInteger(options.attemptsMax ?? ATTEMPTS_DEFAULT, 'attemptsMax', 1);
    this.jobsMax = checkedInteger(options.jobsMax ?? JOBS_DEFAULT, 'jobsMax', 1);
    this.leaseMs = checkedAmount(options.leaseMs, 'leaseMs', LEASE_MS_DEFAULT);
    this.signs = new SignsOfLife(this.clock, this.leaseMs, {
      barrier: () => this.machine.barrier(FOREVER),
      needed: () => this.held.size > 0,
      silent: () => this.loseAll('the others were not reached in time'),
    });
  }

  static async open<T>(options: JobQueueOptions<T>): Promise<Queue<T>> {
    const queue = new Queue<T>(options);
    const { codec: _, visibilityMs: __, attemptsMax: ___, jobsMax: ____, leaseMs: _____, ...shared } = options;
    const state = {
      apply: (command: QueueCommand, context: ApplyContext) => queue.apply(command, context),
      members: (members: readonly MachineMember[], context: ApplyContext) => queue.membersChanged(members, context),
      save: () => queue.table.save(),
      load: (saved: unknown) => queue.load(saved),
    };
    await ExactMachine.open<QueueCommand, number>('queue', shared, state, (machine) => {
      queue.machine = machine;
    });
    return queue;
  }

  /** Jobs that are not confirmed, and those of them that no worker has, as this member has it. */
  get counts(): { readonly jobs: number; readonly ready: number } {
    return { jobs: this.table.size, ready: this.table.readyCount };
  }

  /** Adds a job, once; the result is its id. @throws MachineError RONDO_MACHINE_FULL: `jobsMax`, or 64 MiB; what `Replicated.submit` throws. */
  async put(value: T, options: SubmitOptions = {}): Promise<number> {
    const { jobsMax } = this;
    const id = await this.machine.submit({ op: 'put', value: this.codec.encode(value), jobsMax }, options);
    if (id < 0) throw new MachineError('RONDO_MACHINE_FULL', 'the queue is full', 'Confirm or wait');
    return id;
  }

  /** Waits for a job; workers get them in the order in which they asked. @throws as `Locks.acquire`. */
  async take(options: SubmitOptions = {}): Promise<Job<T>> {
    const timeoutMs = checkedAmount(options.timeoutMs, 'timeoutMs', Number.POSITIVE_INFINITY);
    const untilMs = this.clock.nowMs() + timeoutMs;
    for (;;) {
      const job = await this.ask(true, untilMs - this.clock.nowMs(), options.signal);
      if (job !== null) return job;
    }
  }

  /** A job, or `null` when there is none for this worker now. */
  tryTake(options: SubmitOptions = {}): Promise<Job<T> | null> {
    const timeoutMs = checkedAmount(options.timeoutMs, 'timeoutMs', Number.POSITIVE_INFINITY);
    return this.ask(false, timeoutMs, options.signal);
  }

  /** One job after the other; one that the loop leaves open goes back to the queue. Ends with the signal and with `close()`. */
  async *jobs({ signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Job<T>, void, undefined> {
    while (signal?.aborted !== true && this.end === null) {
      const job = await this.take(signal === undefined ? {} : { signal }).catch((error: unknown) => {
        if (signal?.aborted === true || this.end !== null) return null;
        throw error;
      });
      if (job === null) return;
      try {
        yield job;
      } finally {
        await job.release();
      }
    }
  }

  /** The last 1,000 jobs that were given up. */
  async dead(options: SubmitOptions = {}): Promise<GivenUpJob<T>[]> {
    await this.machine.barrier(options);
    return this.table.deadJobs.map((job) => ({ ...job, value: this.codec.decode(job.value) }));
  }

  /** Gives its jobs back, if that can be agreed on within a second, and leaves: others get them later otherwise. */
  async close(): Promise<void> {
    this.end = new MachineError('RONDO_MACHINE_CLOSED', 'the queue was closed');
    for (const { failed } of this.requests.values()) failed(this.end);
    await Promise.allSettled([...this.held.values()].map((job) => job.release()));
    this.expiries.stop();
    this.signs.stop();
    await this.machine.close();
    this.loseAll('the queue was closed');
    this.deadlines.clear();
  }

  /** `null`: there is none, or it was lost before it could be handed out. */
  private async ask(wait: boolean, timeoutMs: number, signal: AbortSignal | undefined): Promise<Job<T> | null> {
    checkedSignal(signal);
    if (this.end !== null) throw this.end;
    const request = ++this.lastRequest;
    const startedMs = this.clock.nowMs();
    const granted = new Promise<QueuedJob>((resolve, reject) => {
      this.requests.set(request, { granted: resolve, failed: reject, asked: false });
    });
    granted.catch(() => {});
    const late = (): Error => new MachineError('RONDO_MACHINE_TIMEOUT', `no job within ${timeoutMs} ms`);
    try {
      const limited = this.deadlines.limit(
        this.handOut(request, wait, startedMs, granted),
        Math.max(0, timeoutMs),
        late,
      );
      return await abortable(limited, signal);
    } catch (error) {
      this.held.get(request)?.lose('the caller gave up');
      this.machine.announce({ op: 'cancel', request });
      throw error;
    } finally {
      this.requests.delete(request);
    }
  }

  private async handOut(request: number, wait: boolean, startedMs: number, granted: Promise<QueuedJob>) {
    const id = await Promise.race([this.submitTake(request, wait), granted.then(({ id }) => id)]);
    if (id < 0) throw new MachineError('RONDO_MACHINE_FULL', 'too many workers wait');
    if (id === 0 && !wait) return null;
    const given = await granted;
    if (!this.requests.has(request)) return null; // its caller gave up
    const { visibilityMs } = this;
    const job = this.makeJob(request, given);
    this.held.set(request, job);
    const soon = this.clock.nowMs() - startedMs < Math.min(visibilityMs, this.leaseMs) / 2;
    if (soon) {
      job.begin(startedMs, visibilityMs);
      this.signs.heard(startedMs);
    } else {
      const askedMs = this.clock.nowMs(); // it waited: its time is known when it is agreed on anew
      const held = await this.machine.submit({ op: 'extend', request, visibilityMs }, FOREVER);
      job.begin(askedMs, visibilityMs);
      this.signs.heard(askedMs);
      if (held === 0) job.lose('its time was over');
    }
    this.signs.keep();
    return job.lost.aborted ? null : job;
  }

  private submitTake(request: number, wait: boolean): Promise<number> {
    const { visibilityMs, attemptsMax } = this;
    const submitted = this.machine.submit({ op: 'take', request, wait, visibilityMs, attemptsMax }, FOREVER);
    const asked = this.requests.get(request);
    submitted.then(
      () => {
        if (asked === undefined) return;
        asked.asked = true;
        this.reconcile();
      },
      (error) => asked?.failed(error),
    );
    return submitted;
  }

  private makeJob(request: number, { id, value, attempts }: QueuedJob): Job<T> {
    const { visibilityMs } = this;
    return new Job<T>(id, this.codec.decode(value), attempts, this.clock, visibilityMs, {
      submit: async (op, ms, options) => {
        const command: QueueCommand =
          typeof op === 'object'
            ? { op: 'reject', request, reason: op.reason }
            : op === 'extend'
              ? { op, request, visibilityMs: ms }
              : { op, request };
        return (await this.machine.submit(command, options)) === 1;
      },
      release: () => this.deadlines.givenBack(this.machine.submit({ op: 'cancel', request }, FOREVER)),
      over: () => void this.held.delete(request),
    });
  }

  private loseAll(why: string): void {
    for (const [request, job] of [...this.held]) {
      job.lose(why);
      if (this.end === null) this.machine.announce({ op: 'cancel', request });
    }
  }

  // ── the state, in the agreed order

  private apply(command: QueueCommand, { from, index }: ApplyContext): number {
    const result = this.table.apply(command, from, index);
    for (const id of this.table.changes()) this.changed(id);
    return result;
  }

  private changed(id: number): void {
    const holder = this.table.job(id)?.holder ?? null;
    if (holder === null) {
      this.expiries.end(String(id));
      return;
    }
    const { term, visibilityMs, life, request } = holder;
    this.expiries.begin(String(id), visibilityMs * WAIT_FACTOR, () =>
      this.machine.submit({ op: 'overdue', id, term }, FOREVER),
    );
    if (life === this.machine.life) this.grant(request, this.table.job(id)!);
  }

  private grant(request: number, job: QueuedJob): void {
    if (this.held.has(request)) return;
    const asked = this.requests.get(request);
    if (asked !== undefined) asked.granted(job);
    else this.machine.announce({ op: 'cancel', request }); // its caller gave up
  }

  private membersChanged(members: readonly MachineMember[], { index }: ApplyContext): void {
    const { life } = this.machine;
    this.table.members(new Set(members.map((member) => member.life)), index);
    this.watchAbsent();
    this.expiries.setFirst(members[0]?.life === life);
    this.reconcile();
  }

  private watchAbsent(): void {
    for (const [life, since] of this.table.absent) {
      const name = `${life}/${since}`;
      if (this.expiries.has(name)) continue;
      this.expiries.begin(name, this.leaseMs * WAIT_FACTOR, () =>
        this.machine.submit({ op: 'expire', life, since }, FOREVER).finally(() => this.expiries.end(name)),
      );
    }
  }

  private load(saved: unknown): void {
    this.table.load(saved);
    this.expiries.clear();
    for (const { id } of this.table.heldJobs()) this.changed(id);
    this.watchAbsent();
    this.reconcile();
  }

  /** What happened to this worker's jobs and requests while it was away: what was forgotten is asked for again. */
  private reconcile(): void {
    const { life } = this.machine;
    const isMember = this.machine.memberOf(life) !== null;
    for (const [request, job] of [...this.held]) {
      if (this.table.held(life, request) === null) job.lose('another worker may have it');
    }
    for (const [request, asked] of [...this.requests]) {
      if (!asked.asked || this.held.has(request)) continue;
      const job = this.table.held(life, request);
      if (job !== null) asked.granted(job);
      else if (isMember && !this.table.isWaiting(life, request)) this.askAgain(request, asked);
    }
  }

  private askAgain(request: number, asked: Request): void {
    asked.asked = false;
    this.submitTake(request, true).catch(() => {});
  }
}
