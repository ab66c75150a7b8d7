import { abortable, checkedSignal } from '../../client/abort.ts';
import { checkedAmount, checkedInteger } from '../../client/arguments.ts';
import type { Clock } from '../../client/clock.ts';
import { clockOf } from '../../client/clock.ts';
import type { CallOptions } from '../../client/session.ts';
import { MachineError } from '../errors.ts';
import { checkedName } from '../locks/names.ts';
import { WAIT_FACTOR } from '../locks/signs-of-life.ts';
import { Deadlines } from '../replicated/deadlines.ts';
import { ExactMachine } from '../replicated/exact-machine.ts';
import { ExpiryWatch } from '../replicated/expiry-watch.ts';
import { OnMachine } from '../replicated/on-machine.ts';
import { type ApplyContext, type MachineMember, type SharedOptions, tokenOf } from '../replicated/replicated.ts';
import { type LeaseCommand, type LeaseHolder, LeaseTable } from './lease-table.ts';

export interface LeasesOptions extends Omit<SharedOptions, 'name'> {
  /** Programs with the same name share their leases. Default `default`. */
  readonly name?: string;
}

export interface LeaseOptions extends CallOptions {
  /** For how long the lease is given, from 10 ms to a day. Default 10 000. */
  readonly ttlMs?: number;
  /** How long to wait until it is free. Default: for ever. */
  readonly timeoutMs?: number;
}

const FOREVER = { timeoutMs: Number.POSITIVE_INFINITY };
const TTL_MS_DEFAULT = 10_000;
const TTL_MS_MIN = 10;
const TTL_MS_MAX = 86_400_000;
/** Whoever does not notice for so long that its turn has come is passed over. */
const NOTICE_MS = 2_000;

/** A request of this program that waits for its turn. */
interface Waiting {
  readonly name: string;
  /** It is known to be in the table, or to have been. */
  queued: boolean;
  /** The token; `null`: it has to ask again. */
  readonly ends: (token: string | null) => void;
}

/** What this program has for a time. It ends by itself, whether the program is there or not, unless it is renewed. */
export class Lease {
  private readonly controller = new AbortController();
  private untilMs = 0;
  private timer = { cancel: (): void => {} };

  constructor(
    readonly name: string,
    /** Greater than that of every earlier holder of any lease: hand it to what the lease protects, which refuses smaller ones. */
    readonly token: bigint,
    private readonly clock: Clock,
    private readonly hooks: {
      /** `false`: it is not this program's any more. */
      renew(ttlMs: number, options: CallOptions): Promise<boolean>;
      release(): Promise<void>;
      over(): void;
    },
    private readonly ttlMs: number,
  ) {}

  /** Fires when the time is over, by this process's own clock and so before anybody else can have the lease, or at `release()`. */
  get expired(): AbortSignal {
    return this.controller.signal;
  }

  /** What is left; 0 when it is over, also where a process that stalled has not run the timer of `expired` yet. In milliseconds. */
  get remainingMs(): number {
    return this.controller.signal.aborted ? 0 : Math.max(0, this.untilMs - this.clock.nowMs());
  }

  /** Of a request that was sent then and is granted. */
  extend(startedMs: number, ttlMs: number): void {
    this.untilMs = startedMs + ttlMs;
    this.timer.cancel();
    this.timer = this.clock.setTimer(Math.max(0, this.untilMs - this.clock.nowMs()), () =>
      this.finish('its time is over'),
    );
  }

  /**
   * The time begins again, from this call on.
   *
   * @param ttlMs Default: as before.
   * @throws MachineError RONDO_NOT_HELD: too late. RONDO_MACHINE_TIMEOUT: not agreed before the time was over.
   */
  async renew(ttlMs = this.ttlMs, options: CallOptions = {}): Promise<void> {
    checkedTtl(ttlMs);
    const startedMs = this.clock.nowMs();
    const held = this.remainingMs > 0 && (await this.hooks.renew(ttlMs, options));
    if (!held || this.controller.signal.aborted) throw this.finish('its time was over before it was renewed');
    this.extend(startedMs, ttlMs);
  }

