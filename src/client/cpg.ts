import { setTimeout as delay } from 'node:timers/promises';
import { CsError, CsStatusError } from '../lib/errors.ts';
import {
  CPG_FINALIZE,
  CPG_ITERATION_FINALIZE,
  CPG_ITERATION_INIT,
  CPG_ITERATION_INIT_RESPONSE,
  CPG_ITERATION_NEXT,
  CPG_ITERATION_NEXT_RESPONSE,
  CPG_JOIN,
  CPG_LEAVE,
  CPG_LOCAL_GET,
  CPG_LOCAL_GET_RESPONSE,
  CPG_MCAST,
  CPG_MEMBERSHIP,
  CPG_MEMBERSHIP_RESPONSE,
  CPG_PARTIAL_MCAST,
  FragmentType,
} from '../services/codec/cpg.ts';
import { GROUP_NAME_BYTES_MAX, groupNameValue } from '../services/codec/fields.ts';
import { messageError } from '../services/codec/struct.ts';
import type { OpenChannel } from './channel.ts';
import { type CpgEvent, CpgEventDecoder, type CpgProcess } from './cpg-events.ts';
import { ArgumentError, ConnectionError } from './errors.ts';
import { EventStream } from './event-stream.ts';
import { openIpcChannel } from './ipc-channel.ts';
import { type CallOptions, type ConnectOptions, Session } from './session.ts';

export type {
  CpgChange,
  CpgEvent,
  CpgMembershipEvent,
  CpgMessageEvent,
  CpgProcess,
  CpgReason,
  CpgRingEvent,
} from './cpg-events.ts';

/** Payload of one request; longer messages are sent in fragments (services.md 4.7). */
export const CPG_ATOMIC_BYTES_MAX = 1_047_552;
const QUEUE_BYTES_DEFAULT = 8 * 1024 * 1024;
const MESSAGE_BYTES_MAX_DEFAULT = 256 * 1024 * 1024;
/** What an event costs in the queue besides its data. */
const EVENT_OVERHEAD_BYTES = 200;
const GUARANTEE_AGREED = 2;
const FLAG_INITIAL_TOTEM = 1;
const SEND_PAUSE_MS = 1;
const ITERATE = { GROUPS: 1, ONE: 2, ALL: 3 } as const;

export interface CpgOptions extends ConnectOptions {
  /** Bytes of events kept here for a slow reader before the daemon keeps them. */
  readonly queueBytes?: number;
  /** Longer messages of others end the connection with an error. */
  readonly messageBytesMax?: number;
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
export class Cpg {
  private readonly stream: EventStream<CpgEvent>;
  private readonly decoder: CpgEventDecoder;
  private session!: Session;
  private group: Uint8Array | null = null;
  private sending: Promise<void> | null = null;

  private constructor(
    options: CpgOptions,
    /** Node id of the daemon that this is connected to. */
    readonly nodeId: number,
  ) {
    this.decoder = new CpgEventDecoder(options.messageBytesMax ?? MESSAGE_BYTES_MAX_DEFAULT);
    this.stream = new EventStream(options.queueBytes ?? QUEUE_BYTES_DEFAULT, {
      onFull: () => this.session.hold(this.stream),
      onDrained: () => this.session.release(this.stream),
      onReturn: () => {},
    });
  }

  static async connect(options: CpgOptions = {}, openChannel: OpenChannel = openIpcChannel): Promise<Cpg> {
    let cpg: Cpg | null = null;
    const early: Uint8Array[] = [];
    const session = await Session.open(openChannel, 'cpg', options, (event) => {
      if (cpg === null) early.push(new Uint8Array(event));
      else cpg.take(event);
    });
    try {
      const response = await session.call(CPG_LOCAL_GET.message(), 'cpg local node id', pick(options));
      const local = CPG_LOCAL_GET_RESPONSE.decode(response);
      if (local === null) throw new ConnectionError('RONDO_PROTOCOL', 'cpg: short response');
      cpg = new Cpg(options, local.nodeId);
    } catch (error) {
      session.close();
      throw error;
    }
    cpg.session = session;
    session.register(cpg.stream);
    for (const event of early) cpg.take(event);
    return cpg;
  }

