import { CsError, CsStatusError } from '../lib/errors.ts';
import { CPG_CALLS, FragmentType } from '../services/codec/cpg.ts';
import { GROUP_NAME_BYTES_MAX, groupNameValue } from '../services/codec/fields.ts';
import { viewOf } from '../services/codec/struct.ts';
import { abortable, checkedSignal, within } from './abort.ts';
import { checkedAmount, checkedText, type MessageData, messageBytes } from './arguments.ts';
import { Confirmations, type CpgPlace } from './confirmations.ts';
import { Connection } from './connection.ts';
import { type CpgEvent, CpgEventDecoder, type CpgMessageEvent, type CpgProcess } from './cpg-events.ts';
import { ArgumentError, type ConnectionError, endReason, StateError } from './errors.ts';
import { LentMemory } from './lent-memory.ts';
import { MessageQueue } from './message-queue.ts';
import type { GapEvent, Reconnects } from './reconnection.ts';
import type { StatusHints } from './reply.ts';
import { type CallDetails, type CallOptions, type ReconnectingOptions, Session } from './session.ts';
import { SharedEvents } from './shared-events.ts';
import { nextTurnIfDue } from './time-slice.ts';

export type { CpgPlace } from './confirmations.ts';
export type {
  CpgChange,
  CpgEvent,
  CpgMembershipEvent,
  CpgMessageEvent,
  CpgOversizeEvent,
  CpgProcess,
  CpgReason,
  CpgRingEvent,
} from './cpg-events.ts';

/** Payload of one request; longer messages are sent in fragments. */
export const CPG_ATOMIC_BYTES_MAX = 1_047_552;
/** The longest message that is sent, and that a member takes unless it says otherwise. */
export const CPG_MESSAGE_BYTES_MAX = 256 * 1024 * 1024;
const QUEUE_BYTES_DEFAULT = 8 * 1024 * 1024;
/** What an event costs in the queue besides its data. */
const EVENT_OVERHEAD_BYTES = 200;
/** More events than these in the queue cost the garbage collector, which copies what lives while the program stands still. */
const BEHIND_EVENTS = 500;
const GUARANTEE_AGREED = 2;
const MCAST = CPG_CALLS.mcast.request.fields;
const FLAG_INITIAL_TOTEM = 1;
/** `close()` waits this long for messages that wait and for the daemon, then cuts the connection. */
const CLOSE_MS_DEFAULT = 5_000;
const JOIN_HINTS: StatusHints = {
  [CsError.EXIST]: 'This process is in that group already (a process is in it once), or this connection in a group',
  [CsError.INVALID_PARAM]: 'This connection was in a group before: open another one',
};
const FRAGMENT_HINTS: StatusHints = {
  [CsError.INTERRUPT]: 'The membership changed in between and nobody gets the message: send it again',
};
const LONG_MESSAGE_HINT = `A message above ${CPG_ATOMIC_BYTES_MAX} bytes is not copied: leave its memory alone until the promise of send is settled`;
const ITERATE = { GROUPS: 1, ONE: 2, ALL: 3 } as const;

export interface CpgOptions extends ReconnectingOptions {
  /** Bytes of events kept here for a slow reader before the daemon keeps them. */
  readonly queueBytes?: number;
  /** Longer messages of others are skipped, each with an `oversize` event. Default 256 MiB, the most that is sent. */
  readonly messageBytesMax?: number;
  /**
   * Called at once with each message, in order with what `events()` has, which then has all but messages. `data` is not copied: it is memory
   * that is shared with the daemon, valid during the call only, and never changed. What it throws ends the connection. Default: messages
   * are events.
   */
  readonly onMessage?: (message: CpgMessageEvent) => void;
  /**
   * `lent`: `data` of a message from `events()` is valid until the next event is asked for, or the loop is left; its memory is used again then. For
   * programs that receive much and are done with each message in its turn of the loop. Default `owned`: it belongs to the program.
   */
  readonly messageMemory?: 'owned' | 'lent';
}

