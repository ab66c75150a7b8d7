import { createHash, randomBytes } from 'node:crypto';
import { abortable, checkedSignal } from '../../client/abort.ts';
import { checkedAmount, checkedText } from '../../client/arguments.ts';
import { BACKOFF_DEFAULT, type Backoff } from '../../client/backoff.ts';
import type { Clock } from '../../client/clock.ts';
import { clockOf } from '../../client/clock.ts';
import { type Codec, jsonCodec } from '../../client/codecs.ts';
import { CPG_MESSAGE_BYTES_MAX } from '../../client/cpg.ts';
import { ArgumentError } from '../../client/errors.ts';
import { decodeMessagePack } from '../../client/message-pack.ts';
import type { CallOptions, ConnectOptions } from '../../client/session.ts';
import { MachineError } from '../errors.ts';
import { GroupLink } from '../group-link.ts';
import {
  type OrderPlace,
  type PersistRecord,
  ReplicaCore,
  type ReplicaHost,
  type ReplicaState,
  type ViewMember,
} from './core.ts';
import { Deadlines } from './deadlines.ts';
import { DigestCheck, type DigestReport } from './digest-check.ts';
import { type Base, decodeMessage, type Entry, encodeMessage, type ReplicaMessage } from './messages.ts';
import { memberName } from './names.ts';
import type { MachineStatus } from './on-machine.ts';
import { Store, type StoreOptions } from './store.ts';

/** Where a command stands, the same at every member. */
export interface ApplyContext extends OrderPlace {
  /** The life of the machine that submitted it. */
  readonly from: string;
}

const TOKEN_SHIFT = 64n;

/** A number that grows along the order for ever: the sequence of the ring, and the place. */
export const tokenOf = ({ ringSeq, index }: OrderPlace): bigint => (BigInt(ringSeq) << TOKEN_SHIFT) | BigInt(index);

/** A member of a machine: one life of one process. */
export interface MachineMember {
  readonly nodeId: number;
  readonly pid: number;
  readonly life: string;
}

export interface ReplicatedOptions<Command, Result> extends ConnectOptions {
  /** Members with the same name make the machine; at most 100 bytes. */
  readonly name: string;
  /** Called with every command in the agreed order, at every member: it depends on nothing but its arguments and the state. */
  apply(command: Command, context: ApplyContext): Result;
  /** The whole state, now. */
  snapshot(): Uint8Array;
  /** The state becomes what `snapshot` made at another member. */
  restore(snapshot: Uint8Array): void;
  /** Also in the agreed order: who is a member from here on. */
  members?(members: readonly MachineMember[], context: ApplyContext): void;
  /** Of commands. Default JSON. */
  readonly codec?: Codec<Command>;
  /** Whether the machine works only where the cluster is quorate. Default `true`. */
  readonly quorum?: boolean;
  /** Nodes that have to have the state before anything is applied. Default: as many as votes that quorum needs. */
  readonly nodesMin?: number;
  /** Without quorum: the state of another part, which had gone on by itself, in the agreed order. Default: it is given up. */
  onMerge?(snapshot: Uint8Array): void;
  /** The state on disk, too. Default: in memory only. */
  readonly store?: StoreOptions;
  /** Until when `open` waits to be a member with the state. Default 60 000; `Infinity`: no limit. */
  readonly openMs?: number;
  /** How long a member may hold up the others before they leave it out. Default 5000. */
  readonly patienceMs?: number;
  /** How a lost connection is made again; `null`: the machine fails then. Default 100 ms to 5 s. */
  readonly backoff?: Backoff | null;
}

/** What everything takes that stands on a replicated machine. Programs with the same name share it. */
export interface SharedOptions
  extends ConnectOptions,
    Pick<ReplicatedOptions<never, never>, 'name' | 'quorum' | 'nodesMin' | 'store' | 'openMs' | 'patienceMs'> {}

export interface SubmitOptions extends CallOptions {
  /** Default 60 000; `Infinity`: no limit. */
  readonly timeoutMs?: number;
}

const NAME_BYTES_MAX = 100;
const TICK_MS = 250;
const PATIENCE_MS_DEFAULT = 5_000;
const TIMEOUT_MS_DEFAULT = 60_000;
const GROUP_PREFIX = 'rondo.machine.';

