import type { TrackCallback, Tracker } from '../../config/icmap/index.ts';
import { REQUEST_HEADER_BYTES } from '../../lib/ipc-header.ts';
import { HANDLERS_MAX } from '../codec/ids.ts';
import { viewOf } from '../codec/struct.ts';
import type {
  CallHandler,
  EngineConnection,
  EngineTimer,
  LibraryCall,
  MainEngineContext,
  MessageHandler,
  RunningService,
  ServiceEngine,
} from '../engine.ts';
import { Outbox } from './outbox.ts';
import type { HostPorts } from './ports.ts';

/** State that all engines see alike. */
export interface HostState {
  isQuorate(): boolean;
  syncInProgress(): boolean;
}

/** What an engine does until it has started: nothing. */
const NOT_STARTED: RunningService = { calls: {}, messages: {} };

/** A call with its handler. */
interface BoundCall {
  readonly call: LibraryCall;
  readonly handle: CallHandler;
}

/**
 * One engine with everything that it holds: connections, timers, trackers. Every call into the engine goes through
 * `guard`, so that its errors stop this engine and nothing else.
 */
export class LoadedEngine {
  readonly connections = new Set<EngineConnection>();
  private readonly timers = new Set<EngineTimer>();
  private readonly trackers: Tracker[] = [];
  private readonly outbox = new Outbox({
    mcast: (fn, message) => this.mcast(fn, message),
    setTimer: (delayMs, callback) => this.setTimer(delayMs, callback),
  });
  private calls: readonly (BoundCall | undefined)[] = [];
  private messages: readonly MessageHandler[] = [];
  private failure: unknown = null;
  private stopped = false;
  service: RunningService = NOT_STARTED;

  constructor(
    readonly engine: ServiceEngine<MainEngineContext>,
    private readonly ports: HostPorts,
    private readonly state: HostState,
    private readonly onFailure: (engine: LoadedEngine, error: unknown) => void,
    /** Runs after every call into the engine that may have changed what it waits for. */
    private readonly afterCall: (engine: LoadedEngine) => void,
  ) {}

  /** Whether it still takes part: neither failed nor unloaded. */
  get running(): boolean {
    return this.failure === null && !this.stopped;
  }

  /** Why it was stopped; `null`: it did not fail. */
  get failureCause(): unknown {
    return this.failure;
  }

  /** From here on the engine hears of everything. Rejects if it cannot start, or serves less than it declares. */
  async start(): Promise<void> {
    const { engine } = this;
    const service = await engine.start(this.context());
    const handlerOf = <Handler>(handlers: Readonly<Record<string, Handler>>, name: string): Handler => {
      const handler = handlers[name];
      if (typeof handler !== 'function') throw new TypeError(`${engine.name} declares ${name}, and does not serve it`);
      return handler;
    };
    const calls: (BoundCall | undefined)[] = new Array(HANDLERS_MAX).fill(undefined);
    for (const [name, call] of Object.entries(engine.calls))
      calls[call.id] = { call, handle: handlerOf(service.calls, name) };
    this.messages = engine.messages.map((name) => handlerOf(service.messages, name));
    this.calls = calls;
    this.service = service;
  }

  /** The call with this request id; `undefined`: the engine has none. */
  call(id: number): BoundCall | undefined {
    return this.calls[id];
  }

  /** The handler of a message between nodes; `undefined`: the engine has none. */
  message(fn: number): MessageHandler | undefined {
    return this.messages[fn];
  }

  /** Calls into the engine. `fallback` is the result when it has failed, now or before. */
  guard<T>(fallback: T, call: () => T): T {
    if (!this.running) return fallback;
    try {
      return call();
    } catch (error) {
      this.fail(error);
      return fallback;
    }
  }

  fail(error: unknown): void {
    if (!this.running) return;
    this.failure = error ?? new Error('the engine threw nothing');
    this.releaseResources();
    for (const connection of [...this.connections]) connection.disconnect(`service engine ${this.engine.name} failed`);
    this.connections.clear();
    this.onFailure(this, error);
  }

  private context(): MainEngineContext {
    const { ports, engine, state } = this;
    return {
      nodeId: ports.nodeId,
      cmap: ports.cmap,
      log: ports.log,
      nowMs: () => ports.nowMs(),
      isQuorate: () => state.isQuorate(),
      syncInProgress: () => state.syncInProgress(),
      send: (fn, payload) => this.outbox.send(fn, payload),
      trySend: (fn, payload) => this.outbox.trySend(fn, payload),
      flush: () => this.outbox.flush(),
      setTimer: (delayMs, callback) => this.setTimer(delayMs, callback),
      track: (key, mask, callback) => this.track(engine.name, key, mask, callback),
    };
  }

  private mcast(fn: number, payload: Uint8Array): boolean {
    if (!this.running) return false;
    const { engine, ports } = this;
    if (engine.messages[fn] === undefined || payload.length < REQUEST_HEADER_BYTES)
      throw new RangeError(`${engine.name} cannot send function ${fn} with ${payload.length} bytes`);
    const view = viewOf(payload);
    view.setInt32(0, (engine.serviceId << 16) | fn, true);
    view.setInt32(8, payload.length, true);
    if (!ports.mcast(engine.serviceId, fn, payload)) return false;
    ports.cmap.fastAdjust(`runtime.services.${engine.name}.${fn}.tx`, 1);
    return true;
  }

  private setTimer(delayMs: number, callback: () => void): EngineTimer {
    const timer = this.ports.setTimer(delayMs, () => {
      this.timers.delete(handle);
      this.guard(undefined, callback);
      this.afterCall(this);
    });
    const handle: EngineTimer = {
      cancel: () => {
        this.timers.delete(handle);
        timer.cancel();
      },
    };
    this.timers.add(handle);
    return handle;
  }

  private track(name: string, key: string, mask: number, callback: TrackCallback): void {
    const guarded: TrackCallback = (event, changedKey, newValue, oldValue) => {
      this.guard(undefined, () => callback(event, changedKey, newValue, oldValue));
      this.afterCall(this);
    };
    const tracker = this.ports.cmap.track(key, mask, guarded);
    if (tracker === null) throw new RangeError(`${name}: unknown bits in track mask ${mask}`);
    this.trackers.push(tracker);
  }

  open(connection: EngineConnection): void {
    if (!this.running) {
      connection.disconnect(`service engine ${this.engine.name} is not running`);
      return;
    }
    this.connections.add(connection);
    this.guard(undefined, () => this.service.connectionOpened?.(connection));
  }

  close(connection: EngineConnection): void {
    if (!this.connections.delete(connection)) return;
    this.guard(undefined, () => this.service.connectionClosed?.(connection));
    this.afterCall(this);
  }

  /** `false`: the engine is not finished, call again. An engine that fails here is finished. */
  stopStep(): boolean {
    return this.guard(true, () => this.service.stop?.() ?? true);
  }

  /** After the last `stopStep`: closes the connections while the engine still hears of it, then lets go of all. */
  shutDown(): void {
    for (const connection of [...this.connections]) {
      connection.disconnect(`service engine ${this.engine.name} unloaded`);
      this.close(connection);
    }
    this.releaseResources();
    this.stopped = true;
  }

  private releaseResources(): void {
    for (const timer of [...this.timers]) timer.cancel();
    for (const tracker of this.trackers.splice(0)) this.ports.cmap.untrack(tracker);
  }
}
