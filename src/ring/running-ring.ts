import type { ToRing } from '../bridge/messages.ts';
import { StateWord } from '../bridge/shared-layout.ts';
import { withChanges } from '../bridge/totem-changes.ts';
import type { TotemChanges, TotemConfig } from '../config/totem-config.ts';
import type { ConnectionRings } from '../ipc/server/chunk-connection.ts';
import type { KnetReport } from '../knet/effects.ts';
import { assert } from '../lib/assert.ts';
import type { AttachedClient, ClientDescriptor } from '../lib/client-descriptor.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import { packetsFor } from '../lib/packet-charge.ts';
import type { ConfigurationChange, RingId } from '../lib/ring-id.ts';
import type { TransmitBuffers } from '../lib/transmit-buffers.ts';
import type { Arena } from '../os/arena.ts';
import { monotonicMs } from '../os/clock.ts';
import { SyncCore, type SyncHost, type SyncPhase, type SyncStatus } from '../services/sync/sync-core.ts';
import { SYNC_DROP_REASONS, type SyncDropReason } from '../services/sync/sync-messages.ts';
import { Group, ProcessGroups, type TotemObserver, type TotemUser } from '../totem/index.ts';
import { makeTransport } from '../transport/make-transport.ts';
import type { RingTransport, StatCounter, TransportHost } from '../transport/transport.ts';
import type { Wire } from '../transport/wire.ts';
import { type DropCounters, dropCounters } from './drop-counters.ts';
import { TotemFlight, writeLinkReport, writeTimings } from './flight.ts';
import { OriginCounters } from './origin-counters.ts';
import { PhaseTimes } from './phase-times.ts';
import { Reclaim } from './reclaim.ts';
import { ReloadGate } from './reload-gate.ts';
import { remoteParticipants } from './remote-sync.ts';
import { RestControl } from './rest-control.ts';
import type { EngineRing, RingEngine, RingEnvironment } from './ring-engine.ts';
import { ROUTER_DROP_REASONS, ServiceRouter } from './service-router.ts';
import { observeServices, RING_ENGINES } from './services.ts';
import { SyncFlight } from './sync-flight.ts';
import { TotemLog } from './totem-log.ts';
import { TOTEM_STATISTICS } from './totem-statistics.ts';

type StartMessage = Extract<ToRing, { op: 'start' }>;

/** Each forged JOIN may find that its ring has no number on disk. */
const MISSING_SPACING_MS = 100;
/** Frames that a turn reads from the network before clients and timers get theirs. */
const FRAMES_PER_TURN = 512;
/** Timers that are as late show that the thread did not run; then so many times the frames of a turn are read at once. */
const HELD_UP_MS = 50;
const HELD_UP_POLLS_MAX = 16;
const SYNC_TICK_MS = 100;
const PUBLISH_MS = 1;

/**
 * Totem, sync, the engines of this thread and a transport, joined: the constructor wires them, `open` lets the world in. Everything that
 * the core reports to its user goes through here:
 *
 *   transport ⇄ ProcessGroups ── group "sync" ──> SyncCore ──> engines here, and those of the main thread by messages
 *                             ── other groups ──> ServiceRouter ──> engines here, or the bridge
 */
export class RunningRing implements TotemUser, TransportHost, SyncHost, EngineRing {
  readonly groups: ProcessGroups;
  readonly sync: SyncCore;
  readonly router: ServiceRouter;
  readonly transport: RingTransport;
  readonly nodeId: number;
  readonly reportProcesses: boolean;
  readonly reloads: ReloadGate;
  private missingAgainMs = Number.NEGATIVE_INFINITY;
  readonly log;
  /** Nothing was left over in the last turn: whatever comes next wakes the loop. */
  drained = false;
  /** A synchronisation is over: clients are served. */
  synchronized = false;
  /** Requests of clients and messages of the ring so far. */
  messages = 0;
  private readonly engines: readonly RingEngine[];
  private readonly reclaim: Reclaim;
  private readonly phases: PhaseTimes;
  private readonly syncDrops: DropCounters<SyncDropReason>;
  private config: TotemConfig;
  private turnMs: number;
  private syncTickMs = 0;
  private publishMs = 0;
  private linksUp = 0;
  private readonly rest = new RestControl();
  private restUntilMs = Number.NEGATIVE_INFINITY;
  private readonly syncFlight: SyncFlight;
  private services = false;

