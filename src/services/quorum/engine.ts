import { assert } from '../../lib/assert.ts';
import { CsError } from '../../lib/errors.ts';
import { NO_RING, type RingId } from '../../lib/ring-id.ts';
import { QuorumResponse, ServiceId, TrackFlag } from '../codec/ids.ts';
import * as wire from '../codec/quorum.ts';
import { statusResponse } from '../codec/struct.ts';
import type {
  EngineConnection,
  ExecFunction,
  LibraryFunction,
  MainEngineContext,
  ServiceEngine,
  SyncHooks,
} from '../engine.ts';
import { logList, nodeListChange } from './node-list.ts';

export interface QuorumOptions {
  /** Short name of the provider and how it is started; `null`: no provider, always quorate. */
  readonly provider: { readonly name: string; readonly serviceId: number; load(): Promise<void> } | null;
  /** Internal listeners: the gate of requests, the ring thread. */
  quorateChanged(quorate: boolean): void;
}

interface ConnectionState {
  /** 0: plain quorum library; 1: with node lists (services.md 6.3). */
  model: 0 | 1;
  tracking: boolean;
}

/** Numbers of the type that the library asks for. */
const QuorumType = { FREE: 0, SET: 1 } as const;

/** Service 3: tells everybody what the provider decided (services.md 6). */
export class QuorumEngine implements ServiceEngine<MainEngineContext> {
  readonly serviceId = ServiceId.QUORUM;
  readonly name = 'quorum';
  readonly description = 'corosync cluster quorum service v0.1';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly exec: readonly ExecFunction[] = [];
  readonly library: readonly LibraryFunction[] = this.functions();
  readonly sync: SyncHooks = {
    init: (transitional, members, ringId) => this.syncInit(transitional, members, ringId),
    process: () => true,
    activate: () => this.syncActivate(),
    abort: () => {},
  };

  private context: MainEngineContext | null = null;
  private readonly connections = new Map<EngineConnection, ConnectionState>();
  private quorate: boolean;
  /** What the provider said last: the view and ring of quorum events. */
  private view: readonly number[] = [];
  private viewRing: RingId = NO_RING;
  /** Of the last sync: the lists and ring of node-list events. */
  private members: readonly number[] = [];
  private oldMembers: readonly number[] = [];
  private joined: readonly number[] = [];
  private left: readonly number[] = [];
  private syncRing: RingId = NO_RING;

  constructor(private readonly options: QuorumOptions) {
    this.quorate = options.provider === null;
  }

  async start(context: MainEngineContext): Promise<void> {
    this.context = context;
    const { provider } = this.options;
    if (provider === null) {
      this.options.quorateChanged(true);
      return;
    }
    context.log('notice', 'QUORUM', `Using quorum provider ${provider.name}`);
    try {
      await provider.load();
    } catch (error) {
      context.log('crit', 'QUORUM', `Quorum provider: ${provider.name} failed to initialize.`);
      throw error;
    }
  }

  // ---- the provider ----

  /** The provider's decision; told to all trackers, also when nothing changed. */
  setQuorum(view: readonly number[], quorate: boolean, ringId: RingId): void {
    assert(this.context !== null, 'the provider decides before the quorum service started');
    const was = this.quorate;
    this.quorate = quorate;
    if (quorate && !was) {
      this.log('This node is within the primary component and will provide service.');
    } else if (!quorate && was) {
      this.log('This node is within the non-primary component and will NOT provide any services.');
    }
    this.view = [...view];
    this.viewRing = ringId;
    this.log(logList('Members', view));
    this.options.quorateChanged(quorate);
    for (const [connection, state] of this.connections) if (state.tracking) this.sendQuorum(connection, state);
  }

  /** Without its provider nobody can say that there is quorum. */
  engineFailed(serviceId: number): void {
    if (serviceId === this.options.provider?.serviceId) this.setQuorum(this.members, false, this.syncRing);
  }

  private log(text: string): void {
    this.context?.log('notice', 'QUORUM', text);
  }

  // ---- sync ----

