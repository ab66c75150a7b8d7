import { checkedSignal } from '../client/abort.ts';
import { checkedAmount, checkedText } from '../client/arguments.ts';
import { BACKOFF_DEFAULT, type Backoff } from '../client/backoff.ts';
import type { Clock } from '../client/clock.ts';
import { clockOf } from '../client/clock.ts';
import { type Codec, jsonCodec } from '../client/codecs.ts';
import type { CpgPlace, CpgProcess, SendOptions } from '../client/cpg.ts';
import { ConnectionError } from '../client/errors.ts';
import type { RingIdentity } from '../client/quorum.ts';
import type { CallOptions, ConnectOptions, SessionStream } from '../client/session.ts';
import { SharedEvents } from '../client/shared-events.ts';
import { GroupLink } from './group-link.ts';
import { Deadlines } from './replicated/deadlines.ts';

export type GroupEvent<T> =
  | { readonly type: 'message'; readonly from: CpgProcess; readonly value: T }
  /** A message that the codec does not know. */
  | { readonly type: 'undecodable'; readonly from: CpgProcess; readonly data: Uint8Array; readonly error: unknown }
  | { readonly type: 'members'; readonly members: readonly CpgProcess[] }
  | { readonly type: 'ring'; readonly ringId: RingIdentity }
  /** Not in order with the others: compare its ring with that of the last `ring`. */
  | { readonly type: 'quorum'; readonly ringId: RingIdentity; readonly quorate: boolean }
  /** The connection is lost. What happens until the next `members` event is missed; take the state of the group from another member then. */
  | { readonly type: 'gap'; readonly reason: Error };

export interface GroupOptions<T> extends ConnectOptions {
  readonly name: string;
  /** Of messages. Default JSON. */
  readonly codec?: Codec<T>;
  /** How a lost connection is made again; `null`: its end is the end of the group. Default 100 ms to 5 s. */
  readonly backoff?: Backoff | null;
  /** Whether there are `quorum` events, too. Default `false`. */
  readonly quorum?: boolean;
  /** Events that wait here for a slow reader, before the daemon keeps them. Default 10 000. */
  readonly queueEvents?: number;
}

export interface GroupSendOptions extends SendOptions {
  /** How long to wait for a connection, while there is none. Default 60 000. */
  readonly timeoutMs?: number;
}

const QUEUE_EVENTS = 10_000;
const TIMEOUT_MS_DEFAULT = 60_000;

/**
 * A process group with values instead of bytes, whose connection is made again when it ends; what was missed is never passed over in silence.
 *
 * ```ts
 * const group = await ProcessGroup.open<{ text: string }>({ name: 'chat' });
 * await group.send({ text: 'hello' });
 * for await (const event of group.events()) if (event.type === 'message') console.log(event.from.nodeId, event.value.text);
 * ```
 */
export class ProcessGroup<T> {
  private readonly clock: Clock;
  private readonly codec: Codec<T>;
  private readonly link: GroupLink;
  private readonly deadlines: Deadlines;
  private readonly stream: SharedEvents<GroupEvent<T>>;
  private readonly holding = new Set<SessionStream>();
  private readonly waiting = new Set<() => void>();
  private full: { readonly promise: Promise<void>; readonly resolve: () => void } | null = null;
  private resolveEnd: (reason: Error | null) => void = () => {};
  private isOver = false;
  /** Resolves when the group is closed (`null`), or its connection is over for good. Never rejects. */
  readonly ended = new Promise<Error | null>((resolve) => {
    this.resolveEnd = resolve;
  });

  private constructor(options: GroupOptions<T>) {
    this.clock = clockOf(options);
    this.codec = options.codec ?? jsonCodec<T>();
    this.deadlines = new Deadlines(this.clock);
    this.stream = new SharedEvents(checkedAmount(options.queueEvents, 'queueEvents', QUEUE_EVENTS), {
      hold: (stream) => this.hold(stream),
      release: (stream) => this.release(stream),
    });
    const backoff = options.backoff === undefined ? BACKOFF_DEFAULT : options.backoff;
    const link = { group: checkedText(options.name, 'the name of a group'), connect: options, backoff };
    this.link = new GroupLink(
      { ...link, withQuorum: options.quorum ?? false },
      {
        connected: () => this.connected(),
        disconnected: (reason) => this.stream.push({ type: 'gap', reason }),
        membership: (members) => this.stream.push({ type: 'members', members }),
        ring: (ringId) => this.stream.push({ type: 'ring', ringId }),
        quorum: ({ ringId, quorate }) => this.stream.push({ type: 'quorum', ringId, quorate }),
        message: ({ nodeId, pid }, data) => this.stream.push(this.decoded({ nodeId, pid }, data)),
        room: () => this.full?.promise ?? null,
        over: (reason) => this.finish(reason),
      },
    );
  }