  /**
   * @param regionBytes of Totem's part of the arena
   * @param nowMs monotonic
   */
  constructor(
    private readonly env: RingEnvironment,
    start: StartMessage,
    regionBytes: number,
    nowMs: number,
  ) {
    this.config = start.config;
    this.nodeId = start.config.nodeId;
    this.reportProcesses = start.reportProcesses;
    this.log = env.bridge.log;
    this.syncFlight = new SyncFlight(env.flight, monotonicMs);
    this.turnMs = nowMs;
    const { transport, keys } = makeTransport(this, start.config);
    this.transport = transport;
    this.reloads = new ReloadGate(this.nodeId, keys, (reason) => env.bridge.send({ op: 'cryptoFailed', reason }));
    const { arena } = env;
    this.phases = new PhaseTimes(this.observer(), (name) => env.statistics.counter(name), monotonicMs, Date.now);
    const ownGroups = start.remoteServices.flatMap(({ processGroup }) => processGroup ?? []);
    this.groups = new ProcessGroups({
      groups: ownGroups,
      nodeId: this.nodeId,
      netMtu: start.config.netMtu,
      timings: start.config.timings,
      storedRingSeq: start.storedRingSeq,
      reservedRingSeq: start.reservedRingSeq,
      memory: { bytes: arena.u8, view: arena.data },
      regionOffset: arena.allocate(regionBytes, 4096),
      regionBytes,
      network: this.transport,
      observer: this.phases,
      origins: new OriginCounters(
        (name) => env.statistics.counter(name),
        (nodeId) => this.config.members.some((member) => member.nodeId === nodeId) || this.isMember(nodeId),
      ),
      random: Math.random,
      statistics: env.statistics.range(TOTEM_STATISTICS),
      nowMs: this.turnMs,
      user: this,
    });
    this.reclaim = new Reclaim(arena, this.groups.srp.pool, env.statistics.counter('rondo.memory.given_back_bytes'));
    this.syncDrops = dropCounters(env.statistics, 'sync', SYNC_DROP_REASONS);
    this.sync = new SyncCore(this.nodeId, this);
    this.router = new ServiceRouter(
      {
        handOver: (nodeId, bytes, offset, length) => env.bridge.deliver(nodeId, bytes, offset, length),
        mcast: (group, message, offset) => this.groups.mcast(group, message, offset),
        drops: dropCounters(env.statistics, 'services', ROUTER_DROP_REASONS),
      },
      start.remoteServices,
      ownGroups,
    );
    this.engines = RING_ENGINES.map((make) => make(env, this));
    for (const engine of this.engines) {
      this.sync.add(engine.sync);
      this.router.handle(engine.serviceId, engine);
    }
    observeServices(this.router, this.reloads);
    const remoteSync = start.remoteServices.filter(({ takesPartInSync }) => takesPartInSync);
    for (const participant of remoteParticipants(
      remoteSync.map(({ serviceId }) => serviceId).sort((a, b) => a - b),
      (message) => env.bridge.send(message),
    )) {
      this.sync.add(participant);
    }
  }

  /** The core's reports go into the log and into the flight recorder. */
  private observer(): TotemObserver {
    const log = new TotemLog(
      this.log,
      () => this.config.timings,
      () => this.ringSeqMissing(),
    );
    const flight = new TotemFlight(this.env.flight, this.transport, this.nodeId, this.counter('rondo.totem.requested'));
    return {
      report: (event) => {
        log.report(event);
        flight.report(event);
      },
    };
  }

  /** Shows the queue to the main thread and opens the sockets. Throws a RondoError when the start is hopeless. */
  open(): void {
    const { state } = this.env.bridge.views;
    state[StateWord.QUEUE_BYTES_LIMIT] = this.groups.messageBytesMax;
    this.publish();
    writeTimings(this.env.flight, this.config.timings);
    this.transport.open();
  }

