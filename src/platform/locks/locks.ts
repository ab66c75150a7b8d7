import { checkedSignal } from '../../client/abort.ts';
import { checkedAmount } from '../../client/arguments.ts';
import type { Clock } from '../../client/clock.ts';
import { clockOf } from '../../client/clock.ts';
import type { CallOptions } from '../../client/session.ts';
import { MachineError } from '../errors.ts';
import { Deadlines } from '../replicated/deadlines.ts';
import { OnMachine } from '../replicated/on-machine.ts';
import {
  isResultLost,
  type MachineMember,
  Replicated,
  type ReplicatedOptions,
  type SharedOptions,
  tokenOf,
} from '../replicated/replicated.ts';
import { type LockCommand, type LockHolder, LockTable } from './lock-table.ts';
import { checkedName } from './names.ts';
import { SignsOfLife, WAIT_FACTOR } from './signs-of-life.ts';

export interface LocksOptions extends Omit<SharedOptions, 'name'> {
  /** Programs with the same name share their locks. Default `default`. */
  readonly name?: string;
  /**
   * A holder that cannot reach the others for so long loses its locks: `lost` fires then, and others get them later. Default 2000. The same
   * in all members.
   */
  readonly leaseMs?: number;
}

export interface AcquireOptions extends CallOptions {
  /** How long to wait for the lock. Default: for ever. */
  readonly timeoutMs?: number;
}

