import { assert } from '../../lib/assert.ts';
import { CsError, type CsStatus } from '../../lib/errors.ts';
import { exactRingId, NO_RING, type RingId } from '../../lib/ring-id.ts';
import { serve } from '../codec/call.ts';
import { ServiceId, TrackFlag } from '../codec/ids.ts';
import * as wire from '../codec/quorum.ts';
import type { EngineConnection, MainEngineContext, RunningService, ServiceEngine, SyncHooks } from '../engine.ts';
import type { QuorumDecisions } from './decisions.ts';
import { logList, nodeListChange } from './node-list.ts';

export interface QuorumOptions {
  /** Short name of the provider and how it is started; `null`: no provider, always quorate. */
  readonly provider: QuorumProvider | null;
  readonly decisions: QuorumDecisions;
  /** Internal listeners: the gate of requests. */
  quorateChanged(quorate: boolean): void;
}

export interface QuorumProvider {
  readonly name: string;
  readonly serviceId: number;
  load(): Promise<void>;
}

interface ConnectionState {
  /** 0: plain quorum library; 1: with node lists (services.md 6.3). */
  model: 0 | 1;
  tracking: boolean;
}

/** Numbers of the type that the library asks for. */
const QuorumType = { FREE: 0, SET: 1 } as const;

type QuorumCall = keyof typeof wire.QUORUM_CALLS;

/** Service 3: reports to its clients what the provider decided (services.md 6). */
export class QuorumEngine implements ServiceEngine<MainEngineContext, QuorumCall, never> {
  readonly serviceId = ServiceId.QUORUM;
  readonly name = 'quorum';
  readonly description = 'corosync cluster quorum service v0.1';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly decidesQuorum = true;
  readonly calls = wire.QUORUM_CALLS;
  readonly messages = [];
  readonly takesPartInSync = true;

  constructor(private readonly options: QuorumOptions) {}

  async start(context: MainEngineContext): Promise<RunningService<QuorumCall, never>> {
    const { provider, decisions, quorateChanged } = this.options;
    const service = new QuorumService(context, this.options);
    if (provider === null) {
      decisions.quorate = true;
      quorateChanged(true);
      return service;
    }
    context.log('notice', 'QUORUM', `Using quorum provider ${provider.name}`);
    try {
      await provider.load();
    } catch (error) {
      context.log('crit', 'QUORUM', `Quorum provider: ${provider.name} failed to initialize.`);
      throw error;
    }
    return service;
  }
}

class QuorumService implements RunningService<QuorumCall, never> {
  readonly messages = {};
  readonly sync: SyncHooks = {
    init: (transitional, members, ringId) => this.syncInit(transitional, members, ringId),
    process: () => true,
    activate: () => this.syncActivate(),
    abort: () => {},
  };

  private readonly connections = new Map<EngineConnection, ConnectionState>();
  /** Of the last sync: the lists and ring of node-list events. */
  private members: readonly number[] = [];
  private oldMembers: readonly number[] = [];
  private joined: readonly number[] = [];
  private left: readonly number[] = [];
  private syncRing: RingId = NO_RING;

  constructor(
    private readonly context: MainEngineContext,
    private readonly options: QuorumOptions,
  ) {
    options.decisions.follow((was) => this.decided(was));
  }

  // ---- the provider ----

  /** The provider's decision; sent to all trackers, also when nothing changed. */
  private decided(was: boolean): void {
    const { quorate, view } = this.options.decisions;
    if (quorate && !was) {
      this.log('This node is within the primary component and will provide service.');
    } else if (!quorate && was) {
      this.log('This node is within the non-primary component and will NOT provide any services.');
    }
    this.log(logList('Members', view));
    this.options.quorateChanged(quorate);
    const made: Uint8Array[] = [];
    for (const [connection, { tracking, model }] of this.connections) {
      if (!tracking) continue;
      made[model] ??= this.quorumChange(model);
      connection.dispatch(made[model]);
    }
  }

  /** Without its provider nobody can say that there is quorum. */
  engineFailed(serviceId: number): void {
    if (serviceId === this.options.provider?.serviceId) {
      this.options.decisions.decide(this.members, false, this.syncRing);
    }
  }

  private log(text: string): void {
    this.context.log('notice', 'QUORUM', text);
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
    const event = this.nodeListChange(this.joined, this.left);
    for (const [connection, state] of this.connections)
      if (state.tracking && state.model === 1) connection.dispatch(event);
  }

  // ---- clients ----

  connectionOpened(connection: EngineConnection): void {
    this.connections.set(connection, { model: 0, tracking: false });
  }

  connectionClosed(connection: EngineConnection): void {
    this.connections.delete(connection);
  }

  private quorumChange(model: 0 | 1): Uint8Array {
    const { quorate, view, ringId } = this.options.decisions;
    return wire.encodeQuorumChange(model, { quorate, ringId: exactRingId(ringId), view });
  }

  private nodeListChange(joined: readonly number[], left: readonly number[]): Uint8Array {
    const ringId = exactRingId(this.syncRing);
    return wire.encodeNodeListChange({ ringId, members: this.members, joined, left });
  }

  private get type(): number {
    return this.options.provider === null ? QuorumType.FREE : QuorumType.SET;
  }

  readonly calls = serve(wire.QUORUM_CALLS, {
    quorate: () => wire.QUORUM_QUORATE_RESPONSE.ok({ quorate: this.options.decisions.quorate ? 1 : 0 }),
    trackStart: ({ trackFlags }, connection) => this.trackStart(trackFlags, connection),
    trackStop: (_, connection) => {
      this.stateOf(connection).tracking = false;
      return CsError.OK; // also when it was not tracking (services.md T16)
    },
    type: () => wire.QUORUM_TYPE_RESPONSE.ok({ quorumType: this.type }),
    modelType: ({ model }, connection) => {
      if (model === 0 || model === 1) this.stateOf(connection).model = model;
      const status = model <= 1 ? CsError.OK : CsError.INVALID_PARAM;
      return wire.QUORUM_MODEL_TYPE_RESPONSE.message(status, { quorumType: this.type });
    },
  });

  private stateOf(connection: EngineConnection): ConnectionState {
    const state = this.connections.get(connection);
    assert(state !== undefined, 'request of an unknown connection');
    return state;
  }

  /** The current state is sent even if the call then fails (services.md 6.3). */
  private trackStart(trackFlags: number, connection: EngineConnection): CsStatus {
    const state = this.stateOf(connection);
    if ((trackFlags & (TrackFlag.CURRENT | TrackFlag.CHANGES)) !== 0) {
      if (state.model === 1) connection.dispatch(this.nodeListChange([], []));
      connection.dispatch(this.quorumChange(state.model));
    }
    if (state.tracking) return CsError.EXIST;
    if ((trackFlags & (TrackFlag.CHANGES | TrackFlag.CHANGES_ONLY)) !== 0) state.tracking = true;
    return CsError.OK;
  }

  dump(): string {
    return `quorum: ${this.options.decisions.quorate ? 'quorate' : 'not quorate'}, ${logList('members', this.members)}`;
  }
}