interface Waiting<Result> {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A state machine that every member has: commands are applied in one order, at all of them, and a command that was confirmed stays applied.
 * See docs/platform.md for what is promised when.
 */
export class Replicated<Command, Result> implements ReplicaHost, MachineStatus {
  /** This life of this member. */
  readonly life = randomBytes(8).toString('hex');
  private readonly clock: Clock;
  private readonly codec: Codec<Command>;
  private readonly link: GroupLink;
  private readonly waiting = new Map<number, Waiting<unknown>>();
  private readonly deadlines: Deadlines;
  private readonly listeners = new Set<(state: ReplicaState) => void>();
  private readonly digests = new DigestCheck();
  private members: readonly MachineMember[] = [];
  private core: ReplicaCore | null = null;
  private end: MachineError | null = null;
  private resolveEnd: (reason: MachineError | null) => void = () => {};
  /** Resolves at the end: with `null` after `close()`, else with what failed, RONDO_MACHINE_FAILED. Never rejects. */
  readonly ended = new Promise<MachineError | null>((resolve) => {
    this.resolveEnd = resolve;
  });
  private stopTicking = (): void => {};
  private compacting = false;

  private constructor(
    private readonly options: ReplicatedOptions<Command, Result>,
    private readonly store: Store | null,
  ) {
    this.clock = clockOf(options);
    this.codec = options.codec ?? jsonCodec<Command>();
    this.deadlines = new Deadlines(this.clock);
    const quorum = options.quorum ?? true;
    const backoff = options.backoff === undefined ? BACKOFF_DEFAULT : options.backoff;
    const link = { group: GROUP_PREFIX + options.name, connect: options, withQuorum: quorum, backoff };
    this.link = new GroupLink(link, {
      connected: (self) => this.core?.connected(self),
      disconnected: (reason) => this.disconnected(reason),
      membership: (members) => this.guarded(() => this.core?.membership(members)),
      ring: ({ rep, seq }) => this.guarded(() => this.core?.ringChanged({ rep, seq: Number(seq) })),
      quorum: ({ ringId, quorate, votesNeeded, votesExpected }) => {
        const nodesMin = options.nodesMin ?? votesNeeded;
        const state = { ringSeq: Number(ringId.seq), ringRep: ringId.rep, quorate, nodesMin, nodesAll: votesExpected };
        this.guarded(() => this.core?.quorum(state));
      },
      message: (from, data) => {
        const message = decodeMessage(data);
        if (message !== null) this.guarded(() => this.core?.message(from, message));
      },
    });
  }

  /**
   * Becomes a member, and resolves when it has the state, up to date.
   *
   * @param early gets the machine before the first of its calls is made.
   * @throws what `connect` throws. StoreError: the directory. MachineError RONDO_MACHINE_TIMEOUT: it has not got the state in time.
   */
  static async open<Command, Result>(
    options: ReplicatedOptions<Command, Result>,
    early: (machine: Replicated<Command, Result>) => void = () => {},
  ): Promise<Replicated<Command, Result>> {
    checkedName(options.name);
    const signal = checkedSignal(options.signal);
    const opened = options.store === undefined ? null : await Store.open(options.store);
    const machine = new Replicated<Command, Result>(options, opened?.store ?? null);
    early(machine);
    try {
      await machine.start(opened?.base ?? null, signal);
    } catch (error) {
      await machine.close();
      throw error;
    }
    return machine;
  }

  private async start(base: Base | null, signal: AbortSignal | undefined): Promise<void> {
    const { options, store } = this;
    const openMs = checkedAmount(options.openMs, 'openMs', TIMEOUT_MS_DEFAULT);
    if (base !== null && base.snapshot.length > 0) options.restore(base.snapshot);
    if (store !== null) {
      store.onSafe = (calls) => this.guarded(() => this.core?.persisted(calls));
      store.onFailed = (error) => this.fail(error);
    }
    this.makeCore(base);
    const ready = this.whenActive(openMs, signal);
    ready.catch(() => {});
    await this.link.open();
    this.tick();
    await ready;
    await this.barrier({ timeoutMs: openMs, ...(signal === undefined ? {} : { signal }) });
  }

  private makeCore(base: Base | null): void {
    const { options } = this;
    const core = {
      life: this.life,
      quorum: options.quorum ?? true,
      patienceMs: checkedAmount(options.patienceMs, 'patienceMs', PATIENCE_MS_DEFAULT),
      merges: options.onMerge !== undefined,
      base,
    };
    this.core = new ReplicaCore(core, this);
  }

  /** `active`: commands are applied now. */
  get state(): ReplicaState {
    return this.core?.currentState ?? 'waiting';
  }

