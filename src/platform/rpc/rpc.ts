import { randomBytes } from 'node:crypto';
import { abortable, checkedSignal } from '../../client/abort.ts';
import { checkedAmount, checkedText } from '../../client/arguments.ts';
import { BACKOFF_DEFAULT } from '../../client/backoff.ts';
import { clockOf } from '../../client/clock.ts';
import { type Codec, jsonCodec } from '../../client/codecs.ts';
import type { CpgProcess } from '../../client/cpg.ts';
import { ArgumentError } from '../../client/errors.ts';
import type { CallOptions, ConnectOptions } from '../../client/session.ts';
import { RpcError } from '../errors.ts';
import { GroupLink } from '../group-link.ts';
import { Deadlines } from '../replicated/deadlines.ts';
import { memberName } from '../replicated/names.ts';
import { OpenCall, type RpcOutcome } from './open-call.ts';
import { RunningCalls } from './running-calls.ts';
import { type CallName, decodeRpc, encodeRpc, type RpcMessage } from './wire.ts';

export type { RpcOutcome } from './open-call.ts';

/** For a handler: who calls, and whether it still waits. */
export interface RpcContext {
  readonly from: CpgProcess;
  /** Fires when the caller died, was cut off, or does not wait any more. */
  readonly signal: AbortSignal;
}

export interface RpcOptions<Request, Reply> extends ConnectOptions {
  /** Programs with the same name call each other. */
  readonly name: string;
  /** Called with each request, in the agreed order; several run at a time when it is asynchronous. What it throws is the caller's error. */
  handle(request: Request, context: RpcContext): Reply | Promise<Reply>;
  /** Default JSON. */
  readonly requestCodec?: Codec<Request>;
  readonly replyCodec?: Codec<Reply>;
}

export interface RpcCallOptions extends CallOptions {
  /** How long to wait for replies, in milliseconds. Default 10 000; `Infinity`: as long as the members are there. */
  readonly timeoutMs?: number;
}

export interface CallAllOptions extends RpcCallOptions {
  /** Whether this program's own handler is called, too. Default `true`. */
  readonly self?: boolean;
}

const TIMEOUT_MS_DEFAULT = 10_000;
const OPEN_CALLS_MAX = 10_000;
const PAYLOAD_BYTES_MAX = 16 << 20;
const ERROR_CHARS_MAX = 1_000;
const NOWHERE: CpgProcess = { nodeId: 0, pid: 0 };

/**
 * Calls between programs in a group: of one member, of all, or of whoever replies first.
 *
 * ```ts
 * const rpc = await Rpc.open<number, number>({ name: 'square', handle: (n) => n * n });
 * const [member] = rpc.members();
 * console.log(await rpc.call(member, 7), await rpc.first(8), await rpc.callAll(9));
 * ```
 */
export class Rpc<Request, Reply> {
  private readonly deadlines: Deadlines;
  private readonly link: GroupLink;
  private readonly requestCodec: Codec<Request>;
  private readonly replyCodec: Codec<Reply>;
  private readonly open = new Map<number, OpenCall<Reply>>();
  private readonly withSelf = new Set<number>();
  private readonly running = new RunningCalls();
  private readonly arrivals = new Set<() => void>();
  private current: readonly CpgProcess[] = [];
  private self = NOWHERE;
  private session = '';
  private lastCall = 0;
  private end: RpcError | null = null;

  private constructor(private readonly options: RpcOptions<Request, Reply>) {
    this.deadlines = new Deadlines(clockOf(options));
    this.requestCodec = options.requestCodec ?? jsonCodec<Request>();
    this.replyCodec = options.replyCodec ?? jsonCodec<Reply>();
    const group = `rondo.rpc.${checkedText(options.name, 'the name of a group')}`;
    const link = { group, connect: options, withQuorum: false, backoff: BACKOFF_DEFAULT };
    this.link = new GroupLink(link, {
      connected: (self) => this.connected(self),
      disconnected: (reason) => this.disconnected(reason),
      membership: (members) => this.membership(members),
      ring: () => {},
      quorum: () => {},
      message: (from, data) => this.message(from, data),
    });
  }