  // ---- turns of the loop -------------------------------------------------------------------------------------------

  /** One turn; returns how much was done. */
  turn(nowMs: number): number {
    this.turnMs = nowMs;
    const { srp } = this.groups;
    srp.setNow(nowMs);
    const served = this.serve(nowMs);
    this.messages += served;
    if (served > 0) {
      this.rest.served(nowMs);
      srp.passToken();
    }
    let work = served + this.transport.poll(FRAMES_PER_TURN);
    if (nowMs - srp.nextDeadlineMs() > HELD_UP_MS) work += this.readAll();
    // Requests that found no room may find some now.
    this.drained = served === 0 && (this.transport.drained || this.rests(nowMs)) && !this.hasRequests();
    if (nowMs >= srp.ripeMs()) {
      srp.tick(nowMs);
      work++;
    }
    if (nowMs >= this.transport.nextDeadlineMs()) this.transport.tick();
    this.transport.flush();
    for (let i = 0; i < this.engines.length; i++) this.engines[i]!.finishTurn(nowMs);
    if (this.sync.isInProgress() && nowMs >= this.syncTickMs) {
      this.syncTickMs = nowMs + SYNC_TICK_MS;
      this.sync.tick(nowMs);
    }
    if (nowMs >= this.publishMs) {
      this.publishMs = nowMs + PUBLISH_MS;
      this.publish();
    }
    return work;
  }

  wokeAhead(): void {
    if (this.groups.srp.members.length === 1) this.restUntilMs = this.rest.woke(monotonicMs());
  }

  /** Nothing but the own token wants a turn, and it can wait. */
  private rests(nowMs: number): boolean {
    return nowMs < this.restUntilMs;
  }

  /** The thread was held up: what came meanwhile is read before timers accuse anybody that it did not come. */
  private readAll(): number {
    let work = 0;
    for (let i = 0; i < HELD_UP_POLLS_MAX && !this.transport.drained; i++) work += this.transport.poll(FRAMES_PER_TURN);
    return work;
  }

  private serve(nowMs: number): number {
    let served = 0;
    for (let i = 0; i < this.engines.length; i++) served += this.engines[i]!.serve(nowMs);
    return served;
  }

  private hasRequests(): boolean {
    for (let i = 0; i < this.engines.length; i++) if (this.engines[i]!.hasRequests()) return true;
    return false;
  }

  // ---- engines of this thread --------------------------------------------------------------------------------------

  attach(client: ClientDescriptor): void {
    this.engineOf(client).attach(client);
  }

  attachLocal(client: AttachedClient, shared: SharedArrayBuffer): void {
    this.engineOf(client).attachLocal(client, shared);
  }

  /** A client of the warm-up. */
  attachWithoutFiles(client: ClientDescriptor): ConnectionRings {
    return this.engineOf(client).attachWithoutFiles(client);
  }

  private engineOf(client: AttachedClient): RingEngine {
    const engine = this.engines.find(({ serviceId }) => serviceId === client.serviceId);
    assert(engine !== undefined, 'a client comes for an engine of this thread');
    return engine;
  }

  /** Clients in this process did. */
  knocked(): void {
    for (let i = 0; i < this.engines.length; i++) this.engines[i]!.knocked();
  }

  /** Its clients are closed, and it takes no part in sync any more. */
  unload(serviceId: number): void {
    this.sync.remove(serviceId);
    this.engines.find((engine) => engine.serviceId === serviceId)?.closeAll();
  }

  describeClients(): readonly unknown[] {
    return this.engines.flatMap((engine) => engine.describeClients());
  }

  describeEngines(): readonly unknown[] {
    return this.engines.map((engine) => engine.describe());
  }

  /** When the next turn is due without outside events. */
  nextDeadlineMs(): number {
    if (this.transport.hasLocalInput()) return Math.max(0, this.restUntilMs);
    let deadline = Math.min(this.groups.srp.nextDeadlineMs(), this.transport.nextDeadlineMs());
    if (this.sync.isInProgress()) deadline = Math.min(deadline, this.syncTickMs);
    for (let i = 0; i < this.engines.length; i++) deadline = Math.min(deadline, this.engines[i]!.nextDeadlineMs());
    return deadline;
  }

