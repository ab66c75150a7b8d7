import { assert } from '../../lib/assert.ts';
import { REQUEST_HEADER_BYTES } from '../../lib/ipc-header.ts';
import type { ConfigurationChange } from '../../lib/ring-id.ts';
import type { SyncStep } from '../../lib/sync-step.ts';
import { HANDLERS_MAX, SERVICES_MAX } from '../codec/ids.ts';
import { viewOf } from '../codec/struct.ts';
import {
  type EngineConnection,
  hasClients,
  type MainEngineContext,
  type ServiceDeclaration,
  type ServiceEngine,
  unknownMessageText,
} from '../engine.ts';
import { type AdmissionVerdict, judge, rejection } from './admission.ts';
import { type FlowState, flowState } from './flow-control.ts';
import { LevelWatch } from './level-watch.ts';
import { LoadedEngine } from './loaded-engine.ts';
import type { HostPorts, RemoteService } from './ports.ts';
import { RingOrder } from './ring-order.ts';
import { SyncParticipation } from './sync-participation.ts';

/** Why a node-to-node message was not handed to an engine (services.md 1.2, T32). */
export const ENGINE_DROP_REASONS = ['short', 'noService', 'noFunction'] as const;
export type EngineDropReason = (typeof ENGINE_DROP_REASONS)[number];

/**
 * Runs the engines of the main thread:
 *
 *   ring ──► deliver, configurationChange, sync…   ──►  engines ──► mcast ──► ring
 *   clients ──► open, request, close               ──►  engines ──► respond, dispatch ──► clients
 *
 * It knows nothing of sockets and threads; the daemon connects both sides.
 */
export class EngineHost {
  private readonly engines: (LoadedEngine | undefined)[] = [];
  private readonly remotes: RemoteService[] = [];
  private readonly sync: SyncParticipation;
  private readonly order: RingOrder;
  private quorate = false;
  /** True from the start until the first sync is over (services.md 3.1). */
  private syncing = true;
  private readonly levels: LevelWatch;
  readonly drops: Record<EngineDropReason, number> = { short: 0, noService: 0, noFunction: 0 };

  constructor(private readonly ports: HostPorts) {
    this.levels = new LevelWatch(
      () => ports.queueLevel(),
      (delayMs, callback) => ports.setTimer(delayMs, callback),
      () => this.refreshFlowControl(),
    );
    this.order = new RingOrder(ports);
    this.sync = new SyncParticipation(ports, (serviceId) => this.running(serviceId));
  }

  // ---- loading and unloading ----

  /** Starts an engine and makes it known. Rejects if it cannot start, or if it or one that it loads (quorum its provider) fails meanwhile. */
  async load(engine: ServiceEngine<MainEngineContext>): Promise<void> {
    const { serviceId, name } = engine;
    assert(Number.isInteger(serviceId) && serviceId >= 0 && serviceId < SERVICES_MAX, `service id ${serviceId}`);
    const ids = Object.values(engine.calls).map(({ id }) => id);
    assert(engine.messages.length <= HANDLERS_MAX && ids.every((id) => id < HANDLERS_MAX), `handlers of ${name}`);
    assert(this.engines[serviceId] === undefined, `service id ${serviceId} is taken`);
    const loaded = new LoadedEngine(
      engine,
      this.ports,
      { isQuorate: () => this.quorate, syncInProgress: () => this.syncing },
      (failed, error) => this.reportFailure(failed, error),
      (called) => this.sync.kick(called),
    );
    if (engine.hidden !== true) this.announce(engine);
    const before = new Set(this.engines);
    this.engines[serviceId] = loaded;
    try {
      await loaded.start();
      const failed = this.engines.find((one) => one !== undefined && !before.has(one) && one.failureCause !== null);
      // The new engine does not know: who has not started is not notified of failures.
      if (failed !== undefined) throw failed.failureCause;
    } catch (error) {
      loaded.shutDown();
      this.engines[serviceId] = undefined;
      throw error;
    }
    if (engine.hidden === true) return;
    this.ports.log('notice', 'SERV', `Service engine loaded: ${engine.description} [${serviceId}]`);
  }

  /** An engine that runs on another thread: keys, log line and place in the unload order. */
  addRemote(service: RemoteService): void {
    this.remotes.push(service);
    this.announce(service);
    this.ports.log('notice', 'SERV', `Service engine loaded: ${service.description} [${service.serviceId}]`);
  }