/** Until when a `send` waits. `delivered`: until the message has come back in the order of the group, and its place is known. */
export interface SendOptions extends CallOptions {
  readonly confirm?: 'sent' | 'delivered';
}

/** A process in a group, as `processes()` lists them. */
export interface CpgMember extends CpgProcess {
  readonly group: string;
}

/**
 * Closed process groups: members of a group see every message of it, and every change of its membership, in one order.
 *
 * ```ts
 * const cpg = await Cpg.connect();
 * await cpg.join('example');
 * await cpg.send('hello');
 * for await (const event of cpg.events()) {
 *   if (event.type === 'message') console.log(event.nodeId, Buffer.from(event.data).toString());
 * }
 * ```
 *
 * One connection is in at most one group, once: to join another one, or the same again, open another connection.
 */
export class Cpg<Gap extends GapEvent = never> extends Connection {
  protected override session!: Session;
  private readonly stream: SharedEvents<CpgEvent | GapEvent>;
  private readonly decoder: CpgEventDecoder;
  private queue!: MessageQueue;
  private readonly confirmations = new Confirmations(() => endReason('cpg', null));
  /** Of every message, with its lengths: made once. */
  private readonly head = CPG_CALLS.mcast.request.head({ guarantee: GUARANTEE_AGREED }, 0);
  private readonly headView = viewOf(this.head);
  private group: Uint8Array | null = null;
  private joinFlags = 0;
  private state: 'none' | 'joined' | 'left' = 'none';

  private constructor(
    queueBytes: number,
    messageBytesMax: number,
    private readonly onMessage: CpgOptions['onMessage'],
    private readonly memory: LentMemory | null,
    private ownNodeId: number,
  ) {
    super();
    this.decoder = new CpgEventDecoder(messageBytesMax, onMessage === undefined ? memory?.copy : (data) => data);
    this.stream = new SharedEvents(queueBytes, {
      hold: (stream) => this.session.hold(stream),
      release: (stream) => this.session.release(stream),
    });
  }

  /** Node id of the daemon that this is connected to. */
  get nodeId(): number {
    return this.ownNodeId;
  }

  static connect(options: CpgOptions & Reconnects): Promise<Cpg<GapEvent>>;
  static connect(options?: CpgOptions): Promise<Cpg>;
  static async connect(options: CpgOptions = {}): Promise<Cpg<GapEvent>> {
    const queueBytes = checkedAmount(options.queueBytes, 'queueBytes', QUEUE_BYTES_DEFAULT);
    const messageBytesMax = checkedAmount(options.messageBytesMax, 'messageBytesMax', CPG_MESSAGE_BYTES_MAX);
    const memory = options.messageMemory === 'lent' ? new LentMemory() : null;
    let cpg: Cpg<GapEvent> | null = null;
    const early: Uint8Array[] = [];
    const session = await Session.open('cpg', options, (event) => {
      if (cpg === null) early.push(new Uint8Array(event));
      else cpg.take(event);
    });
    try {
      const { nodeId } = await session.call(CPG_CALLS.localGet, {}, 'cpg local node id', options);
      cpg = new Cpg<GapEvent>(queueBytes, messageBytesMax, options.onMessage, memory, nodeId);
    } catch (error) {
      session.close();
      throw error;
    }
    cpg.attach(session);
    for (const event of early) cpg.take(event);
    return cpg;
  }

  private attach(session: Session): void {
    this.session = session;
    session.register(this.stream);
    session.pacedBy(() => this.stream.waiting >= BEHIND_EVENTS);
    session.register(this.confirmations);
    this.queue = new MessageQueue(session, {
      post: (data) => this.post(data),
      fitsAtOnce: (data) => data.length <= CPG_ATOMIC_BYTES_MAX,
      sendInPieces: (data, signal) => this.sendFragments(data, signal),
    });
    session.reviveBy({ lost: (reason) => this.lost(reason), revive: (life) => this.revive(life) });
  }

  private lost(reason: ConnectionError): void {
    this.decoder.reset();
    this.confirmations.restart(reason);
    this.stream.push({ type: 'gap', reason }, EVENT_OVERHEAD_BYTES);
  }

