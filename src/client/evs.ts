import {
  decodeEvsConfiguration,
  EVS_CALLS,
  EVS_DELIVER,
  EVS_GROUP_BYTES_MAX,
  EVS_GROUPS_MAX,
  EVS_NAME,
  EvsEvent,
  encodeGroups,
} from '../services/codec/evs.ts';
import { U32_ELEMENT } from '../services/codec/fields.ts';
import { messageId } from '../services/codec/struct.ts';
import { checkedText, type MessageData, messageBytes } from './arguments.ts';
import { Connection } from './connection.ts';
import { decodeOrFail, orFail } from './decode.ts';
import { ArgumentError } from './errors.ts';
import type { RingIdentity } from './quorum.ts';
import { type CallOptions, type ConnectOptions, Session } from './session.ts';
import { SharedEvents } from './shared-events.ts';

/** A message of a group that this connection has joined. */
export interface EvsMessage {
  readonly type: 'message';
  readonly nodeId: number;
  readonly data: Uint8Array;
}

/**
 * The membership of the ring. `transitional`: who of the old ring comes along; the messages that follow were sent in the
 * old ring and reach exactly these. `regular`: the new ring begins.
 */
export interface EvsConfigurationEvent {
  readonly type: 'transitional' | 'regular';
  readonly ringId: RingIdentity;
  readonly members: readonly number[];
  readonly left: readonly number[];
  readonly joined: readonly number[];
}
export type EvsEventRecord = EvsMessage | EvsConfigurationEvent;

const QUEUE_BYTES = 4 << 20;
const EVENT_OVERHEAD_BYTES = 64;

/**
 * Extended virtual synchrony: messages and configurations of the ring in one order, the same on all nodes. The daemon
 * needs `service { name: evs }` in its configuration.
 *
 * ```ts
 * const evs = await Evs.connect();
 * await evs.join('log');
 * await evs.send('hello');
 * for await (const event of evs.events()) console.log(event.type);
 * ```
 */
export class Evs extends Connection {
  private readonly stream: SharedEvents<EvsEventRecord>;
  protected override session!: Session;

  private constructor() {
    super();
    this.stream = new SharedEvents(QUEUE_BYTES, {
      hold: (stream) => this.session.hold(stream),
      release: (stream) => this.session.release(stream),
    });
  }

  static async connect(options: ConnectOptions = {}): Promise<Evs> {
    const evs = new Evs();
    evs.session = await Session.open(EVS_NAME, options, (event) => evs.take(event));
    evs.session.register(evs.stream);
    return evs;
  }

  /** From now on messages of the groups come; the first event of all is the configuration in force. */
  async join(groups: string | readonly string[], options: CallOptions = {}): Promise<void> {
    await this.callWith(EVS_CALLS.join, groups, 'evs: joining', options);
  }

  async leave(groups: string | readonly string[], options: CallOptions = {}): Promise<void> {
    await this.callWith(EVS_CALLS.leave, groups, 'evs: leaving', options);
  }

  /**
   * To the given groups, or to those that this connection has joined. Waits while the cluster is busy.
   *
   * @throws CsStatusError NOT_EXIST: to no group, and none is joined.
   */
  async send(message: MessageData, groups: readonly string[] = [], options: CallOptions = {}): Promise<void> {
    const list = names(groups);
    const data = messageBytes(message);
    const tail = new Uint8Array(list.length + data.length);
    tail.set(list);
    tail.set(data, list.length);
    const values = { groupCount: groups.length, groupBytes: list.length };
    await this.session.call(EVS_CALLS.mcast, values, 'evs: sending', { ...options, tail });
  }

  async membership(options: CallOptions = {}): Promise<{
    readonly nodeId: number;
    readonly members: readonly number[];
    readonly ringId: RingIdentity;
  }> {
    const reply = (await this.session.exchange(EVS_CALLS.membership, {}, options)).requireOk('evs: membership');
    const { nodeId, memberCount, ringId } = reply.values;
    return { nodeId, members: reply.tailList(memberCount, U32_ELEMENT), ringId };
  }

  /** One reader at a time; a later loop goes on where the one before it ended. */
  events(options: CallOptions = {}): AsyncIterableIterator<EvsEventRecord> {
    return this.stream.loop(options.signal);
  }

  /** Everything from now on, for any number of readers at a time; see `Cpg.watch`. */
  watch(options: CallOptions = {}): AsyncIterableIterator<EvsEventRecord> {
    return this.stream.watch(options.signal);
  }

  private async callWith(
    call: typeof EVS_CALLS.join | typeof EVS_CALLS.leave,
    groups: string | readonly string[],
    what: string,
    options: CallOptions,
  ): Promise<void> {
    const list = typeof groups === 'string' ? [groups] : groups;
    await this.session.call(call, { groupCount: list.length }, what, { ...options, tail: names(list) });
  }

  private take(event: Uint8Array): void {
    if (messageId(event) === EvsEvent.DELIVER) {
      const { nodeId, messageBytes } = decodeOrFail(EVS_DELIVER, event);
      const data = new Uint8Array(orFail(EVS_DELIVER.tailBytes(event, messageBytes), 'evs message'));
      this.stream.push({ type: 'message', nodeId, data }, EVENT_OVERHEAD_BYTES + data.length);
    } else if (messageId(event) === EvsEvent.CONFIGURATION) {
      const { kind, ringId, members, left, joined } = orFail(decodeEvsConfiguration(event), 'evs configuration');
      this.stream.push({ type: kind, ringId, members, left, joined }, EVENT_OVERHEAD_BYTES);
    }
  }
}

function names(groups: readonly string[]): Uint8Array {
  if (!Array.isArray(groups)) throw new ArgumentError('groups are an array of strings');
  const tooLong = groups.find((group) => Buffer.byteLength(checkedText(group, 'a group')) > EVS_GROUP_BYTES_MAX);
  if (tooLong !== undefined || groups.length > EVS_GROUPS_MAX) {
    throw new ArgumentError(`groups: at most ${EVS_GROUPS_MAX} of ${EVS_GROUP_BYTES_MAX} bytes`);
  }
  return encodeGroups(groups);
}