  /** Whether the service runs on another thread, with its clients. */
  isRemote(serviceId: number): boolean {
    return this.remotes.some((remote) => remote.serviceId === serviceId);
  }

  /** The keys of a service (config-and-tools.md 2.1). */
  private announce(service: ServiceDeclaration): void {
    const { cmap } = this.ports;
    const { serviceId, name } = service;
    cmap.setString(`internal_configuration.service.${serviceId}.name`, `corosync_${name}`);
    cmap.setU32(`internal_configuration.service.${serviceId}.ver`, 0);
    cmap.setU16(`runtime.services.${name}.service_id`, serviceId);
    for (let fn = 0; fn < service.messages.length; fn++) {
      cmap.setU64(`runtime.services.${name}.${fn}.tx`, 0);
      cmap.setU64(`runtime.services.${name}.${fn}.rx`, 0);
    }
  }

  /**
   * Unloads everything: highest priority first, then by id (services.md 11.4). The ring must still run, because engines
   * say goodbye through it.
   */
  async unloadAll(): Promise<void> {
    this.order.end();
    this.ports.log('notice', 'SERV', 'Unloading all Corosync service engines.');
    const local = this.engines.filter((loaded) => loaded !== undefined);
    const steps = [
      ...local.map((loaded) => ({
        serviceId: loaded.engine.serviceId,
        description: loaded.engine.hidden === true ? null : loaded.engine.description,
        priority: loaded.engine.unloadPriority,
        unload: () => this.unload(loaded),
      })),
      ...this.remotes.map((remote) => ({
        serviceId: remote.serviceId,
        description: remote.description,
        priority: remote.unloadPriority,
        unload: () => remote.unload(),
      })),
    ].sort((a, b) => b.priority - a.priority || a.serviceId - b.serviceId);
    for (const step of steps) {
      await step.unload();
      if (step.description === null) continue;
      this.ports.log('notice', 'SERV', `Service engine unloaded: ${step.description}`);
      this.ports.serviceStopped(step.serviceId);
    }
  }

  private async unload(loaded: LoadedEngine): Promise<void> {
    const retryMs = 5;
    while (!loaded.stopStep()) await new Promise<void>((resolve) => void this.ports.setTimer(retryMs, resolve));
    loaded.shutDown();
  }

  private reportFailure(failed: LoadedEngine, error: unknown): void {
    const { name, serviceId } = failed.engine;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.ports.log('emerg', 'SERV', `Service engine ${name} failed and was stopped: ${text}`, 'failed');
    for (const loaded of this.engines) loaded?.guard(undefined, () => loaded.service.engineFailed?.(serviceId));
    if (failed.engine.decidesQuorum === true) this.setQuorate(false); // nobody is left to say otherwise
    this.sync.kick(failed); // the ring must not wait for it
  }

  /** Ids of the engines here that take part in sync, ascending. */
  syncServiceIds(): number[] {
    return this.serviceIds().filter((serviceId) => this.engines[serviceId]?.engine.takesPartInSync === true);
  }

  serviceIds(): number[] {
    return this.engines.flatMap((loaded) => (loaded === undefined ? [] : [loaded.engine.serviceId]));
  }

  /** Services with an IPC socket: short name and id. */
  libraryServices(): { readonly serviceId: number; readonly name: string }[] {
    return this.engines
      .filter((loaded) => loaded !== undefined && hasClients(loaded.engine))
      .map((loaded) => ({ serviceId: loaded!.engine.serviceId, name: loaded!.engine.name }));
  }

  private running(serviceId: number): LoadedEngine | undefined {
    const loaded = this.engines[serviceId];
    return loaded?.running === true ? loaded : undefined;
  }

  // ---- the ring's side ----

  /**
   * Something that a message began goes on, and what comes after that message in the order of the ring must not be seen before it is done:
   * it waits until the returned function is called (ring-order.ts). `what`: for the log, if that takes too long.
   */
  hold(what: string): () => void {
    return this.order.hold(what);
  }

  /** A message of group "a" in total order. `message` is valid during the call only. */
  deliver(nodeId: number, message: Uint8Array): void {
    if (!this.order.isHeld) {
      this.handOver(nodeId, message);
      return;
    }
    const copy = new Uint8Array(message);
    this.order.run(() => this.handOver(nodeId, copy), copy.length);
  }