  /** Gives it back; resolves when others can have it, after a second in any case: they get it then when its time is over. May be repeated. */
  async release(): Promise<void> {
    if (this.controller.signal.aborted) return;
    this.finish('it was released');
    await this.hooks.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Ends here; what the others know of it is not changed. */
  finish(why: string): MachineError {
    const error = new MachineError('RONDO_NOT_HELD', `the lease '${this.name}' is not held: ${why}`);
    this.timer.cancel();
    if (!this.controller.signal.aborted) this.controller.abort(error);
    this.hooks.over();
    return error;
  }
}

/**
 * Ownership for a time.
 *
 * ```ts
 * const leases = await Leases.open();
 * const lease = await leases.acquire('ip-10.0.0.7', { ttlMs: 5_000 });
 * setInterval(() => lease.renew(), 1_000);
 * lease.expired.addEventListener('abort', () => giveUpTheAddress());
 * ```
 */
export class Leases extends OnMachine {
  private readonly table = new LeaseTable();
  private readonly clock: Clock;
  private readonly deadlines: Deadlines;
  private readonly expiries: ExpiryWatch;
  private readonly held = new Set<Lease>();
  /** By the number of the request. */
  private readonly waiting = new Map<number, Waiting>();
  protected override machine!: ExactMachine<LeaseCommand, string | null>;
  private lastRequest = 0;
  private end: MachineError | null = null;

  private constructor(options: LeasesOptions) {
    super();
    this.clock = clockOf(options);
    this.deadlines = new Deadlines(this.clock);
    this.expiries = new ExpiryWatch(this.clock);
  }

  static async open(options: LeasesOptions = {}): Promise<Leases> {
    const leases = new Leases(options);
    const state = {
      apply: (command: LeaseCommand, context: ApplyContext) => leases.apply(command, context),
      members: (members: readonly MachineMember[]) => {
        leases.expiries.setFirst(members[0]?.life === leases.machine.life);
        leases.table.members(new Set(members.map(({ life }) => life)));
        leases.lookAfterWaiting();
      },
      save: () => leases.table.save(),
      load: (saved: unknown) => leases.load(saved),
    };
    const name = options.name ?? 'default';
    await ExactMachine.open<LeaseCommand, string | null>('leases', { ...options, name }, state, (machine) => {
      leases.machine = machine;
    });
    return leases;
  }

  /**
   * The lease, as soon as it is free. Those who wait get it in the order of their requests; who was cut off meanwhile, or does not notice for 2 s that its turn
   * has come, asks anew.
   *
   * @throws the signal's reason; MachineError RONDO_MACHINE_TIMEOUT: not within `timeoutMs`; what `Replicated.submit` throws.
   */
  async acquire(name: string, options: LeaseOptions = {}): Promise<Lease> {
    const timeoutMs = checkedAmount(options.timeoutMs, 'timeoutMs', Number.POSITIVE_INFINITY);
    const untilMs = this.clock.nowMs() + timeoutMs;
    for (;;) {
      const lease = await this.take(name, options, untilMs - this.clock.nowMs(), true);
      if (lease !== null) return lease;
    }
  }

  /** The lease, or `null` when somebody has it. */
  tryAcquire(name: string, options: LeaseOptions = {}): Promise<Lease | null> {
    return this.take(name, options, checkedAmount(options.timeoutMs, 'timeoutMs', Number.POSITIVE_INFINITY), false);
  }

  /** Who holds the lease now. Whether its time is nearly over is not known here. */
  async owner(name: string, options: CallOptions = {}): Promise<(MachineMember & { readonly token: bigint }) | null> {
    await this.machine.barrier(options);
    const holder = this.table.holderOf(checkedName(name, 'a lease'));
    if (holder === null) return null;
    const { nodeId, pid, life, token } = holder;
    return { nodeId, pid, life, token: BigInt(token) };
  }

  /** Gives all leases back, if that can be agreed on within a second, and leaves: they end by their time otherwise. */
  async close(): Promise<void> {
    this.end = new MachineError('RONDO_MACHINE_CLOSED', 'the leases were closed');
    await Promise.allSettled([...this.held].map((lease) => lease.release()));
    this.expiries.stop();
    await this.machine.close();
    for (const { ends } of [...this.waiting.values()]) ends(null);
    for (const lease of [...this.held]) lease.finish(this.end.message);
    this.deadlines.clear();
  }

  /** `null`: somebody has it, or, with `wait`, it was this program's turn too late. */
  private async take(
    name: string,
    { ttlMs = TTL_MS_DEFAULT, signal }: LeaseOptions,
    timeoutMs: number,
    wait: boolean,
  ): Promise<Lease | null> {
    checkedName(name, 'a lease');
    checkedTtl(ttlMs);
    checkedSignal(signal);
    if (this.end !== null) throw this.end;
    const request = ++this.lastRequest;
    const release = (): Promise<void> =>
      this.deadlines.givenBack(this.machine.submit({ op: 'release', name, request }, FOREVER));
    try {
      const granted = await this.granted({ op: 'take', name, request, ttlMs, wait }, Math.max(0, timeoutMs), signal);
      if (granted === null) return null;
      const lease = this.leaseOf(name, request, BigInt(granted.token), ttlMs, release);
      lease.extend(granted.sinceMs, ttlMs);
      if (lease.remainingMs > 0) return lease;
      lease.finish('it was agreed on too late');
      await release();
      return null;
    } catch (error) {
      release().catch(() => {}); // it may be taken all the same
      throw error;
    }
  }