  /** Resolves in the group. @throws what `Cpg.connect` and `join` throw. */
  static async open<T>(options: GroupOptions<T>): Promise<ProcessGroup<T>> {
    const group = new ProcessGroup<T>(options);
    try {
      await group.link.open();
    } catch (error) {
      await group.close();
      throw error;
    }
    return group;
  }

  /** Whether there is a connection now. */
  get isConnected(): boolean {
    return this.link.connection !== null;
  }

  /**
   * Sends to all members, this one included; see `Cpg.send`. Waits while there is no connection.
   *
   * @throws ConnectionError: it ended meanwhile, and the message may be delivered or not; there was none for `timeoutMs`; `close()`.
   */
  send(value: T, options: GroupSendOptions & { readonly confirm: 'delivered' }): Promise<CpgPlace>;
  send(value: T, options?: GroupSendOptions): Promise<void>;
  async send(value: T, options: GroupSendOptions = {}): Promise<unknown> {
    checkedSignal(options.signal);
    const data = this.codec.encode(value);
    const timeoutMs = checkedAmount(options.timeoutMs, 'timeoutMs', TIMEOUT_MS_DEFAULT);
    if (!this.isConnected && !this.isOver) await this.nextConnection(timeoutMs, options.signal);
    const cpg = this.link.connection;
    if (cpg === null) throw new ConnectionError('RONDO_CLOSED', 'the group is closed');
    return cpg.send(data, options);
  }

  /** Everything in the order of the group. One reader at a time; a later loop goes on where one ended. Ends with the group. */
  events(options: CallOptions = {}): AsyncIterableIterator<GroupEvent<T>> {
    return this.stream.loop(options.signal);
  }

  /**
   * Everything from now on, for any number of readers at a time, each of which sees every event; ends with its loop. The first one also has what came
   * before, if `events()` was not called.
   */
  watch(options: CallOptions = {}): AsyncIterableIterator<GroupEvent<T>> {
    return this.stream.watch(options.signal);
  }

  /** Leaves the group. What was sent is sent first, for at most 5 s. */
  async close(): Promise<void> {
    await this.link.close();
    this.finish(null);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private decoded(from: CpgProcess, data: Uint8Array): GroupEvent<T> {
    try {
      return { type: 'message', from, value: this.codec.decode(data) };
    } catch (error) {
      return { type: 'undecodable', from, data, error };
    }
  }

  private nextConnection(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const late = (): Error => new ConnectionError('RONDO_TIMEOUT', `no connection to the daemon for ${timeoutMs} ms`);
    let wake = (): void => {};
    let abort = (): void => {};
    const connected = new Promise<void>((resolve, reject) => {
      wake = resolve;
      abort = () => reject(signal?.reason);
    });
    this.waiting.add(wake);
    signal?.addEventListener('abort', abort, { once: true });
    return this.deadlines.limit(connected, timeoutMs, late).finally(() => {
      this.waiting.delete(wake);
      signal?.removeEventListener('abort', abort);
    });
  }

  private connected(): void {
    for (const wake of [...this.waiting]) wake();
  }

  private hold(stream: SessionStream): void {
    this.holding.add(stream);
    if (this.full !== null) return;
    let resolve = (): void => {};
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    this.full = { promise, resolve };
  }

  private release(stream: SessionStream): void {
    if (this.holding.delete(stream) && this.holding.size === 0) this.letGo();
  }

  private letGo(): void {
    this.full?.resolve();
    this.full = null;
  }

  private finish(reason: Error | null): void {
    if (this.isOver) return;
    this.isOver = true;
    this.letGo();
    if (reason === null) this.stream.end();
    else this.stream.fail(reason);
    this.resolveEnd(reason);
    this.connected();
  }
}