  private handOver(nodeId: number, message: Uint8Array): void {
    if (message.length < REQUEST_HEADER_BYTES) {
      this.drop('short', nodeId, 0);
      return;
    }
    const id = viewOf(message).getUint32(0, true);
    const serviceId = id >>> 16;
    const fn = id & 0xffff;
    const loaded = serviceId < SERVICES_MAX ? this.running(serviceId) : undefined;
    if (loaded === undefined) {
      this.drop('noService', nodeId, id);
      return;
    }
    const handle = loaded.message(fn);
    if (handle === undefined) {
      this.ports.log('warning', 'MAIN', unknownMessageText(fn, serviceId, loaded.engine.messages.length));
      this.drop('noFunction', nodeId, id);
      return;
    }
    this.ports.cmap.fastAdjust(`runtime.services.${loaded.engine.name}.${fn}.rx`, 1);
    loaded.guard(undefined, () => handle(message, nodeId));
    this.sync.kick(loaded);
  }

  private drop(reason: EngineDropReason, nodeId: number, id: number): void {
    this.drops[reason] += 1;
    this.ports.log(
      'trace',
      'SERV',
      `Message 0x${(id >>> 0).toString(16)} of node ${nodeId} dropped: ${reason}`,
      reason,
    );
  }

  configurationChange(change: ConfigurationChange): void {
    this.beginSync(); // for the clients at once: the ring takes nothing of theirs now
    this.order.run(() => this.changed(change));
  }

  private beginSync(): void {
    this.syncing = true;
    this.refreshFlowControl();
  }

  private changed(change: ConfigurationChange): void {
    this.beginSync();
    for (const loaded of this.engines) loaded?.guard(undefined, () => loaded.service.configurationChange?.(change));
  }

  /** A step of synchronisation (services.md 3). */
  syncStep(step: SyncStep): void {
    this.order.run(() => this.sync.take(step));
  }

  /** `done` follows when the engines are as far. */
  syncCompleted(done: () => void = () => {}): void {
    this.order.run(() => {
      this.syncing = false;
      this.refreshFlowControl();
      done();
    });
  }

  /** For the quorum engine. */
  setQuorate(quorate: boolean): void {
    const changed = quorate !== this.quorate;
    this.quorate = quorate;
    if (!changed) return;
    this.refreshFlowControl();
  }

  get isQuorate(): boolean {
    return this.quorate;
  }

  get syncInProgress(): boolean {
    return this.syncing;
  }

  // ---- the clients' side ----

  /** What connections of the service get now; a new connection starts with word 0 whatever this says. */
  flowState(serviceId: number): FlowState {
    const { allowInquorate = true, servedDuringSync = false } = this.engines[serviceId]?.engine ?? {};
    const { quorate, syncing, levels } = this;
    return flowState({ allowInquorate, servedDuringSync, quorate, syncInProgress: syncing, level: levels.level });
  }

  private refreshFlowControl(): void {
    for (const { serviceId } of this.libraryServices()) this.ports.flowControl(serviceId, this.flowState(serviceId));
  }

  open(serviceId: number, connection: EngineConnection): void {
    const loaded = this.engines[serviceId];
    if (loaded === undefined) connection.disconnect(`service ${serviceId} is not loaded`);
    else loaded.open(connection);
  }

  close(serviceId: number, connection: EngineConnection): void {
    this.engines[serviceId]?.close(connection);
  }

  /**
   * One request of a client, header included; `request` is valid during the call only. A request that is not admitted gets
   * its response here; the verdict is for the counters of the connection.
   */
  request(serviceId: number, connection: EngineConnection, request: Uint8Array): AdmissionVerdict {
    this.levels.look();
    const loaded = this.running(serviceId);
    if (loaded === undefined || request.length < REQUEST_HEADER_BYTES) {
      connection.respond(rejection('invalid', undefined));
      return 'invalid';
    }
    const bound = loaded.call(viewOf(request).getUint32(0, true));
    const verdict = judge(request.length, bound?.call, loaded.engine.allowInquorate, {
      queue: this.ports.queue,
      quorate: this.quorate,
      syncInProgress: this.syncing,
    });
    if (verdict === 'admitted') {
      loaded.guard(undefined, () => bound?.handle(connection, request));
      this.sync.kick(loaded);
    } else connection.respond(rejection(verdict, bound?.call));
    return verdict;
  }

  /** State of all engines, for SIGUSR2. */
  dump(): string {
    return this.engines
      .map((loaded) => loaded?.guard('', () => loaded.service.dump?.() ?? '') ?? '')
      .filter((text) => text !== '')
      .join('\n');
  }
}
