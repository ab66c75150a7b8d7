import { CsError } from '../lib/errors.ts';
import { TrackFlag, VotequorumResponse } from '../services/codec/ids.ts';
import { messageId } from '../services/codec/struct.ts';
import {
  decodeVotequorumNodeList,
  decodeVotequorumQuorum,
  InfoFlag,
  QDEVICE_EXTRA_INFO_BYTES,
  QDEVICE_NAME_BYTES,
  TRACK_KNOWS_EXTRA_INFO,
  VOTEQUORUM_CALLS,
  VQ_EXPECTED_VOTES_EVENT,
  VQ_EXTRA_INFO_EVENT,
} from '../services/codec/votequorum.ts';
import { checkedBoolean, checkedInteger, checkedText, type MessageData, messageBytes } from './arguments.ts';
import { Connection } from './connection.ts';
import { decodeOrFail, orFail } from './decode.ts';
import { ArgumentError } from './errors.ts';
import { checkedRing, type RingIdentity } from './quorum.ts';
import type { GapEvent, Reconnects } from './reconnection.ts';
import type { StatusHints } from './reply.ts';
import { type CallOptions, type ReconnectingOptions, Session } from './session.ts';
import { WatchHub } from './watch-hub.ts';

export type NodeState = 'member' | 'dead' | 'leaving' | 'unknown';
const STATES: readonly NodeState[] = ['unknown', 'member', 'dead', 'leaving'];

/** Votes as one node sees them. The first six flags describe the local daemon, the others the node asked about. */
export interface VoteInfo {
  readonly nodeId: number;
  readonly state: NodeState;
  readonly votes: number;
  readonly expectedVotes: number;
  readonly highestExpected: number;
  readonly totalVotes: number;
  /** Votes that a quorate part needs. */
  readonly quorum: number;
  readonly twoNode: boolean;
  readonly quorate: boolean;
  readonly waitForAll: boolean;
  readonly lastManStanding: boolean;
  readonly autoTieBreaker: boolean;
  readonly allowDownscale: boolean;
  readonly device: {
    readonly registered: boolean;
    readonly alive: boolean;
    readonly castsVote: boolean;
    readonly masterWins: boolean;
    readonly votes: number;
    readonly name: string;
    /** It says something of its node: `deviceExtraInfo`. */
    readonly hasExtraInfo: boolean;
  };
}

export type VotequorumEvent =
  | {
      readonly type: 'quorum';
      readonly quorate: boolean;
      /** Every node ever seen; id 0 is the quorum device. */
      readonly nodes: readonly { readonly nodeId: number; readonly state: NodeState }[];
    }
  | { readonly type: 'expectedVotes'; readonly expectedVotes: number }
  | { readonly type: 'nodes'; readonly ringId: RingIdentity; readonly members: readonly number[] }
  /** What the device of a node says of it; no byte: nothing any more. */
  | { readonly type: 'deviceExtraInfo'; readonly nodeId: number; readonly data: Uint8Array };

const EXPECTED_HINTS: StatusHints = {
  [CsError.INVALID_PARAM]: 'With that number this part would lose quorum, or has more votes than that already',
};

/** The vote-counting quorum provider. Connecting fails with `RONDO_NOT_RUNNING` where it is not configured. */
export class Votequorum<Gap extends GapEvent = never> extends Connection {
  private readonly hub: WatchHub<VotequorumEvent | GapEvent>;

  private constructor(protected override readonly session: Session) {
    super();
    const track = { context: 0n, trackFlags: TrackFlag.CURRENT | TrackFlag.CHANGES | TRACK_KNOWS_EXTRA_INFO };
    this.hub = new WatchHub(session, {
      start: (details) => session.call(VOTEQUORUM_CALLS.trackStart, track, 'votequorum: watching', details),
      stop: () => session.call(VOTEQUORUM_CALLS.trackStop, {}, 'votequorum: ending the watch'),
      kindOf: (event) => (event.type === 'deviceExtraInfo' ? `${event.type} ${event.nodeId}` : event.type),
      asCurrent: (event) => event,
      gap: (reason) => ({ type: 'gap', reason }),
    });
    session.reviveBy({
      lost: (reason) => this.hub.lost(reason),
      revive: (life) => this.hub.revive(life),
    });
  }

