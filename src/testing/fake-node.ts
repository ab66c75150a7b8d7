import { Icmap } from '../config/icmap/index.ts';
import type { ConfigurationChange, RingId } from '../lib/ring-id.ts';
import { messageError, messageId } from '../services/codec/struct.ts';
import type { EngineConnection, MainEngineContext, ServiceEngine } from '../services/engine.ts';
import { EngineHost } from '../services/host/engine-host.ts';
import { type FlowState, QueueLevel, type QueueLevelValue } from '../services/host/flow-control.ts';
import { SyncCore } from '../services/sync/sync-core.ts';
import type { FakeClock } from './fake-clock.ts';

let lastConnectionId = 0;

/** A client: sends requests, keeps responses and events. */
export class FakeConnection implements EngineConnection {
  readonly id = ++lastConnectionId;
  readonly pid = 1000 + this.id;
  readonly egid = 0;
  context: unknown = null;
  readonly responses: Uint8Array[] = [];
  events: Uint8Array[] = [];
  open = true;

  constructor(
    private readonly node: FakeNode,
    readonly serviceId: number,
    readonly euid = 0,
  ) {}

  respond(message: Uint8Array): void {
    this.responses.push(message.slice());
  }

  dispatch(message: Uint8Array): void {
    this.events.push(message.slice());
  }

  disconnect(): void {
    this.close();
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.node.host.close(this.serviceId, this);
  }

  /** Sends a request; the response if it came at once. */
  call(request: Uint8Array): Uint8Array | undefined {
    const before = this.responses.length;
    this.node.host.request(this.serviceId, this, request);
    return this.responses[before];
  }

  /** Status of the response; -1 when none came yet. */
  status(request: Uint8Array): number {
    const response = this.call(request);
    return response === undefined ? -1 : messageError(response);
  }

  takeEvents(): Uint8Array[] {
    const { events } = this;
    this.events = [];
    return events;
  }

  eventIds(): number[] {
    return this.events.map(messageId);
  }
}

export interface Outgoing {
  readonly from: number;
  readonly group: 'a' | 'sync';
  readonly bytes: Uint8Array;
}

export interface NodeOptions {
  readonly nodeId: number;
  readonly clock: FakeClock;
  readonly cmap: Icmap;
  /** Chance that the send queue is full. */
  full(): boolean;
}

/** One node: host, engines, barrier protocol and send queues, without a network. */
export class FakeNode {
  readonly nodeId: number;
  readonly cmap: Icmap;
  readonly clock: FakeClock;
  readonly host: EngineHost;
  readonly sync: SyncCore;
  readonly logs: string[] = [];
  readonly failures: string[] = [];
  readonly flow = new Map<number, FlowState>();
  readonly stopped: number[] = [];
  queueLevel: QueueLevelValue = QueueLevel.LOW;
  alive = true;
  /** Stopped; only nodes with programs are. */
  paused = false;
  syncCompletions = 0;
  /** Between the transitional configuration and the end of sync only this queue is sent (services.md 3.5). */
  readonly transitionalQueue: Outgoing[] = [];
  readonly normalQueue: Outgoing[] = [];
  transitional = true;