  /** Why the machine is not active, for people; empty when it is. */
  get reason(): string {
    return this.end?.message ?? this.core?.reason ?? '';
  }

  /** How many entries of the order are applied here. */
  get appliedIndex(): number {
    return this.core?.appliedIndex ?? 0;
  }

  /** Calls back at each change of `state`, at once and before anything else happens; the result ends that. */
  onStateChange(callback: (state: ReplicaState) => void): () => void {
    this.listeners.add(callback);
    return () => void this.listeners.delete(callback);
  }

  /**
   * The command gets its place in the order and is applied at all members; the result of this member's `apply`. Waits while the machine is not
   * active. What `apply` throws rejects it.
   *
   * @throws MachineError. After RONDO_MACHINE_TIMEOUT, RONDO_MACHINE_CLOSED or an abort the command may be applied all the same.
   */
  submit(command: Command, options: SubmitOptions = {}): Promise<Result> {
    return this.enter<Result>(() => this.runningCore().submit(checkedCommand(this.codec.encode(command))), options);
  }

  /** Resolves when everything that was confirmed anywhere before this call is applied here: what is read then is up to date. */
  async barrier(options: SubmitOptions = {}): Promise<void> {
    try {
      await this.enter<void>(() => this.runningCore().submit(new Uint8Array(0), 'barrier'), options);
    } catch (error) {
      // Agreed on while this member was away: the state that it was given since has everything before.
      if (!isResultLost(error)) throw error;
    }
  }

  /** Compares the states of all members at one place of the order. */
  async check(options: SubmitOptions = {}): Promise<DigestReport> {
    const index = await this.enter<number>(() => this.runningCore().submit(new Uint8Array(0), 'check'), options);
    const limitMs = checkedAmount(options.timeoutMs, 'timeoutMs', PATIENCE_MS_DEFAULT);
    return this.digests.report(index, this.members, limitMs, this.clock);
  }