  beforeSleep(nowMs: number): void {
    this.reclaim.beforeSleep(nowMs, this.messages);
    for (let i = 0; i < this.engines.length; i++) this.engines[i]!.beforeSleep(nowMs);
    this.publish();
  }

  /**
   * Whether the send queue has room now for a message of `bytes`, its group name included. `shared`: several clients of this node send. One that
   * does so without a pause would fill the queue, and what the others send would wait behind megabytes: what the next visit of the token takes
   * along is enough then, the rest waits in its own ring. With one node there is nothing to wait for.
   */
  hasRoom(bytes: number, shared: boolean): boolean {
    const { srp, packetBytes } = this.groups;
    if (shared && srp.members.length > 1 && srp.sendQueue.length >= srp.visitPackets) return false;
    return srp.sendQueue.avail >= packetsFor(bytes, packetBytes);
  }

  /** What the main thread sees of the queue (shared-layout.ts). */
  private publish(): void {
    const { state } = this.env.bridge.views;
    const level = this.groups.updateLevel();
    Atomics.store(state, StateWord.QUEUE_TOTAL, this.groups.srp.sendQueue.capacity);
    Atomics.store(state, StateWord.QUEUE_PACKET_BYTES, this.groups.packetBytes);
    Atomics.store(state, StateWord.QUEUE_FREE, this.groups.srp.sendQueue.avail - 1);
    Atomics.store(state, StateWord.QUEUE_LEVEL, level);
    Atomics.store(state, StateWord.SYNC_IN_PROGRESS, this.sync.isInProgress() ? 1 : 0);
  }

  ringKey(fingerprint: string): Uint8Array | null {
    return this.env.keys.find(fingerprint);
  }

  change(changes: TotemChanges): void {
    this.reconfigure(withChanges(this.config, changes));
  }

  reconfigure(config: TotemConfig): void {
    this.config = config;
    writeTimings(this.env.flight, config.timings);
    this.groups.srp.setTimings(config.timings);
    for (const refusal of this.transport.reconfigure(config)) this.log('error', 'TOTEM', refusal);
  }

  /** LEAVE goes out and the sockets close (totem.md 4.12). */
  leave(): void {
    for (const engine of this.engines) engine.closeAll();
    this.groups.srp.leave();
    this.transport.flush();
    this.transport.close();
    for (const engine of this.engines) engine.dispose();
  }

  /** As a process that is killed: clients hang up, sockets close, nobody is told. */
  die(): void {
    this.transport.close();
    for (const engine of this.engines) {
      engine.closeAll();
      engine.dispose();
    }
  }

  /** Whether everything that was multicast has left. */
  isDrained(): boolean {
    return this.groups.isDrained && !this.engines.some(({ needsRetry }) => needsRetry);
  }

  private isMember(nodeId: number): boolean {
    return this.groups.srp.members.includes(nodeId);
  }

  // ---- TransportHost -----------------------------------------------------------------------------------------------

  get arena(): Arena {
    return this.env.arena;
  }

  get transmit(): TransmitBuffers | null {
    return this.env.transmit;
  }

  get wire(): Wire {
    return this.env.wire;
  }

  receive(offset: number, length: number): void {
    this.groups.srp.receive(offset, length);
  }

  noteOwnCopies(count: number): void {
    this.groups.srp.noteOwnCopies(count);
  }

  /**
   * Totem starts when all links have reported (totem.md 4.2) and the services are there: what they send at their start
   * belongs into the first ring, as in stock.
   */
  interfaceUp(linkId: number): void {
    this.env.flight.write('interface', { link: linkId, up: 1 });
    this.env.bridge.send({ op: 'interfaceUp' });
    this.linksUp++;
    this.reportInterfaces();
  }

  servicesLoaded(): void {
    if (this.services) return;
    this.services = true;
    this.reportInterfaces();
  }