  private async revive(life: number): Promise<void> {
    this.ownNodeId = (await this.session.call(CPG_CALLS.localGet, {}, 'cpg local node id', { life })).nodeId;
    if (this.state !== 'joined' || this.group === null) return;
    await this.enter(this.group, this.joinFlags, 'cpg: joining again', { life });
    this.queue.wake();
  }

  /**
   * Joins a group; the own membership event arrives in `events()`. `initialRing` also asks for a `ring` event, which follows it.
   *
   * @throws CsStatusError EXIST: this process is in the group already, or this connection in some group.
   */
  async join(group: string, options: CallOptions & { readonly initialRing?: boolean } = {}): Promise<void> {
    const name = groupBytes(group);
    this.joinFlags = options.initialRing === true ? FLAG_INITIAL_TOTEM : 0;
    await this.enter(name, this.joinFlags, `cpg: joining '${group}'`, options);
    this.group = name;
    this.state = 'joined';
  }

  private async enter(name: Uint8Array, flags: number, what: string, details: CallDetails): Promise<void> {
    const values = { group: groupNameValue(name), pid: process.pid, flags };
    await this.session.call(CPG_CALLS.join, values, what, { ...details, hints: JOIN_HINTS });
  }

  /** Leaves the group. The connection cannot join again after that: stock's rule. */
  async leave(options: CallOptions = {}): Promise<void> {
    if (this.group === null || this.state !== 'joined') throw notJoined(this.state);
    const values = { group: groupNameValue(this.group), pid: process.pid };
    await this.queue.drained(); // what was sent before is delivered before
    this.state = 'left';
    const reply = await this.session.exchange(CPG_CALLS.leave, values, { ...options, repeatBusy: true });
    if (reply.status !== CsError.OK) this.state = 'joined';
    reply.requireOk('cpg: leaving');
  }

