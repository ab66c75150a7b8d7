import { QuorumResponse, TrackFlag } from '../services/codec/ids.ts';
import { decodeNodeListChange, decodeQuorumChangeV1, QUORUM_CALLS } from '../services/codec/quorum.ts';
import { messageId } from '../services/codec/struct.ts';
import { checkedInteger, checkedU64 } from './arguments.ts';
import { Connection } from './connection.ts';
import { orFail } from './decode.ts';
import type { GapEvent, Reconnects } from './reconnection.ts';
import { type CallDetails, type CallOptions, type ReconnectingOptions, Session } from './session.ts';
import { WatchHub } from './watch-hub.ts';

/** A ring: the node id of its representative and its number, a u64. */
export interface RingIdentity {
  readonly rep: number;
  readonly seq: bigint;
}

/** @throws ArgumentError: it is none. */
export function checkedRing(ringId: RingIdentity): RingIdentity {
  const { rep, seq } = ringId ?? {};
  checkedInteger(rep, 'rep of a ring id');
  checkedU64(seq, 'seq of a ring id');
  return ringId;
}

/** The provider decided; comes also when nothing changed. */
export interface QuorumEvent {
  readonly type: 'quorum';
  readonly quorate: boolean;
  readonly ringId: RingIdentity;
  readonly members: readonly number[];
}

/** The membership changed. */
export interface NodeListEvent {
  readonly type: 'nodes';
  readonly ringId: RingIdentity;
  readonly members: readonly number[];
  readonly joined: readonly number[];
  readonly left: readonly number[];
}

const MODEL_V1 = 1;

const selectModel = (session: Session, { signal, life }: CallDetails) =>
  session.call(QUORUM_CALLS.modelType, { model: MODEL_V1 }, 'quorum: selecting the model', {
    ...(signal === undefined ? {} : { signal }),
    ...(life === undefined ? {} : { life }),
  });

/**
 * Whether this part of the cluster may work.
 *
 * ```ts
 * const quorum = await Quorum.connect();
 * for await (const event of await quorum.watch()) if (event.type === 'quorum') console.log(event.quorate);
 * ```
 */
export class Quorum<Gap extends GapEvent = never> extends Connection {
  private readonly hub: WatchHub<QuorumEvent | NodeListEvent | GapEvent>;

  private constructor(
    protected override readonly session: Session,
    /** Whether a provider is configured; without one every node is always quorate. */
    readonly hasProvider: boolean,
  ) {
    super();
    const trackFlags = TrackFlag.CURRENT | TrackFlag.CHANGES;
    this.hub = new WatchHub(session, {
      start: (details) => session.call(QUORUM_CALLS.trackStart, { trackFlags }, 'quorum: watching', details),
      stop: () => session.call(QUORUM_CALLS.trackStop, {}, 'quorum: ending the watch'),
      kindOf: ({ type }) => type,
      asCurrent: (event) => (event.type === 'nodes' ? { ...event, joined: [], left: [] } : event),
      gap: (reason) => ({ type: 'gap', reason }),
    });
    session.reviveBy({
      lost: (reason) => this.hub.lost(reason),
      revive: async (life) => {
        await selectModel(session, { life });
        await this.hub.revive(life);
      },
    });
  }

  static connect(options: ReconnectingOptions & Reconnects): Promise<Quorum<GapEvent>>;
  static connect(options?: ReconnectingOptions): Promise<Quorum>;
  static async connect(options: ReconnectingOptions = {}): Promise<Quorum<GapEvent>> {
    let quorum: Quorum<GapEvent> | null = null;
    const session = await Session.open('quorum', options, (event) => quorum?.take(event));
    try {
      const { quorumType } = await selectModel(session, options);
      quorum = new Quorum<GapEvent>(session, quorumType !== 0);
    } catch (error) {
      session.close();
      throw error;
    }
    return quorum;
  }

  async isQuorate(options: CallOptions = {}): Promise<boolean> {
    return (await this.session.call(QUORUM_CALLS.quorate, {}, 'quorum: state', options)).quorate !== 0;
  }

  /**
   * The current state first, then every change. A connection may have several watches; each ends with its loop, its signal, or
   * the connection. `gap` events are those of a connection that is made again (`reconnect`): the state follows.
   */
  async watch(options: CallOptions = {}): Promise<AsyncIterableIterator<QuorumEvent | NodeListEvent | Gap>> {
    const events: AsyncIterableIterator<QuorumEvent | NodeListEvent | GapEvent> = await this.hub.watch(options);
    return events as AsyncIterableIterator<QuorumEvent | NodeListEvent | Gap>;
  }

  private take(event: Uint8Array): void {
    switch (messageId(event)) {
      case QuorumResponse.CHANGE_V1: {
        const { quorate, ringId, view } = orFail(decodeQuorumChangeV1(event), 'quorum event');
        this.hub.push({ type: 'quorum', quorate, ringId, members: view });
        break;
      }
      case QuorumResponse.NODE_LIST_V1:
        this.hub.push({ type: 'nodes', ...orFail(decodeNodeListChange(event), 'quorum node list') });
        break;
      default: // of a later version
    }
  }
}