  private reportInterfaces(): void {
    if (!this.services || this.linksUp < this.config.links.length) return;
    this.groups.srp.interfaceChanged();
    this.transport.flush();
  }

  interfaceDown(linkId: number): void {
    this.env.flight.write('interface', { link: linkId, up: 0 });
    if (!this.services) return;
    this.groups.srp.interfaceChanged();
    this.transport.flush();
  }

  memberDied(nodeId: number): void {
    this.groups.srp.memberDied(nodeId);
    this.transport.flush();
  }

  linkReport(report: KnetReport): void {
    writeLinkReport(this.env.flight, report);
  }

  memberSilent(nodeId: number, silentMs: number): void {
    this.groups.srp.memberSilent(nodeId, silentMs);
    this.transport.flush();
  }

  watch(fd: number): void {
    this.env.deafness.opened(fd);
    this.env.descriptors.add(fd, () => {}); // waking is enough: every turn polls the transport
  }

  unwatch(fd: number): void {
    this.env.deafness.closed(fd);
    this.env.descriptors.remove(fd);
  }

  nowMs(): number {
    return this.turnMs;
  }

  random(): number {
    return Math.random();
  }

  counter(name: string): StatCounter {
    return this.env.statistics.counter(name);
  }

  // ---- TotemUser ---------------------------------------------------------------------------------------------------

  deliver(
    group: number,
    nodeId: number,
    memory: FrameMemory,
    offset: number,
    length: number,
    foreignEndian: boolean,
  ): void {
    this.messages++;
    if (group === Group.SYNC) this.sync.message(nodeId, memory.bytes, offset, length);
    else this.router.deliver(group, nodeId, memory, offset, length, foreignEndian);
  }

  configurationChange(change: ConfigurationChange): void {
    this.env.bridge.send({ op: 'configurationChange', change });
    this.sync.configurationChange(change);
  }

  sendsSoon(): boolean {
    for (let i = 0; i < this.engines.length; i++) if (this.engines[i]!.sendsSoon()) return true;
    return false;
  }

  tokenSent(): void {
    if (this.sync.isInProgress()) this.sync.retry();
    for (let i = 0; i < this.engines.length; i++) this.engines[i]!.tokenSent();
  }

  reserveRingSeq(upTo: number): void {
    this.env.bridge.send({ op: 'reserveRingSeq', upTo });
  }

  private ringSeqMissing(): void {
    if (this.turnMs < this.missingAgainMs) return;
    this.missingAgainMs = this.turnMs + MISSING_SPACING_MS;
    this.env.bridge.send({ op: 'ringSeqMissing' });
  }

  // ---- SyncHost ----------------------------------------------------------------------------------------------------

  mcastSync(message: Uint8Array): boolean {
    return this.groups.mcast(Group.SYNC, message);
  }

  inProgressChanged(inProgress: boolean): void {
    Atomics.store(this.env.bridge.views.state, StateWord.SYNC_IN_PROGRESS, inProgress ? 1 : 0);
    for (const engine of this.engines) engine.syncChanged(inProgress);
  }

  lastBarrierQueued(): void {
    this.groups.holdServices();
  }

  entered(phase: SyncPhase, serviceId: number): void {
    this.syncFlight.entered(phase, serviceId);
  }

  aborted(status: SyncStatus): void {
    this.syncFlight.aborted(status);
  }

  completed(ringId: RingId): void {
    this.synchronized = true;
    this.groups.synchronizationCompleted();
    this.phases.completed();
    this.env.bridge.send({ op: 'syncCompleted', ringId });
  }

  late(status: SyncStatus): void {
    this.syncFlight.late(status);
    const { phase, serviceId, waitingFor, elapsedMs } = status;
    const service = serviceId < 0 ? '' : ` of service ${serviceId}`;
    const nodes = waitingFor.length > 0 ? waitingFor.join(' ') : 'none';
    const text = `Synchronization waits in phase ${phase}${service} for ${Math.round(elapsedMs)} ms, for nodes: ${nodes}`;
    this.log('warning', 'SYNC', text);
  }

  dropped(reason: SyncDropReason): void {
    this.syncDrops[reason]();
  }
}