  private syncInit(transitional: readonly number[], members: readonly number[], ringId: RingId): void {
    const change = nodeListChange(this.oldMembers, transitional, members);
    this.members = [...members];
    this.joined = change.joined;
    this.left = change.left;
    this.syncRing = ringId;
    this.log(logList('Sync members', members));
    if (change.joined.length > 0) this.log(logList('Sync joined', change.joined));
    if (change.left.length > 0) this.log(logList('Sync left', change.left));
  }

  private syncActivate(): void {
    this.oldMembers = this.members;
    for (const [connection, state] of this.connections)
      if (state.tracking && state.model === 1) this.sendNodeList(connection, this.joined, this.left);
  }

  // ---- clients ----

  connectionOpened(connection: EngineConnection): void {
    this.connections.set(connection, { model: 0, tracking: false });
  }

  connectionClosed(connection: EngineConnection): void {
    this.connections.delete(connection);
  }

  private sendQuorum(connection: EngineConnection, state: ConnectionState): void {
    const { quorate, view, viewRing } = this;
    connection.dispatch(wire.encodeQuorumChange(state.model, { quorate, ringId: viewRing, view }));
  }

  private sendNodeList(connection: EngineConnection, joined: readonly number[], left: readonly number[]): void {
    connection.dispatch(wire.encodeNodeListChange({ ringId: this.syncRing, members: this.members, joined, left }));
  }

  private get type(): number {
    return this.options.provider === null ? QuorumType.FREE : QuorumType.SET;
  }

  private functions(): readonly LibraryFunction[] {
    const fn = (
      name: string,
      requestBytesMin: number,
      answer: (connection: EngineConnection, state: ConnectionState, request: Uint8Array) => Uint8Array,
    ): LibraryFunction => ({
      name,
      flowControl: false,
      requestBytesMin,
      handle: (connection, request) => {
        const state = this.connections.get(connection);
        assert(state !== undefined, 'request of an unknown connection');
        connection.respond(answer(connection, state, request));
      },
    });
    return [
      fn('get quorate', wire.QUORUM_QUORATE.bytes, () =>
        wire.QUORUM_QUORATE_RESPONSE.ok({ quorate: this.quorate ? 1 : 0 }),
      ),
      fn('track start', wire.QUORUM_TRACK_START.bytes, (connection, state, request) =>
        this.trackStart(connection, state, request),
      ),
      fn('track stop', wire.QUORUM_TRACK_STOP.bytes, (_, state) => {
        state.tracking = false;
        return statusResponse(QuorumResponse.TRACK_STOP, CsError.OK); // also when it was not tracking (services.md T16)
      }),
      fn('get type', wire.QUORUM_TYPE.bytes, () => wire.QUORUM_TYPE_RESPONSE.ok({ quorumType: this.type })),
      fn('model get type', wire.QUORUM_MODEL_TYPE.bytes, (_, state, request) => {
        const { model } = wire.QUORUM_MODEL_TYPE.decodeChecked(request);
        if (model === 0 || model === 1) state.model = model;
        const status = model <= 1 ? CsError.OK : CsError.INVALID_PARAM;
        return wire.QUORUM_MODEL_TYPE_RESPONSE.message(status, { quorumType: this.type });
      }),
    ];
  }

  /** The current state is sent even if the call then fails (services.md 6.3). */
  private trackStart(connection: EngineConnection, state: ConnectionState, request: Uint8Array): Uint8Array {
    const { trackFlags } = wire.QUORUM_TRACK_START.decodeChecked(request);
    if ((trackFlags & (TrackFlag.CURRENT | TrackFlag.CHANGES)) !== 0) {
      if (state.model === 1) this.sendNodeList(connection, [], []);
      this.sendQuorum(connection, state);
    }
    if (state.tracking) return statusResponse(QuorumResponse.TRACK_START, CsError.EXIST);
    if ((trackFlags & (TrackFlag.CHANGES | TrackFlag.CHANGES_ONLY)) !== 0) state.tracking = true;
    return statusResponse(QuorumResponse.TRACK_START, CsError.OK);
  }

  dump(): string {
    return `quorum: ${this.quorate ? 'quorate' : 'not quorate'}, ${logList('members', this.members)}`;
  }
}