  /**
   * Joins a group; the own membership event arrives in `events()`. `initialRing` also asks for a `ring` event to begin with.
   *
   * @throws CsStatusError EXIST: this process is in the group already, or this connection in some group.
   */
  async join(group: string, options: CallOptions & { readonly initialRing?: boolean } = {}): Promise<void> {
    const name = groupBytes(group);
    const flags = options.initialRing === true ? FLAG_INITIAL_TOTEM : 0;
    const request = CPG_JOIN.message({ group: groupNameValue(name), pid: process.pid, flags });
    await this.session.call(request, `cpg: joining '${group}'`, options, {
      [CsError.EXIST]: 'This process is in that group already, or this connection in a group',
    });
    this.group = name;
  }

  /** Leaves the group. The connection cannot join again after that: stock's rule (services.md 4.5). */
  async leave(options: CallOptions = {}): Promise<void> {
    if (this.group === null) throw new ArgumentError('this connection is in no group');
    const request = CPG_LEAVE.message({ group: groupNameValue(this.group), pid: process.pid });
    const response = await this.session.exchange(request, options, true);
    if (messageError(response) !== CsError.OK) throw new CsStatusError(messageError(response), 'cpg: leaving');
  }

  /**
   * Multicasts to the group. Resolves when the daemon has the message; it is delivered to every member, the sender
   * included, or to none. Waits while the cluster is busy. Calls are sent in the order in which they were made.
   *
   * @throws CsStatusError INTERRUPT: the membership changed in the middle of a message above 1 047 552 bytes; send it again.
   */
  send(message: Uint8Array | string, options: CallOptions = {}): Promise<void> {
    const data = typeof message === 'string' ? Buffer.from(message) : message;
    if (this.sending === null && data.length <= CPG_ATOMIC_BYTES_MAX) {
      try {
        if (this.trySend(data)) return Promise.resolve();
      } catch (error) {
        return Promise.reject(error);
      }
    }
    // The caller may use its buffer again once the call returned.
    const copy = new Uint8Array(data); // not slice(): of a Buffer that is no copy
    const previous = this.sending ?? Promise.resolve();
    const turn = previous.catch(() => {}).then(() => this.sendWaiting(copy, options));
    const settled = turn.catch(() => {});
    this.sending = settled;
    void settled.then(() => {
      if (this.sending === settled) this.sending = null;
    });
    return turn;
  }

  /** Like `send` without waiting: `false` when the cluster is busy, nothing was sent. Only up to 1 047 552 bytes. */
  trySend(message: Uint8Array | string): boolean {
    const data = typeof message === 'string' ? Buffer.from(message) : message;
    if (data.length > CPG_ATOMIC_BYTES_MAX)
      throw new ArgumentError(`${data.length} bytes are too many for trySend`, 'Use send');
    if (this.sending !== null) return false;
    return this.post(data);
  }

  /** Messages, membership and ring changes, in order. One reader; see `CpgOptions.queueBytes` for what happens to a slow one. */
  events(options: CallOptions = {}): AsyncIterableIterator<CpgEvent> {
    return options.signal === undefined ? this.stream : this.stream.until(options.signal);
  }

  /** Processes that are in the group now. */
  async members(group: string, options: CallOptions = {}): Promise<CpgProcess[]> {
    const request = CPG_MEMBERSHIP.message({ group: groupNameValue(groupBytes(group)) });
    const response = CPG_MEMBERSHIP_RESPONSE.decode(
      await this.session.call(request, `cpg: members of '${group}'`, options),
    );
    if (response === null) throw new ConnectionError('RONDO_PROTOCOL', 'cpg: short response');
    return response.members.slice(0, response.memberCount).map(({ nodeId, pid }) => ({ nodeId, pid }));
  }

