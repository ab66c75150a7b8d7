import { CsError } from '../lib/errors.ts';
import { TrackFlag, VotequorumResponse } from '../services/codec/ids.ts';
import { messageId } from '../services/codec/struct.ts';
import {
  decodeVotequorumNodeList,
  decodeVotequorumQuorum,
  InfoFlag,
  QDEVICE_NAME_BYTES,
  VQ_EXPECTED_VOTES_EVENT,
  VQ_GET_INFO,
  VQ_GET_INFO_RESPONSE,
  VQ_QDEVICE_MASTER_WINS,
  VQ_QDEVICE_POLL,
  VQ_QDEVICE_REGISTER,
  VQ_QDEVICE_UNREGISTER,
  VQ_QDEVICE_UPDATE,
  VQ_SET_EXPECTED,
  VQ_SET_VOTES,
  VQ_TRACK_START,
  VQ_TRACK_STOP,
} from '../services/codec/votequorum.ts';
import { checkedBoolean, checkedInteger, checkedText } from './arguments.ts';
import { Connection } from './connection.ts';
import { decodeOrFail, orFail } from './decode.ts';
import { ArgumentError } from './errors.ts';
import { checkedRing, type RingIdentity } from './quorum.ts';
import { type CallOptions, type ConnectOptions, Session } from './session.ts';
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
  | { readonly type: 'nodes'; readonly ringId: RingIdentity; readonly members: readonly number[] };

/** The vote-counting quorum provider. Connecting fails with `RONDO_NOT_RUNNING` where it is not configured. */
export class Votequorum extends Connection {
  private readonly hub: WatchHub<VotequorumEvent>;

  private constructor(protected override readonly session: Session) {
    super();
    const start = VQ_TRACK_START.message({ context: 0n, trackFlags: TrackFlag.CURRENT | TrackFlag.CHANGES });
    this.hub = new WatchHub(session, {
      start: () => session.call(start, 'votequorum: watching'),
      stop: () => session.call(VQ_TRACK_STOP.message(), 'votequorum: ending the watch'),
      kindOf: ({ type }) => type,
      asCurrent: (event) => event,
    });
  }

  static async connect(options: ConnectOptions = {}): Promise<Votequorum> {
    let votequorum: Votequorum | null = null;
    const session = await Session.open('votequorum', options, (event) => votequorum?.take(event));
    votequorum = new Votequorum(session);
    return votequorum;
  }

  /** Votes of a node; 0 = the local one. @throws CsStatusError NOT_EXIST. */
  async info(nodeId = 0, options: CallOptions = {}): Promise<VoteInfo> {
    const response = await this.session.call(
      VQ_GET_INFO.message({ nodeId: checkedInteger(nodeId, 'a node id') }),
      `votequorum: info of node ${nodeId}`,
      options,
    );
    const info = decodeOrFail(VQ_GET_INFO_RESPONSE, response);
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
      },
    };
  }

  /** @throws CsStatusError INVALID_PARAM: too few for the votes present, or it would end quorum. */
  async setExpectedVotes(expectedVotes: number, options: CallOptions = {}): Promise<void> {
    checkedInteger(expectedVotes, 'the number of expected votes', 1);
    await this.session.call(VQ_SET_EXPECTED.message({ expectedVotes }), 'votequorum: setting expected votes', options, {
      [CsError.INVALID_PARAM]: 'With that number this part would lose quorum, or has more votes than that already',
    });
  }

  async setVotes(nodeId: number, votes: number, options: CallOptions = {}): Promise<void> {
    checkedInteger(nodeId, 'a node id');
    checkedInteger(votes, 'a number of votes');
    await this.session.call(
      VQ_SET_VOTES.message({ nodeId, votes }),
      `votequorum: setting votes of node ${nodeId}`,
      options,
    );
  }

  /** Registers a quorum device of this node. Its vote counts from the first `devicePoll` on. */
  async deviceRegister(name: string, options: CallOptions = {}): Promise<void> {
    await this.device(VQ_QDEVICE_REGISTER, { name: deviceName(name) }, 'registering', options);
  }
  async deviceUnregister(name: string, options: CallOptions = {}): Promise<void> {
    await this.device(VQ_QDEVICE_UNREGISTER, { name: deviceName(name) }, 'unregistering', options);
  }
  async deviceRename(oldName: string, newName: string, options: CallOptions = {}): Promise<void> {
    const names = { oldName: deviceName(oldName), newName: deviceName(newName) };
    await this.session.call(VQ_QDEVICE_UPDATE.message(names), 'votequorum: renaming the device', options);
  }
  /** Keeps the device alive and says how it votes. `ringId` is that of the last `nodes` event. */
  async devicePoll(name: string, castVote: boolean, ringId: RingIdentity, options: CallOptions = {}): Promise<void> {
    const vote = checkedBoolean(castVote, 'a vote');
    const request = VQ_QDEVICE_POLL.message({
      name: deviceName(name),
      castVote: vote ? 1 : 0,
      ringId: checkedRing(ringId),
    });
    await this.session.call(request, 'votequorum: polling the device', options);
  }
  async deviceMasterWins(name: string, allow: boolean, options: CallOptions = {}): Promise<void> {
    const request = VQ_QDEVICE_MASTER_WINS.message({
      name: deviceName(name),
      allow: checkedBoolean(allow, 'master wins') ? 1 : 0,
    });
    await this.session.call(request, 'votequorum: setting master wins', options);
  }

  /**
   * The current state first, then every change. A connection may have several watches; each ends with its loop, its signal, or
   * the connection.
   */
  async watch(options: CallOptions = {}): Promise<AsyncIterableIterator<VotequorumEvent>> {
    return this.hub.watch(options);
  }

  private async device(
    struct: typeof VQ_QDEVICE_REGISTER | typeof VQ_QDEVICE_UNREGISTER,
    values: { readonly name: string },
    what: string,
    options: CallOptions,
  ): Promise<void> {
    await this.session.call(struct.message(values), `votequorum: ${what} the device`, options);
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