/** A lock that this program holds. */
export interface Lock {
  readonly name: string;
  /** Greater than that of every earlier holder of any lock: hand it to what the lock protects, which refuses smaller ones. */
  readonly token: bigint;
  /** Fires when the lock is held no longer: before anybody else can hold it, unless this whole process stalls. */
  readonly lost: AbortSignal;
  /** Gives it back; resolves when others can have it, after a second in any case: they get it then as soon as there is a majority. May be repeated. */
  release(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface LockOwner extends MachineMember {
  readonly token: bigint;
}

const LEASE_MS_DEFAULT = 2_000;

type LockResult = ReturnType<LockTable['apply']>;

interface Request {
  readonly name: string;
  /** When the command that led to the lock was sent; `null`: it waited for others, so that means nothing. */
  startedMs: number | null;
  readonly granted: (holder: LockHolder) => void;
  readonly failed: (error: Error) => void;
}

interface Held {
  readonly name: string;
  readonly controller: AbortController;
}

/**
 * Locks of the whole cluster.
 *
 * ```ts
 * const locks = await Locks.open({ waitReadyMs: 10_000 });
 * const lock = await locks.acquire('backup');
 * try { await backUp({ signal: lock.lost, token: lock.token }); } finally { await lock.release(); }
 * ```
 */
export class Locks extends OnMachine {
  private readonly table = new LockTable();
  private readonly clock: Clock;
  private readonly leaseMs: number;
  private readonly requests = new Map<number, Request>();
  private readonly held = new Map<number, Held>();
  protected override machine!: Replicated<LockCommand, LockResult>;
  private members: readonly MachineMember[] = [];
  private lastRequest = 0;
  private readonly signs: SignsOfLife;
  private readonly deadlines: Deadlines;
  private expiryTimer = { cancel: (): void => {} };

  private constructor(options: LocksOptions) {
    super();
    this.clock = clockOf(options);
    this.deadlines = new Deadlines(this.clock);
    this.leaseMs = checkedAmount(options.leaseMs, 'leaseMs', LEASE_MS_DEFAULT);
    this.signs = new SignsOfLife(this.clock, this.leaseMs, {
      barrier: () => this.machine.barrier({ timeoutMs: Number.POSITIVE_INFINITY }),
      needed: () => this.held.size > 0,
      silent: () => this.loseAll(),
    });
  }

  static async open(options: LocksOptions = {}): Promise<Locks> {
    const locks = new Locks(options);
    const { name = 'default', leaseMs: _, ...rest } = options;
    const machine: ReplicatedOptions<LockCommand, LockResult> = {
      ...rest,
      name: `locks.${name}`,
      apply: (command, context) => locks.apply(command, context.from, tokenOf(context)),
      snapshot: () => locks.table.save(),
      restore: (bytes) => locks.restored(bytes),
      members: (members, { index }) => locks.membersChanged(members, index),
    };
    await Replicated.open(machine, (made) => {
      locks.machine = made;
    });
    return locks;
  }

  /** This program's life, as owners are told apart. */
  get life(): string {
    return this.machine.life;
  }

  /**
   * Waits for the lock, in the order of the calls of all members.
   *
   * @throws the signal's reason; MachineError RONDO_MACHINE_TIMEOUT: not within `timeoutMs`; what `Replicated.submit` throws.
   */
  async acquire(name: string, options: AcquireOptions = {}): Promise<Lock> {
    const timeoutMs = checkedAmount(options.timeoutMs, 'timeoutMs', Number.POSITIVE_INFINITY);
    const untilMs = this.clock.nowMs() + timeoutMs;
    for (;;) {
      const lock = await this.ask(name, true, untilMs - this.clock.nowMs(), options.signal);
      if (lock === null) throw new MachineError('RONDO_MACHINE_FAILED', 'too many requests for locks wait');
      if (lock !== 'lost') return lock;
    }
  }

  /** The lock, or `null` when somebody has it. */
  async tryAcquire(name: string, options: CallOptions = {}): Promise<Lock | null> {
    const lock = await this.ask(name, false, Number.POSITIVE_INFINITY, options.signal);
    return lock === 'lost' ? null : lock;
  }

  /** Who holds the lock now. */
  async owner(name: string, options: CallOptions = {}): Promise<LockOwner | null> {
    await this.machine.barrier(options);
    const holder = this.table.holderOf(checkedName(name, 'a lock'));
    if (holder === null) return null;
    const member = this.members.find(({ life }) => life === holder.life);
    return { nodeId: member?.nodeId ?? 0, pid: member?.pid ?? 0, life: holder.life, token: holder.token };
  }

  /** Gives all locks back, if that can be agreed on within a second, and leaves: they expire otherwise. */
  async close(): Promise<void> {
    const releases = [...this.held].map(([request, { name }]) => this.release(name, request));
    await Promise.allSettled(releases);
    this.signs.stop();
    this.expiryTimer.cancel();
    await this.machine.close();
    for (const { failed } of this.requests.values()) failed(closed());
    this.requests.clear();
    this.loseAll();
    this.deadlines.clear();
  }

  /** `lost`: it was this program's, and is not any more, before it could be handed out. */
  private async ask(
    name: string,
    wait: boolean,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Lock | null | 'lost'> {
    checkedName(name, 'a lock');
    checkedSignal(signal);
    const request = ++this.lastRequest;
    const startedMs = this.clock.nowMs();
    const granted = new Promise<LockHolder>((resolve, reject) => {
      this.requests.set(request, { name, startedMs, granted: resolve, failed: reject });
    });
    granted.catch(() => {});
    try {
      const limit = this.giveUpAfter(request, timeoutMs, signal);
      try {
        const result = await Promise.race([this.send({ op: 'acquire', name, request, wait }), limit.gone]);
        if (result === 'refused') return null;
        const holder = await Promise.race([granted, limit.gone]);
        return await this.hold(name, request, holder, limit.gone);
      } finally {
        limit.forget();
      }
    } catch (error) {
      this.requests.delete(request);
      this.held.delete(request);
      this.giveBack(name, request); // whatever became of it
      throw error;
    } finally {
      this.requests.delete(request);
    }
  }

  /** The lock is handed out when the others have heard of this member since: only then its time is known. */
  private async hold(
    name: string,
    request: number,
    { token }: LockHolder,
    gone: Promise<never>,
  ): Promise<Lock | 'lost'> {
    const controller = new AbortController();
    this.held.set(request, { name, controller });
    const { startedMs } = this.requests.get(request) ?? { startedMs: null };
    if (startedMs !== null && this.clock.nowMs() - startedMs < this.leaseMs / 2) this.signs.heard(startedMs);
    else await Promise.race([this.signs.beat(), gone]);
    if (!this.held.has(request)) return 'lost';
    this.signs.keep();
    const release = (): Promise<void> => this.release(name, request);
    return { name, token, lost: controller.signal, release, [Symbol.asyncDispose]: release };
  }

  private async release(name: string, request: number): Promise<void> {
    const held = this.held.get(request);
    if (held === undefined) return;
    this.held.delete(request);
    held.controller.abort(new MachineError('RONDO_MACHINE_CLOSED', `the lock '${name}' was released`));
    await this.deadlines.givenBack(this.send({ op: 'release', name, request }));
  }

  /** The result may be known to others only, when this member was away: then the table, which came from them, says what became of it. */
  private async send(command: LockCommand): Promise<LockResult> {
    try {
      return await this.machine.submit(command, { timeoutMs: Number.POSITIVE_INFINITY });
    } catch (error) {
      if (!isResultLost(error)) throw error;
      if (command.op === 'acquire') this.waits(command.request);
      this.reconcile();
      return [];
    }
  }

  private giveUpAfter(request: number, timeoutMs: number, signal?: AbortSignal) {
    let forget = (): void => {};
    const gone = new Promise<never>((_resolve, reject) => {
      const name = this.requests.get(request)?.name;
      const late = (): void =>
        reject(new MachineError('RONDO_MACHINE_TIMEOUT', `no lock '${name}' within ${timeoutMs} ms`));
      const timer = timeoutMs === Number.POSITIVE_INFINITY ? null : this.clock.setTimer(timeoutMs, late);
      const abort = (): void => reject(signal?.reason);
      signal?.addEventListener('abort', abort, { once: true });
      forget = () => {
        timer?.cancel();
        signal?.removeEventListener('abort', abort);
      };
    });
    gone.catch(() => {});
    return { gone, forget };
  }

  // ── the state, in the agreed order

  private apply(command: LockCommand, from: string, token: bigint): LockResult {
    const result = this.table.apply(command, from, token);
    if (result === 'refused') return result;
    if (command.op === 'acquire' && from === this.life && result.length === 0) this.waits(command.request);
    for (const { name, holder } of result) this.grant(name, holder);
    if (command.op === 'expire') this.reconcile();
    return result;
  }

  private waits(request: number): void {
    const waiting = this.requests.get(request);
    if (waiting !== undefined) waiting.startedMs = null;
  }

  private grant(name: string, holder: LockHolder): void {
    if (holder.life !== this.life) return;
    const request = this.requests.get(holder.request);
    if (request !== undefined) request.granted(holder);
    // Its caller gave up, and that was overtaken by asking again.
    else if (!this.held.has(holder.request)) this.giveBack(name, holder.request);
  }

  private giveBack(name: string, request: number): void {
    this.send({ op: 'release', name, request }).catch(() => {});
  }

  private restored(bytes: Uint8Array): void {
    this.table.load(bytes);
    this.reconcile();
  }

  private membersChanged(members: readonly MachineMember[], index: number): void {
    this.members = members;
    this.table.members(new Set(members.map(({ life }) => life)), index);
    this.reconcile();
    this.expireLater();
  }

  /** What happened to this member's locks and requests while it was away. */
  private reconcile(): void {
    const own = (name: string, request: number): boolean => {
      const holder = this.table.holderOf(name);
      return holder?.life === this.life && holder.request === request;
    };
    for (const [request, { name, controller }] of this.held) {
      if (!own(name, request)) this.lose(request, controller, name);
    }
    for (const [name, holder] of this.table.heldBy(this.life)) {
      if (!this.requests.has(holder.request)) this.grant(name, holder);
    }
    for (const [request, waiting] of this.requests) {
      if (waiting.startedMs !== null || this.held.has(request)) continue; // its command is on its way, or it is being handed out
      if (own(waiting.name, request)) this.grant(waiting.name, this.table.holderOf(waiting.name)!);
      else if (!this.table.isWaiting(waiting.name, { life: this.life, request })) this.askAgain(request, waiting);
    }
  }

  private askAgain(request: number, { name, failed }: Request): void {
    this.send({ op: 'acquire', name, request, wait: true }).catch(failed);
  }

  /** Those that left holding locks lose them after their lease: the first member announces it, in the order. */
  private expireLater(): void {
    this.expiryTimer.cancel();
    const { absent } = this.table;
    if (absent.length === 0 || this.members[0]?.life !== this.life) return;
    this.expiryTimer = this.clock.setTimer(this.leaseMs * WAIT_FACTOR, () => {
      for (const [life, since] of absent) this.send({ op: 'expire', life, since }).catch(() => {});
    });
  }

  private loseAll(): void {
    for (const [request, { controller, name }] of [...this.held]) this.lose(request, controller, name);
  }

  private lose(request: number, controller: AbortController, name: string): void {
    this.held.delete(request);
    controller.abort(
      new MachineError('RONDO_MACHINE_TIMEOUT', `the lock '${name}' is lost: the others were not reached in time`),
    );
    this.send({ op: 'release', name, request }).catch(() => {});
  }
}

const closed = (): MachineError => new MachineError('RONDO_MACHINE_CLOSED', 'the locks were closed');