  /**
   * Multicasts to the group: text as UTF-8, everything else as the bytes of its memory. Resolves when the daemon has the
   * message; it is delivered to every member, the sender included, or to none. Waits while the cluster is busy. Calls are
   * sent in the order in which they were made. A loop of sends lets timers and events have their turns. The memory of a message is the caller's
   * again when the call has returned; that of one above 1 047 552 bytes, which is not copied as a whole, when the promise is settled.
   *
   * With `confirm: 'delivered'` it resolves when the message was delivered to this connection, with its place in the order. It
   * does not mean that other members have it, too: they will, unless they or this node leave the ring before.
   *
   * @throws StateError NOT_JOINED: before `join()`, or after `leave()`.
   * @throws ArgumentError: not a message, or more than 256 MiB.
   * @throws ConnectionError TIMEOUT: there was no room for `timeoutMs`.
   * @throws CsStatusError INTERRUPT: the membership changed in the middle of a message above 1 047 552 bytes; send it again.
   */
  send(message: MessageData, options: SendOptions & { readonly confirm: 'delivered' }): Promise<CpgPlace>;
  send(message: MessageData, options?: SendOptions): Promise<void>;
  send(message: MessageData, options: SendOptions = {}): Promise<unknown> {
    try {
      const signal = checkedSignal(options.signal);
      const data = this.sendable(message);
      if (options.confirm === 'delivered') return this.sendConfirmed(ownOf(data), signal);
      if (data.length > CPG_ATOMIC_BYTES_MAX) return this.queue.add(ownOf(data), signal);
      if (!this.queue.busy && this.post(data)) return nextTurnIfDue() ?? Promise.resolve();
      // The caller may use its buffer again once the call returned.
      return this.queue.addCopy(data, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private async sendConfirmed(data: Uint8Array, signal: AbortSignal | undefined): Promise<CpgPlace> {
    const place = this.confirmations.of(data);
    place.catch(() => {}); // whoever awaits below hears of it
    try {
      if (this.queue.busy || data.length > CPG_ATOMIC_BYTES_MAX || !this.post(data)) await this.queue.add(data, signal);
    } catch (error) {
      this.confirmations.forget(data);
      throw error;
    }
    return within(abortable(place, signal), this.session.timeoutMs, () => this.session.late());
  }

  /**
   * Like `send` without waiting: `false` when the cluster is busy, nothing was sent. Only up to 1 047 552 bytes. A loop of these
   * calls has to wait for the event loop by itself.
   */
  trySend(message: MessageData): boolean {
    const data = this.sendable(message);
    if (data.length > CPG_ATOMIC_BYTES_MAX)
      throw new ArgumentError(`${data.length} bytes are too many for trySend`, 'Use send');
    if (this.queue.busy) return false;
    return this.post(data);
  }

  /**
   * Messages, membership and ring changes, in order. One reader at a time; leaving the loop loses nothing, a later loop goes on
   * where it ended. See `CpgOptions.queueBytes` for what happens to a slow reader. `watch` is for further readers.
   */
  events(options: CallOptions = {}): AsyncIterableIterator<CpgEvent | Gap> {
    const loop = this.stream.loop(options.signal);
    return this.withGaps(this.memory?.lending(loop) ?? loop);
  }

  /**
   * Everything from now on, for any number of readers at a time, each of which sees every event; ends with its loop. The first one also has what came
   * before, if `events()` was not called. The slowest decides when the daemon has to wait.
   *
   * @throws ArgumentError: with `messageMemory: 'lent'`, which has one reader.
   */
  watch(options: CallOptions = {}): AsyncIterableIterator<CpgEvent | Gap> {
    if (this.memory !== null) throw new ArgumentError("messages whose memory is lent have one reader: use 'owned'");
    return this.withGaps(this.stream.watch(options.signal));
  }

  /** Only a connection that is made again has gaps. */
  private withGaps(events: AsyncIterableIterator<CpgEvent | GapEvent>): AsyncIterableIterator<CpgEvent | Gap> {
    return events as AsyncIterableIterator<CpgEvent | Gap>;
  }

  /** Processes that are in the group now. */
  async members(group: string, options: CallOptions = {}): Promise<CpgProcess[]> {
    const values = { group: groupNameValue(groupBytes(group)) };
    const what = `cpg: members of '${group}'`;
    const { members, memberCount } = await this.session.call(CPG_CALLS.membership, values, what, options);
    return members.slice(0, memberCount).map(({ nodeId, pid }) => ({ nodeId, pid }));
  }

  /** Every process of every group of the cluster, or of one group. */
  async processes(group: string | null = null, options: CallOptions = {}): Promise<CpgMember[]> {
    const what = 'cpg: listing processes';
    const name = groupNameValue(groupBytes(group ?? ''));
    const life = await this.session.connected(options.signal);
    const begin = { group: name, iterationType: group === null ? ITERATE.ALL : ITERATE.ONE };
    const { handle } = await this.session.call(CPG_CALLS.iterationInit, begin, what, options);
    const found: CpgMember[] = [];
    try {
      for (;;) {
        const reply = await this.session.exchange(CPG_CALLS.iterationNext, { handle }, { ...options, life });
        if (reply.status === CsError.NO_SECTIONS) break;
        const { group: of, nodeId, pid } = reply.requireOk(what).values;
        found.push({ group: Buffer.from(of.bytes).toString(), nodeId, pid });
      }
    } finally {
      if (this.session.isConnected && this.session.life === life)
        await this.session.exchange(CPG_CALLS.iterationFinalize, { handle }, { life });
    }
    return found;
  }

  /**
   * Ends the connection; a group that was joined is left. `events()` ends. Messages that wait are sent first, for at most
   * `timeoutMs` (default 5000); then the connection is cut, which has the same effect, and they reject with `RONDO_CLOSED`.
   */
  override async close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const timeoutMs = checkedAmount(options.timeoutMs, 'timeoutMs', CLOSE_MS_DEFAULT);
    if (this.session.closed) return;
    try {
      // While there is no connection, only messages that wait are a reason to wait for one.
      if (this.isConnected || this.queue.busy) await within(this.finalize(), timeoutMs, () => this.session.late());
    } catch {
      // The daemon is gone, or busy for too long.
    }
    this.session.close();
  }

  private async finalize(): Promise<void> {
    await this.queue.drained();
    await this.session.exchange(CPG_CALLS.finalize, {});
  }

  private take(event: Uint8Array): void {
    const decoded = this.decoder.decode(event);
    if (decoded === null) return;
    this.note(decoded);
    this.queue.wake(); // the daemon has taken requests meanwhile
    if (decoded.type === 'message' && this.onMessage !== undefined) this.onMessage(decoded);
    else this.stream.push(decoded, EVENT_OVERHEAD_BYTES + (decoded.type === 'message' ? decoded.data.length : 0));
  }

  private note(event: CpgEvent): void {
    if (event.type === 'membership') this.confirmations.membership();
    else if (event.type === 'ring') this.confirmations.ring(event.ringId);
    else this.confirmations.message(event.pid === process.pid && event.nodeId === this.nodeId);
  }

  private post(data: Uint8Array): boolean {
    const { head, headView } = this;
    MCAST.size.write(headView, 0, head.length + data.length);
    MCAST.messageBytes.write(headView, 0, data.length);
    if (!this.session.tryPostEncoded(head, data)) return false;
    this.confirmations.posted(data);
    return true;
  }

  private sendable(message: MessageData): Uint8Array {
    const data = messageBytes(message);
    this.session.requireOpen();
    if (this.state !== 'joined') throw notJoined(this.state);
    if (data.length > CPG_MESSAGE_BYTES_MAX) {
      throw new ArgumentError(
        `a message of ${data.length} bytes, at most ${CPG_MESSAGE_BYTES_MAX} are sent`,
        'Members skip longer ones: send it in parts',
      );
    }
    return data;
  }

  private async sendFragments(data: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const options = signal === undefined ? { hints: FRAGMENT_HINTS } : { signal, hints: FRAGMENT_HINTS };
    const { length } = data;
    const life = await this.session.connected(signal);
    for (let at = 0; at < length; at += CPG_ATOMIC_BYTES_MAX) {
      if (data.length !== length)
        throw new ArgumentError('the memory of the message was given away while it was sent', LONG_MESSAGE_HINT);
      const tail = data.subarray(at, at + CPG_ATOMIC_BYTES_MAX);
      const last = at + tail.length === length;
      const type = at === 0 ? FragmentType.FIRST : last ? FragmentType.LAST : FragmentType.CONTINUED;
      const head = { guarantee: GUARANTEE_AGREED, messageBytes: length, fragmentBytes: tail.length, type };
      if (last) this.confirmations.posted(data); // its delivery may be seen before its response
      try {
        await this.session.call(CPG_CALLS.partialMcast, head, 'cpg: sending a long message', {
          ...options,
          tail,
          life,
        });
      } catch (error) {
        if (last && error instanceof CsStatusError) this.confirmations.refused();
        else if (last && life === this.session.life) this.confirmations.lostTrack();
        throw error;
      }
    }
  }
}

/** Each message has an object of its own, by which its confirmation is known. */
const ownOf = (data: Uint8Array): Uint8Array =>
  data.length > CPG_ATOMIC_BYTES_MAX ? data.subarray() : new Uint8Array(data);

const notJoined = (state: 'none' | 'joined' | 'left'): StateError =>
  state === 'left'
    ? new StateError('RONDO_NOT_JOINED', 'cpg: this connection has left its group', 'Open another one to join again')
    : new StateError('RONDO_NOT_JOINED', 'cpg: this connection is in no group', 'Wait for join() first');

function groupBytes(group: string): Uint8Array {
  const bytes = new TextEncoder().encode(checkedText(group, 'a group name'));
  if (bytes.length > GROUP_NAME_BYTES_MAX) {
    throw new ArgumentError(`group name of ${bytes.length} bytes`, `The limit is ${GROUP_NAME_BYTES_MAX}`);
  }
  return bytes;
}