  /** Resolves when this program can be called, and call. @throws what `Cpg.connect` and `join` throw. */
  static async open<Request, Reply>(options: RpcOptions<Request, Reply>): Promise<Rpc<Request, Reply>> {
    const rpc = new Rpc<Request, Reply>(options);
    try {
      await rpc.link.open();
      await rpc.whenMember(TIMEOUT_MS_DEFAULT, options.signal);
    } catch (error) {
      await rpc.close();
      throw error;
    }
    return rpc;
  }

  /** Who can be called now, this program included. Empty while there is no connection. */
  members(): readonly CpgProcess[] {
    return this.current;
  }

  /** The reply of one member. @throws RpcError; the signal's reason. */
  async call(member: CpgProcess, request: Request, options: RpcCallOptions = {}): Promise<Reply> {
    const [outcome] = await this.start(member, request, false, true, options);
    return resultOf(outcome);
  }

  /**
   * What it came to at every member: those that are members at the place of the call in the agreed order. A member that dies, or whose
   * handler throws, is an outcome with an error.
   *
   * @throws RpcError RONDO_RPC_TIMEOUT: not all in time; RONDO_RPC_INTERRUPTED; the signal's reason.
   */
  async callAll(request: Request, options: CallAllOptions = {}): Promise<readonly RpcOutcome<Reply>[]> {
    return this.start(null, request, false, options.self ?? true, options);
  }

  /** The first reply that is no error; the others are not awaited. @throws RpcError: that of the last member, when all failed. */
  async first(request: Request, options: CallAllOptions = {}): Promise<Reply> {
    const outcomes = await this.start(null, request, true, options.self ?? true, options);
    return resultOf(outcomes.find(({ ok }) => ok) ?? outcomes.at(-1));
  }

  /** Leaves. Calls that wait reject with RONDO_RPC_CLOSED. */
  async close(): Promise<void> {
    this.end ??= new RpcError('RONDO_RPC_CLOSED', `the group '${this.options.name}' was closed`);
    await this.link.close();
    this.current = [];
    this.failAll(this.end);
    this.running.cancelAbsent(() => false, this.end);
    for (const wake of [...this.arrivals]) wake();
    this.deadlines.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async start(
    target: CpgProcess | null,
    request: Request,
    first: boolean,
    withSelf: boolean,
    options: RpcCallOptions,
  ): Promise<readonly RpcOutcome<Reply>[]> {
    if (this.end !== null) throw this.end;
    const signal = checkedSignal(options.signal);
    const timeoutMs = checkedAmount(options.timeoutMs, 'timeoutMs', TIMEOUT_MS_DEFAULT);
    const payload = checkedPayload(this.requestCodec.encode(request));
    if (this.open.size >= OPEN_CALLS_MAX) {
      throw new RpcError('RONDO_RPC_BUSY', `${OPEN_CALLS_MAX} calls of this program wait`, 'Await some of them first');
    }
    const startedMs = this.nowMs();
    if (this.current.length === 0) await this.whenMember(timeoutMs, signal);
    const call = ++this.lastCall;
    const leftMs = Math.max(0, timeoutMs - (this.nowMs() - startedMs));
    const outcomes = new Promise<readonly RpcOutcome<Reply>[]>((resolve, reject) => {
      this.open.set(call, new OpenCall<Reply>(target, first, resolve, reject));
    });
    if (withSelf) this.withSelf.add(call);
    const name = { session: this.session, call };
    const { nodeId, pid } = target ?? NOWHERE;
    this.send(target === null ? { ...name, type: 'all', payload } : { ...name, type: 'one', nodeId, pid, payload });
    const late = (): Error => new RpcError('RONDO_RPC_TIMEOUT', `not all that were called replied in ${timeoutMs} ms`);
    try {
      const found = await abortable(this.deadlines.limit(outcomes, leftMs, late), signal);
      if (first) this.send({ ...name, type: 'cancel' });
      return found;
    } catch (error) {
      if (this.open.has(call)) this.send({ ...name, type: 'cancel' });
      throw error;
    } finally {
      this.open.delete(call);
      this.withSelf.delete(call);
    }
  }

  private nowMs(): number {
    return clockOf(this.options).nowMs();
  }

  private send(message: RpcMessage): void {
    this.link.send(encodeRpc(message));
  }

  private async whenMember(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.end !== null) throw this.end;
    if (this.current.length > 0) return;
    let wake = (): void => {};
    const arrived = new Promise<void>((resolve) => {
      wake = resolve;
      this.arrivals.add(wake);
    });
    const late = (): Error => new RpcError('RONDO_RPC_TIMEOUT', `no connection to the daemon for ${timeoutMs} ms`);
    try {
      await abortable(this.deadlines.limit(arrived, timeoutMs, late), signal);
    } finally {
      this.arrivals.delete(wake);
    }
    if (this.end !== null) throw this.end;
  }