  /** The token, and from when on the time is measured: before the request that the others measure it from. */
  private async granted(
    command: Extract<LeaseCommand, { op: 'take' }>,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly token: string; readonly sinceMs: number } | null> {
    const { name, request, ttlMs } = command;
    const untilMs = this.clock.nowMs() + timeoutMs;
    const limits = (): { timeoutMs: number; signal?: AbortSignal } => {
      const leftMs = Math.max(0, untilMs - this.clock.nowMs());
      return signal === undefined ? { timeoutMs: leftMs } : { timeoutMs: leftMs, signal };
    };
    const turn = new Promise<string | null>((ends) => this.waiting.set(request, { name, queued: false, ends }));
    try {
      const sinceMs = this.clock.nowMs();
      const result = await this.machine.submit(command, limits());
      if (result === 'full') throw new MachineError('RONDO_MACHINE_FULL', 'too many leases are held or waited for');
      if (result !== 'waiting') return result === null ? null : { token: result, sinceMs };
      this.queued(request);
      const late = (): Error => new MachineError('RONDO_MACHINE_TIMEOUT', `no lease '${name}' in time`);
      const token = await abortable(this.deadlines.limit(turn, limits().timeoutMs, late), signal);
      if (this.end !== null) throw this.end;
      if (token === null) return null;
      const noticedMs = this.clock.nowMs();
      const confirmed = await this.machine.submit({ op: 'renew', name, request, ttlMs }, limits());
      return confirmed === 'renewed' ? { token, sinceMs: noticedMs } : null;
    } finally {
      this.waiting.delete(request);
    }
  }

  private leaseOf(name: string, request: number, token: bigint, ttlMs: number, release: () => Promise<void>): Lease {
    const hooks = {
      renew: async (renewMs: number, options: CallOptions) => {
        const limit = { ...options, timeoutMs: lease.remainingMs };
        return (await this.machine.submit({ op: 'renew', name, request, ttlMs: renewMs }, limit)) === 'renewed';
      },
      release,
      over: () => void this.held.delete(lease),
    };
    const lease = new Lease(name, token, this.clock, hooks, ttlMs);
    this.held.add(lease);
    return lease;
  }

  private queued(request: number): void {
    const waiting = this.waiting.get(request);
    if (waiting !== undefined) waiting.queued = true;
    this.lookAfterWaiting();
  }

  /** Requests of this program whose turn has come, or that do not wait any more because the others took it for gone. */
  private lookAfterWaiting(): void {
    const { life } = this.machine;
    for (const [request, { name, queued, ends }] of this.waiting) {
      if (!queued) continue;
      const holder = this.table.holderOf(name);
      if (holder?.life === life && holder.request === request) ends(holder.token);
      else if (!this.table.isWaiting(name, life, request)) ends(null);
    }
  }

  private apply(command: LeaseCommand, context: ApplyContext): string | null {
    const { name } = command;
    const { nodeId = 0, pid = 0 } = this.machine.memberOf(context.from) ?? {};
    const asker = { life: context.from, nodeId, pid };
    const before = this.table.holderOf(name);
    const result = this.table.apply(command, asker, context.index, tokenOf(context));
    const holder = this.table.holderOf(name);
    if (holder !== before) this.changed(name, holder);
    return result;
  }

  private changed(name: string, holder: LeaseHolder | null): void {
    if (holder === null) this.expiries.end(name);
    else this.expire(name, holder);
    if (holder?.life === this.machine.life) this.waiting.get(holder.request)?.ends(holder.token);
  }

  private expire(name: string, { ttlMs, term, confirmed }: LeaseHolder): void {
    const timeMs = confirmed ? ttlMs : Math.min(ttlMs, NOTICE_MS);
    this.expiries.begin(name, timeMs * WAIT_FACTOR, () => this.machine.submit({ op: 'expire', name, term }, FOREVER));
  }

  private load(saved: unknown): void {
    this.table.load(saved);
    this.expiries.clear();
    for (const [name, holder] of this.table.entries()) this.expire(name, holder);
    this.lookAfterWaiting();
  }
}

const checkedTtl = (ttlMs: number): number => checkedInteger(ttlMs, 'ttlMs', TTL_MS_MIN, TTL_MS_MAX);