  /** Every process of every group of the cluster, or of one group. */
  async processes(group: string | null = null, options: CallOptions = {}): Promise<CpgMember[]> {
    const name = groupBytes(group ?? '');
    const begin = CPG_ITERATION_INIT.message({
      group: groupNameValue(name),
      iterationType: group === null ? ITERATE.ALL : ITERATE.ONE,
    });
    const started = CPG_ITERATION_INIT_RESPONSE.decode(
      await this.session.call(begin, 'cpg: listing processes', options),
    );
    if (started === null) throw new ConnectionError('RONDO_PROTOCOL', 'cpg: short response');
    const { handle } = started;
    const found: CpgMember[] = [];
    try {
      for (;;) {
        const response = await this.session.exchange(CPG_ITERATION_NEXT.message({ handle }), options);
        const status = messageError(response);
        if (status === CsError.NO_SECTIONS) break;
        if (status !== CsError.OK) throw new CsStatusError(status, 'cpg: listing processes');
        const item = CPG_ITERATION_NEXT_RESPONSE.decode(response);
        if (item === null) throw new ConnectionError('RONDO_PROTOCOL', 'cpg: short response');
        found.push({ group: Buffer.from(item.group.bytes).toString(), nodeId: item.nodeId, pid: item.pid });
      }
    } finally {
      if (!this.session.closed) await this.session.exchange(CPG_ITERATION_FINALIZE.message({ handle }));
    }
    return found;
  }

  /** Ends the connection; a group that was joined is left. `events()` ends. */
  async close(): Promise<void> {
    if (this.session.closed) return;
    try {
      if (this.sending !== null) await this.sending;
      await this.session.exchange(CPG_FINALIZE.message());
    } catch {
      // The daemon is gone, or busy for too long: cutting the connection has the same effect.
    }
    this.session.close();
  }

  private take(event: Uint8Array): void {
    const decoded = this.decoder.decode(event);
    if (decoded === null) return;
    this.stream.push(decoded, EVENT_OVERHEAD_BYTES + (decoded.type === 'message' ? decoded.data.length : 0));
  }

  private post(data: Uint8Array): boolean {
    return this.session.tryPost(CPG_MCAST.message({ guarantee: GUARANTEE_AGREED, messageBytes: data.length }, data));
  }

  private async sendWaiting(data: Uint8Array, options: CallOptions): Promise<void> {
    if (data.length > CPG_ATOMIC_BYTES_MAX) return this.sendFragments(data, options);
    options.signal?.throwIfAborted();
    while (!this.post(data)) {
      await delay(SEND_PAUSE_MS, undefined, options.signal === undefined ? {} : { signal: options.signal });
    }
  }

  private async sendFragments(data: Uint8Array, options: CallOptions): Promise<void> {
    for (let at = 0; at < data.length; at += CPG_ATOMIC_BYTES_MAX) {
      const fragment = data.subarray(at, at + CPG_ATOMIC_BYTES_MAX);
      const last = at + fragment.length === data.length;
      const type = at === 0 ? FragmentType.FIRST : last ? FragmentType.LAST : FragmentType.CONTINUED;
      const head = { guarantee: GUARANTEE_AGREED, messageBytes: data.length, fragmentBytes: fragment.length, type };
      await this.session.call(CPG_PARTIAL_MCAST.message(head, fragment), 'cpg: sending a long message', options);
    }
  }
}

function groupBytes(group: string): Uint8Array {
  const bytes = new TextEncoder().encode(group);
  if (bytes.length > GROUP_NAME_BYTES_MAX) {
    throw new ArgumentError(`group name of ${bytes.length} bytes`, `The limit is ${GROUP_NAME_BYTES_MAX}`);
  }
  return bytes;
}

const pick = (options: ConnectOptions): CallOptions => (options.signal === undefined ? {} : { signal: options.signal });