  private failAll(error: Error): void {
    for (const { reject } of [...this.open.values()]) reject(error);
    this.open.clear();
    this.withSelf.clear();
  }

  // ── what the group reports

  private connected(self: CpgProcess): void {
    this.self = self;
    this.session = randomBytes(8).toString('hex');
  }

  private disconnected(cause: Error): void {
    this.current = [];
    const what = 'the connection to the daemon was lost: the call may have been carried out';
    this.failAll(new RpcError('RONDO_RPC_INTERRUPTED', what, '', { cause }));
    this.running.cancelAbsent(() => false, cause);
  }

  private membership(members: readonly CpgProcess[]): void {
    this.current = members.map(({ nodeId, pid }) => ({ nodeId, pid }));
    const present = new Set(members.map(memberName));
    for (const call of [...this.open.values()]) call.members(present);
    this.running.cancelAbsent((caller) => present.has(caller), new Error('the caller is not there any more'));
    for (const wake of [...this.arrivals]) wake();
  }

  private message(from: CpgProcess, data: Uint8Array): void {
    const message = decodeRpc(data);
    if (message === null) return;
    const name = memberName(from);
    const isOwn = message.session === this.session;
    switch (message.type) {
      case 'all':
      case 'one': {
        const withSelf = !isOwn || this.withSelf.has(message.call);
        if (isOwn) this.open.get(message.call)?.placed(this.current, withSelf, this.self);
        const isTarget = message.type === 'all' ? withSelf : memberName(message) === memberName(this.self);
        if (isTarget) this.run({ nodeId: from.nodeId, pid: from.pid }, message, message.payload);
        break;
      }
      case 'reply':
        if (isOwn) this.open.get(message.call)?.outcome(from, this.decoded(message.payload));
        break;
      case 'error': {
        const code = message.busy ? 'RONDO_RPC_BUSY' : 'RONDO_RPC_FAILED';
        if (isOwn) this.open.get(message.call)?.outcome(from, { error: new RpcError(code, message.text) });
        break;
      }
      case 'cancel':
        this.running.cancel(keyOf(name, message), new Error('the caller does not wait any more'));
        break;
      default: // of a later version
    }
  }

  private decoded(payload: Uint8Array): { readonly value: Reply } | { readonly error: RpcError } {
    try {
      return { value: this.replyCodec.decode(payload) };
    } catch (cause) {
      return { error: new RpcError('RONDO_RPC_FAILED', 'the codec does not know the reply', '', { cause }) };
    }
  }

  private run(from: CpgProcess, { session, call }: CallName, payload: Uint8Array): void {
    const key = keyOf(memberName(from), { session, call });
    const controller = this.running.begin(memberName(from), key);
    if (controller === null) {
      this.send({ session, call, type: 'error', busy: true, text: 'the member has too many calls to work on' });
      return;
    }
    const work = async (): Promise<Uint8Array> => {
      const request = this.requestCodec.decode(payload);
      return checkedPayload(
        this.replyCodec.encode(await this.options.handle(request, { from, signal: controller.signal })),
      );
    };
    work().then(
      (bytes) => {
        if (this.running.end(key)) this.send({ session, call, type: 'reply', payload: bytes });
      },
      (error: unknown) => {
        const text = (error instanceof Error ? error.message : String(error)).slice(0, ERROR_CHARS_MAX);
        if (this.running.end(key)) this.send({ session, call, type: 'error', busy: false, text });
      },
    );
  }
}

const keyOf = (caller: string, { session, call }: CallName): string => `${caller}/${session}/${call}`;

function resultOf<Reply>(outcome: RpcOutcome<Reply> | undefined): Reply {
  if (outcome === undefined) throw new RpcError('RONDO_RPC_NOBODY', 'nobody was there to reply');
  if (!outcome.ok) throw outcome.error;
  return outcome.value;
}

function checkedPayload(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= PAYLOAD_BYTES_MAX) return bytes;
  throw new ArgumentError(`a call and its reply have at most ${PAYLOAD_BYTES_MAX} bytes, not ${bytes.length}`);
}
