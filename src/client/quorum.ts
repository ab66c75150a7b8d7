import { QuorumResponse, TrackFlag } from '../services/codec/ids.ts';
import {
  decodeNodeListChange,
  decodeQuorumChangeV1,
  QUORUM_MODEL_TYPE,
  QUORUM_MODEL_TYPE_RESPONSE,
  QUORUM_QUORATE,
  QUORUM_QUORATE_RESPONSE,
  QUORUM_TRACK_START,
} from '../services/codec/quorum.ts';
import { messageId } from '../services/codec/struct.ts';
import type { OpenChannel } from './channel.ts';
import { decodeOrFail, orFail } from './decode.ts';
import { EventStream } from './event-stream.ts';
import { openIpcChannel } from './ipc-channel.ts';
import { type CallOptions, type ConnectOptions, Session } from './session.ts';

export interface RingIdentity {
  readonly rep: number;
  readonly seq: number;
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
const QUEUE_EVENTS = 10_000;

/**
 * Whether this part of the cluster may work.
 *
 * ```ts
 * const quorum = await Quorum.connect();
 * for await (const event of await quorum.watch()) if (event.type === 'quorum') console.log(event.quorate);
 * ```
 */
export class Quorum {
  private stream: EventStream<QuorumEvent | NodeListEvent> | null = null;

  private constructor(
    private readonly session: Session,
    /** Whether a provider is configured; without one every node is always quorate. */
    readonly hasProvider: boolean,
  ) {}

  static async connect(options: ConnectOptions = {}, openChannel: OpenChannel = openIpcChannel): Promise<Quorum> {
    let quorum: Quorum | null = null;
    const session = await Session.open(openChannel, 'quorum', options, (event) => quorum?.take(event));
    try {
      const response = await session.call(
        QUORUM_MODEL_TYPE.message({ model: MODEL_V1 }),
        'quorum: selecting the model',
      );
      quorum = new Quorum(session, decodeOrFail(QUORUM_MODEL_TYPE_RESPONSE, response).quorumType !== 0);
    } catch (error) {
      session.close();
      throw error;
    }
    return quorum;
  }

  async isQuorate(options: CallOptions = {}): Promise<boolean> {
    const response = await this.session.call(QUORUM_QUORATE.message(), 'quorum: state', options);
    return decodeOrFail(QUORUM_QUORATE_RESPONSE, response).quorate !== 0;
  }

  /** The current state first, then every change. One reader a connection. */
  async watch(options: CallOptions = {}): Promise<AsyncIterableIterator<QuorumEvent | NodeListEvent>> {
    const stream: EventStream<QuorumEvent | NodeListEvent> = new EventStream(QUEUE_EVENTS, {
      onFull: () => this.session.hold(stream),
      onDrained: () => this.session.release(stream),
      onReturn: () => this.session.unregister(stream),
    });
    this.stream = stream;
    this.session.register(stream);
    const request = QUORUM_TRACK_START.message({ trackFlags: TrackFlag.CURRENT | TrackFlag.CHANGES });
    await this.session.call(request, 'quorum: watching', options);
    return options.signal === undefined ? stream : stream.until(options.signal);
  }

  close(): void {
    this.session.close();
  }

  private take(event: Uint8Array): void {
    switch (messageId(event)) {
      case QuorumResponse.CHANGE_V1: {
        const { quorate, ringId, view } = orFail(decodeQuorumChangeV1(event), 'quorum event');
        this.stream?.push({ type: 'quorum', quorate, ringId, members: view });
        break;
      }
      case QuorumResponse.NODE_LIST_V1:
        this.stream?.push({ type: 'nodes', ...orFail(decodeNodeListChange(event), 'quorum node list') });
        break;
      default: // of a later version
    }
  }
}