  static connect(options: ReconnectingOptions & Reconnects): Promise<Votequorum<GapEvent>>;
  static connect(options?: ReconnectingOptions): Promise<Votequorum>;
  static async connect(options: ReconnectingOptions = {}): Promise<Votequorum<GapEvent>> {
    let votequorum: Votequorum<GapEvent> | null = null;
    const session = await Session.open('votequorum', options, (event) => votequorum?.take(event));
    votequorum = new Votequorum<GapEvent>(session);
    return votequorum;
  }

  /** Votes of a node; 0 = the local one. @throws CsStatusError NOT_EXIST. */
  async info(nodeId = 0, options: CallOptions = {}): Promise<VoteInfo> {
    const values = { nodeId: checkedInteger(nodeId, 'a node id') };
    const what = `votequorum: info of node ${nodeId}`;
    const info = await this.session.call(VOTEQUORUM_CALLS.getInfo, values, what, options);
    const has = (flag: number): boolean => (info.flags & flag) !== 0;
    return {
      nodeId: info.nodeId,
      state: STATES[info.state] ?? 'unknown',
      votes: info.votes,
      expectedVotes: info.expectedVotes,
      highestExpected: info.highestExpected,
      totalVotes: info.totalVotes,
      quorum: info.quorum,
      twoNode: has(InfoFlag.TWO_NODE),
      quorate: has(InfoFlag.QUORATE),
      waitForAll: has(InfoFlag.WAIT_FOR_ALL),
      lastManStanding: has(InfoFlag.LAST_MAN_STANDING),
      autoTieBreaker: has(InfoFlag.AUTO_TIE_BREAKER),
      allowDownscale: has(InfoFlag.ALLOW_DOWNSCALE),
      device: {
        registered: has(InfoFlag.QDEVICE_REGISTERED),
        alive: has(InfoFlag.QDEVICE_ALIVE),
        castsVote: has(InfoFlag.QDEVICE_CAST_VOTE),
        masterWins: has(InfoFlag.QDEVICE_MASTER_WINS),
        votes: info.qdeviceVotes,
        name: info.qdeviceName,
        hasExtraInfo: has(InfoFlag.QDEVICE_HAS_EXTRA_INFO),
      },
    };
  }

  /** @throws CsStatusError INVALID_PARAM: too few for the votes present, or it would end quorum. */
  async setExpectedVotes(expectedVotes: number, options: CallOptions = {}): Promise<void> {
    checkedInteger(expectedVotes, 'the number of expected votes', 1);
    const details = { ...options, hints: EXPECTED_HINTS };
    const what = 'votequorum: setting expected votes';
    await this.session.call(VOTEQUORUM_CALLS.setExpected, { expectedVotes }, what, details);
  }

  async setVotes(nodeId: number, votes: number, options: CallOptions = {}): Promise<void> {
    checkedInteger(nodeId, 'a node id');
    checkedInteger(votes, 'a number of votes');
    const what = `votequorum: setting votes of node ${nodeId}`;
    await this.session.call(VOTEQUORUM_CALLS.setVotes, { nodeId, votes }, what, options);
  }

  /** Registers a quorum device of this node. Its vote counts from the first `devicePoll` on. */
  async deviceRegister(name: string, options: CallOptions = {}): Promise<void> {
    const values = { name: deviceName(name) };
    await this.session.call(VOTEQUORUM_CALLS.qdeviceRegister, values, 'votequorum: registering the device', options);
  }
  async deviceUnregister(name: string, options: CallOptions = {}): Promise<void> {
    const values = { name: deviceName(name) };
    await this.session.call(
      VOTEQUORUM_CALLS.qdeviceUnregister,
      values,
      'votequorum: unregistering the device',
      options,
    );
  }
  async deviceRename(oldName: string, newName: string, options: CallOptions = {}): Promise<void> {
    const names = { oldName: deviceName(oldName), newName: deviceName(newName) };
    await this.session.call(VOTEQUORUM_CALLS.qdeviceUpdate, names, 'votequorum: renaming the device', options);
  }
  /** Keeps the device alive and says how it votes. `ringId` is that of the last `nodes` event. */
  async devicePoll(name: string, castVote: boolean, ringId: RingIdentity, options: CallOptions = {}): Promise<void> {
    const vote = checkedBoolean(castVote, 'a vote');
    const values = { name: deviceName(name), castVote: vote ? 1 : 0, ringId: checkedRing(ringId) };
    await this.session.call(VOTEQUORUM_CALLS.qdevicePoll, values, 'votequorum: polling the device', options);
  }
  async deviceMasterWins(name: string, allow: boolean, options: CallOptions = {}): Promise<void> {
    const values = { name: deviceName(name), allow: checkedBoolean(allow, 'master wins') ? 1 : 0 };
    await this.session.call(VOTEQUORUM_CALLS.qdeviceMasterWins, values, 'votequorum: setting master wins', options);
  }