  /** Leaves. Calls that wait reject with RONDO_MACHINE_CLOSED. */
  async close(): Promise<void> {
    this.finish(new MachineError('RONDO_MACHINE_CLOSED', `the machine '${this.options.name}' was closed`));
    await this.link.close();
    await this.ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private enter<T>(submit: () => number, options: SubmitOptions): Promise<T> {
    try {
      const signal = checkedSignal(options.signal);
      const timeoutMs = checkedAmount(options.timeoutMs, 'timeoutMs', TIMEOUT_MS_DEFAULT);
      const seq = submit();
      const settled = new Promise<T>((resolve, reject) => {
        this.waiting.set(seq, { resolve: (result) => resolve(result as T), reject });
      });
      const limited = this.deadlines.limit(settled, timeoutMs, () => this.late(timeoutMs));
      const result = abortable(limited, signal);
      result.catch(() => {
        if (this.waiting.delete(seq)) this.core?.giveUp(seq);
      });
      return result;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private late(timeoutMs: number): MachineError {
    const why = this.reason === '' ? 'members do not acknowledge it' : this.reason;
    return new MachineError('RONDO_MACHINE_TIMEOUT', `'${this.options.name}': nothing within ${timeoutMs} ms: ${why}`);
  }

  private runningCore(): ReplicaCore {
    if (this.end !== null) throw this.end;
    return this.core!;
  }

  private async whenActive(limitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const active = new Promise<void>((resolve, reject) => {
      const stop = this.onStateChange((state) => {
        if (state !== 'active' && this.end === null) return;
        stop();
        if (this.end === null) resolve();
        else reject(this.end);
      });
    });
    await abortable(
      this.deadlines.limit(active, limitMs, () => this.late(limitMs)),
      signal,
    );
  }

  private tick(): void {
    const timer = this.clock.setTimer(TICK_MS, () => {
      if (this.end !== null) return;
      this.guarded(() => this.core?.tick(this.clock.nowMs()));
      this.tick();
    });
    this.stopTicking = () => timer.cancel();
  }

  private disconnected(reason: Error): void {
    this.guarded(() => this.core?.disconnected());
    if (this.options.backoff === null) this.fail(reason);
  }

  /** What fails in the program's functions outside of `apply` ends the machine: this member's state is not known any more. */
  private guarded(run: () => void): void {
    if (this.end !== null) return;
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(cause: unknown): void {
    const what = cause instanceof Error ? cause.message : String(cause);
    this.finish(
      new MachineError('RONDO_MACHINE_FAILED', `the machine '${this.options.name}' stopped: ${what}`, '', { cause }),
    );
    void this.link.close();
  }

  private finish(reason: MachineError): void {
    if (this.end !== null) return;
    this.end = reason;
    this.stopTicking();
    this.deadlines.clear();
    for (const { reject } of this.waiting.values()) reject(reason);
    this.waiting.clear();
    for (const listener of [...this.listeners]) listener('waiting');
    void this.reportEnd(reason);
  }

  /** When the directory is free for a next life. */
  private async reportEnd(reason: MachineError): Promise<void> {
    await this.store?.close().catch(() => {}); // whatever it reports, nothing of it is used any more
    this.resolveEnd(reason.code === 'RONDO_MACHINE_CLOSED' ? null : reason);
  }

  // ── for the core

  send(message: ReplicaMessage): void {
    this.link.send(encodeMessage(message));
  }

  apply(entry: Entry, place: OrderPlace, own: number | null): void {
    const context = { ...place, from: entry.from };
    const waiting = own === null ? undefined : this.waiting.get(own);
    if (own !== null) this.waiting.delete(own);
    try {
      const result = this.result(entry, context);
      waiting?.resolve(result);
    } catch (error) {
      if (entry.kind !== 'command') throw error;
      waiting?.reject(error);
    }
    this.compact();
  }

  private result(entry: Entry, context: ApplyContext): unknown {
    switch (entry.kind) {
      case 'command':
        return this.options.apply(this.codec.decode(entry.payload), context);
      case 'view':
        this.members = (decodeMessagePack(entry.payload) as unknown as ViewMember[]).map(({ member, life }) => {
          const [nodeId, pid] = member.split('.').map(Number) as [number, number];
          return { nodeId, pid, life };
        });
        return this.options.members?.(this.members, context);
      case 'merge':
        return this.options.onMerge?.(entry.payload);
      case 'check':
        this.send({ type: 'digest', index: context.index, digest: this.digest() });
        return context.index;
      case 'barrier':
        return undefined;
    }
  }

  private digest(): string {
    return createHash('sha256').update(this.options.snapshot()).digest('base64');
  }

  applied(own: number): void {
    const waiting = this.waiting.get(own);
    this.waiting.delete(own);
    waiting?.reject(
      new MachineError('RONDO_RESULT_LOST', 'the command was applied while this member was away', 'Read the state'),
    );
  }

  snapshot(): Uint8Array {
    return this.options.snapshot();
  }

  restore(snapshot: Uint8Array): void {
    this.options.restore(snapshot);
  }

  persist(record: PersistRecord): void {
    if (this.store !== null) this.store.append(record);
    else this.inMemory();
  }

  private memoryCalls = 0;
  private memoryReported = false;
  private inMemory(): void {
    this.memoryCalls++;
    if (this.memoryReported) return;
    this.memoryReported = true;
    queueMicrotask(() => {
      this.memoryReported = false;
      this.guarded(() => this.core?.persisted(this.memoryCalls));
    });
  }

  private compact(): void {
    if (this.store?.isLong !== true || this.compacting) return;
    this.compacting = true;
    queueMicrotask(() => {
      this.compacting = false;
      this.guarded(() => this.core?.compact());
    });
  }

  stateChanged(state: ReplicaState): void {
    for (const listener of [...this.listeners]) listener(state);
  }

  digestOf(from: string, index: number, digest: string): void {
    const member = this.members.find((other) => memberName(other) === from);
    if (member !== undefined) this.digests.note(index, member, digest);
  }
}

export const isResultLost = (error: unknown): boolean =>
  error instanceof MachineError && error.code === 'RONDO_RESULT_LOST';

/** What the envelope of a command needs besides it. */
const ENVELOPE_BYTES = 4096;
const COMMAND_BYTES_MAX = CPG_MESSAGE_BYTES_MAX - ENVELOPE_BYTES;

/** A longer one would never get its place. */
function checkedCommand(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= COMMAND_BYTES_MAX) return bytes;
  throw new ArgumentError(`a command of ${bytes.length} bytes, at most ${COMMAND_BYTES_MAX} are agreed on`);
}

function checkedName(name: string): void {
  checkedText(name, 'the name of a machine');
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > NAME_BYTES_MAX) {
    throw new MachineError(
      'RONDO_MACHINE_FAILED',
      `the name of a machine has 1 to ${NAME_BYTES_MAX} bytes, not ${bytes}`,
    );
  }
}