  constructor(readonly options: NodeOptions) {
    const { nodeId, clock, cmap } = options;
    this.nodeId = nodeId;
    this.clock = clock;
    this.cmap = cmap;
    this.host = new EngineHost({
      nodeId,
      cmap,
      log: (level, subsystem, message) => {
        this.logs.push(`${level} ${subsystem} ${message}`);
        const [, name, error] = /^Service engine (\w+) failed and was stopped: (.*)/.exec(message) ?? [];
        if (name !== undefined) this.failures.push(`${name}: ${error}`);
      },
      queue: { freeSlots: () => 1000, slotBytes: () => 1400, bytesLimit: () => 4_000_000 },
      queueLevel: () => this.queueLevel,
      nowMs: () => clock.nowMs(),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, () => void (this.alive && callback())),
      mcast: (_service, _fn, message) => this.enqueue('a', message),
      syncDone: (serviceId, ringId) => this.sync.processDone(serviceId, ringId),
      flowControl: (serviceId, state) => this.flow.set(serviceId, state),
      serviceStopped: (serviceId) => this.stopped.push(serviceId),
    });
    this.sync = new SyncCore(nodeId, {
      mcastSync: (message) => this.enqueue('sync', message),
      inProgressChanged: () => {},
      completed: () => {
        this.transitional = false;
        this.syncCompletions++;
        this.host.syncCompleted();
      },
      late: () => {},
      dropped: () => {},
    });
  }

  async load(...engines: ServiceEngine<MainEngineContext>[]): Promise<void> {
    for (const engine of engines) await this.host.load(engine);
    for (const serviceId of this.host.syncServiceIds()) this.participate(serviceId);
  }

  private participate(serviceId: number): void {
    let ring: RingId = { rep: 0, seq: 0 };
    this.sync.add({
      serviceId,
      init: (transitional, members, ringId) => {
        ring = ringId;
        this.host.syncStep({ kind: 'init', serviceIds: [serviceId], transitional, members, ringId });
      },
      process: () => {
        // The response may come inside the call; SyncCore wants it after 'later'.
        queueMicrotaskLike(this, () => this.host.syncStep({ kind: 'process', serviceId, ringId: ring }));
        return 'later';
      },
      activate: () => this.host.syncStep({ kind: 'activate', serviceId }),
      abort: () => this.host.syncStep({ kind: 'abort', serviceId }),
    });
  }

  /** Work that the main thread does after the ring thread's call has returned. */
  readonly later: (() => void)[] = [];

  runLater(): void {
    for (let work = this.later.shift(); work !== undefined; work = this.later.shift()) if (this.alive) work();
  }

  protected enqueue(group: 'a' | 'sync', message: Uint8Array): boolean {
    if (group === 'a' && this.options.full()) return false;
    const queue = this.transitional ? this.transitionalQueue : this.normalQueue;
    queue.push({ from: this.nodeId, group, bytes: message.slice() });
    return true;
  }

  deliver(message: Outgoing): void {
    if (message.group === 'a') this.host.deliver(message.from, message.bytes);
    else this.sync.message(message.from, message.bytes, 0, message.bytes.length);
    this.runLater();
  }

  configurationChange(change: ConfigurationChange): void {
    if (change.kind === 'transitional') this.transitional = true;
    this.host.configurationChange(change);
    this.sync.configurationChange(change);
    this.runLater();
  }

  nextOutgoing(): Outgoing | undefined {
    return (this.transitional ? this.transitionalQueue : this.normalQueue).shift();
  }

  hasOutgoing(): boolean {
    return (this.transitional ? this.transitionalQueue : this.normalQueue).length > 0;
  }

  connect(serviceId: number, euid = 0): FakeConnection {
    const connection = new FakeConnection(this, serviceId, euid);
    this.host.open(serviceId, connection);
    return connection;
  }

  logged(text: string): boolean {
    return this.logs.some((line) => line.includes(text));
  }
}

function queueMicrotaskLike(node: FakeNode, work: () => void): void {
  node.later.push(work);
}

/** A map as the daemon makes it, with the given settings: number = u32, boolean = u8, bigint = u64. */
export function configured(settings: Readonly<Record<string, string | number | boolean | bigint>>): Icmap {
  const cmap = Icmap.withStockAccess();
  for (const [key, value] of Object.entries(settings)) {
    if (typeof value === 'string') cmap.setString(key, value);
    else if (typeof value === 'boolean') cmap.setU8(key, value ? 1 : 0);
    else if (typeof value === 'bigint') cmap.setU64(key, value);
    else cmap.setU32(key, value);
  }
  return cmap;
}