  /**
   * Says something of this node beyond the vote of its device, to whoever watches on any node; `null` takes it back. It ends with the
   * registration. Daemons before Corosync's votequorum of April 2026 do not know the request.
   * @param data at most 4096 bytes
   * @throws CsStatusError NOT_EXIST: no device is registered on this node.
   */
  async setDeviceExtraInfo(data: MessageData | null, options: CallOptions = {}): Promise<void> {
    const tail = data === null ? new Uint8Array(0) : messageBytes(data, 'extra info');
    if (tail.length > QDEVICE_EXTRA_INFO_BYTES)
      throw new ArgumentError(`${tail.length} bytes of extra info`, `At most ${QDEVICE_EXTRA_INFO_BYTES}`);
    const what = 'votequorum: setting extra info of the device';
    await this.session.call(VOTEQUORUM_CALLS.setExtraInfo, { length: tail.length }, what, { ...options, tail });
  }

  /** What the device of a node says of it; no byte: nothing. @throws CsStatusError NOT_EXIST: no such node. */
  async deviceExtraInfo(nodeId: number, options: CallOptions = {}): Promise<Uint8Array> {
    const values = { nodeId: checkedInteger(nodeId, 'a node id') };
    const reply = await this.session.exchange(VOTEQUORUM_CALLS.getExtraInfo, values, options);
    const { length } = reply.requireOk(`votequorum: extra info of node ${nodeId}`).values;
    return new Uint8Array(reply.tailBytes(length));
  }

  /**
   * The current state first, then every change. A connection may have several watches; each ends with its loop, its signal, or
   * the connection. `gap` events are those of a connection that is made again (`reconnect`): the state follows; a device that was registered by it is so no more.
   */
  async watch(options: CallOptions = {}): Promise<AsyncIterableIterator<VotequorumEvent | Gap>> {
    const events: AsyncIterableIterator<VotequorumEvent | GapEvent> = await this.hub.watch(options);
    return events as AsyncIterableIterator<VotequorumEvent | Gap>;
  }

  private take(event: Uint8Array): void {
    switch (messageId(event)) {
      case VotequorumResponse.QUORUM: {
        const { quorate, nodes } = orFail(decodeVotequorumQuorum(event), 'votequorum event');
        this.hub.push({
          type: 'quorum',
          quorate,
          nodes: nodes.map(({ nodeId, state }) => ({ nodeId, state: STATES[state] ?? 'unknown' })),
        });
        break;
      }
      case VotequorumResponse.EXPECTED_VOTES:
        this.hub.push({
          type: 'expectedVotes',
          expectedVotes: decodeOrFail(VQ_EXPECTED_VOTES_EVENT, event).expectedVotes,
        });
        break;
      case VotequorumResponse.NODE_LIST: {
        const { ringId, nodes } = orFail(decodeVotequorumNodeList(event), 'votequorum node list');
        this.hub.push({ type: 'nodes', ringId, members: nodes });
        break;
      }
      case VotequorumResponse.EXTRA_INFO: {
        const { nodeId, length } = decodeOrFail(VQ_EXTRA_INFO_EVENT, event);
        const bytes = orFail(VQ_EXTRA_INFO_EVENT.tailBytes(event, length), 'votequorum extra info');
        this.hub.push({ type: 'deviceExtraInfo', nodeId, data: new Uint8Array(bytes) });
        break;
      }
      default: // of a later version
    }
  }
}

function deviceName(name: string): string {
  const text = Buffer.from(checkedText(name, 'the name of a device')).toString('latin1');
  if (text.length === 0 || text.length >= QDEVICE_NAME_BYTES)
    throw new ArgumentError(`'${name}' cannot be the name of a device`, `It has 1 to ${QDEVICE_NAME_BYTES - 1} bytes`);
  return text;
}
