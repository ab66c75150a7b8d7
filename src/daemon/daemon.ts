import type { FromRing, RingQuery } from '../bridge/messages.ts';
import { DEFAULT_RING_WORKER_OPTIONS } from '../bridge/ring-worker-data.ts';
import { StateWord } from '../bridge/shared-layout.ts';
import { withChanges } from '../bridge/totem-changes.ts';
import type { ConfigEnvironment } from '../config/environment.ts';
import { Icmap } from '../config/icmap/index.ts';
import type { KeyMaterial } from '../config/key-material.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import type { LoggingConfig } from '../config/logging-config.ts';
import type { TotemChanges, TotemConfig } from '../config/totem-config.ts';
import { unreachable } from '../lib/assert.ts';
import { failureText, stackOf } from '../lib/failure.ts';
import type { LogFunction } from '../lib/log.ts';
import { StatsMap } from '../services/cmap/stats-map.ts';
import type { EngineTimer, MainEngineContext, ServiceEngine } from '../services/engine.ts';
import { EngineHost } from '../services/host/engine-host.ts';
import type { QueueLevelValue } from '../services/host/flow-control.ts';
import type { HostPorts } from '../services/host/ports.ts';
import { cfgPorts } from './cfg-ports.ts';
import { Deferred, Gate, within } from './deferred.ts';
import { CPG_SERVICE, type EngineSet, engineSet } from './engines.ts';
import { DaemonExit, ExitCode, type ExitCodeValue } from './exit-codes.ts';
import type { IpcFront } from './ipc-front.ts';
import type { SchedulingPlan } from './privileges.ts';
import { ConfigurationChanges } from './reloader.ts';
import { RemoteCounters } from './remote-counters.ts';
import { RingIdKeeper } from './ring-id-keeper.ts';
import type { RingIdStore } from './ring-id-store.ts';
import { RingQueries } from './ring-queries.ts';
import { RingThread } from './ring-thread.ts';
import { installTriggerKeys } from './runtime-keys.ts';
import { ScheduleWatch } from './schedule-watch.ts';
import { addStatistics, RingCounters, showEngineDrops, showLinks, showOwnCounters } from './stats.ts';
import { systemEngines } from './system-engines.ts';

/** How long each step of the orderly stop may take before the daemon goes on without it. */
const STOP_STEP_MS_MAX = 5_000;
/** How often the level of the send queue is looked at for the flow control of clients. */
/** A ring thread that stands still this long will not come back. */
const HANG_END_SECONDS = 30;
const LAST_WORDS_MS = 1000;
const LEVEL_POLL_MS = 20;
const COUNTERS_MS = 500;

export interface DaemonParts {
  readonly configuration: LoadedConfiguration;
  readonly stateDirectory: string;
  readonly ringIds: RingIdStore;
  readonly scheduling: SchedulingPlan;
  readonly lockMemory: boolean;
  readonly log: LogFunction;
  /** Engines of `service { … }` sections. */
  readonly modules: readonly ServiceEngine<MainEngineContext>[];
  /** For reading the configuration again. */
  readonly environment: ConfigEnvironment;
  /** Opens the log files again after rotation. */
  reopenLogs(): void;
  reconfigureLog(logging: LoggingConfig): void;
  dumpFlightData(): void;
  openIpc(daemon: Daemon): IpcFront;
  /** The first synchronisation is over: clients are served. Every later one calls it too. */
  synchronized(first: boolean): void;
}

/**
 * The main thread of a running node: the engines' host between the ring thread and the clients, in stock's order of
 * start and stop (services.md 11).
 *
 *   ring thread ── records ──► Gate ──► EngineHost ◄── requests ── IpcFront ◄── clients
 */
export class Daemon {
  readonly cmap = Icmap.withStockAccess();
  readonly statistics: StatsMap;
  readonly host: EngineHost;
  readonly finished = new Deferred<ExitCodeValue>();
  totem: TotemConfig;
  /** Of the ring as it is now, for what udp and udpu call reachable. */
  members: readonly number[] = [];
  readonly changes: ConfigurationChanges;
  private readonly ring: RingThread;
  private readonly ipc: IpcFront;
  private readonly engines: EngineSet;
  private readonly engineGate = new Gate();
  private readonly watch: ScheduleWatch;
  private readonly counters = new RingCounters(() => this.ring.views.statistics);
  private readonly ringIds: RingIdKeeper;
  private readonly queries = new RingQueries((message) => this.ring.send(message));
  private readonly ringStopped = new Deferred<void>();
  private readonly ringExited = new Deferred<void>();
  private ringGone = false;
  private cpgUnloaded: Deferred<void> | null = null;
  private stopping: Promise<void> | null = null;
  private loading = false;
  private synchronizedOnce = false;
  /** As the ring thread said when it stopped; 0: it did not. */
  private ringSeqUsed = 0;
  private levelTimer: NodeJS.Timeout | null = null;
  private readonly remoteCounters = new RemoteCounters(this.cmap, this.counters, [CPG_SERVICE]);
  private countersTimer: NodeJS.Timeout | null = null;

  constructor(private readonly parts: DaemonParts) {
    const { configuration, log } = parts;
    this.totem = configuration.totem;
    this.cmap.copyFrom(configuration.map);
    this.statistics = new StatsMap({ setTimer });
    this.watch = new ScheduleWatch(log);
    this.watch.show(this.statistics);
    addStatistics(this.statistics, this.counters, () => this.ipc.stats);
    showLinks(this.statistics, this.counters, this.totem);
    this.ringIds = new RingIdKeeper(parts.ringIds, {
      log,
      reserved: (upTo) => this.ring.send({ op: 'ringSeqReserved', upTo }),
      failed: (error) => this.fail(error),
    });
    this.host = new EngineHost(this.hostPorts());
    showEngineDrops(this.statistics, this.host.drops);
    this.changes = new ConfigurationChanges(this, parts);
    this.engines = engineSet({
      cmap: this.cmap,
      statistics: this.statistics,
      stateDirectory: parts.stateDirectory,
      addressesOf: (nodeId) => this.totem.members.find((member) => member.nodeId === nodeId)?.addresses ?? [],
      cfg: cfgPorts(this, parts),
      shutdown: (reason) => this.stop(reason),
      cpg: { ...CPG_SERVICE, unload: () => this.unloadCpg() },
      publish: (serviceId, name) => this.ipc.publish(serviceId, name),
      system: systemEngines(log, {
        exit: () => this.finished.resolve(ExitCode.PLOAD_DONE),
        dumpFlightData: () => parts.dumpFlightData(),
      }),
      modules: parts.modules,
      log,
    });
    const { roundRobin, priority } = parts.scheduling;
    this.ring = new RingThread(
      { ...DEFAULT_RING_WORKER_OPTIONS, schedRr: roundRobin, schedPriority: priority, lockMemory: parts.lockMemory },
      {
        message: (message) => this.fromRing(message),
        deliver: (nodeId, payload) => this.deliver(nodeId, payload),
        hangs: (seconds) => this.ringHangs(seconds),
        exited: (error) => this.ringEnded(error),
      },
    );
    this.ipc = parts.openIpc(this);
  }

  get log(): LogFunction {
    return this.parts.log;
  }

  // ---- the ring thread ----

  private fromRing(message: FromRing): void {
    switch (message.op) {
      case 'ready':
        this.startRing();
        break;
      case 'statistics':
        this.counters.add(message.names);
        showOwnCounters(this.statistics, this.counters);
        break;
      case 'interfaceUp':
        this.interfaceUp();
        break;
      case 'reserveRingSeq':
        this.ringIds.ask(message.upTo);
        break;
      case 'ringSeqMissing':
        this.ringIds.missing();
        break;
      case 'configurationChange':
        this.members = message.change.members;
        this.ringIds.formed(message.change.ringId.seq);
        this.engineGate.run(() => this.host.configurationChange(message.change));
        break;
      case 'sync':
        this.engineGate.run(() => this.host.syncStep(message.step));
        break;
      case 'syncCompleted':
        this.engineGate.run(() => this.syncCompleted());
        break;
      case 'clientClosed':
        this.ipc.remoteClosed(message.id);
        break;
      case 'log':
        this.log(message.level, message.subsystem, message.message);
        break;
      case 'paused':
        this.watch.note(message.timestampMs, message.delayMs, message.thresholdMs);
        break;
      case 'answer':
        this.queries.answered(message.queryId, message.value);
        break;
      case 'cryptoFailed':
        this.log('error', 'TOTEM', `Crypto reconfiguration failed: ${message.reason}`);
        break;
      case 'fatal':
        this.fail(new DaemonExit(ExitCode.FATAL, `${message.message} (${message.code})`));
        break;
      case 'serviceUnloaded':
        this.cpgUnloaded?.resolve();
        break;
      case 'stopped':
        this.ringSeqUsed = message.ringSeqUsed;
        this.ringStopped.resolve();
        break;
      default:
        unreachable(message);
    }
  }

  private deliver(nodeId: number, payload: Uint8Array): void {
    if (this.engineGate.open) this.host.deliver(nodeId, payload);
    else {
      const copy = new Uint8Array(payload); // the record's memory is used again
      this.engineGate.run(() => this.host.deliver(nodeId, copy));
    }
  }

  private startRing(): void {
    try {
      const { stored, reserved, impossible } = this.parts.ringIds.open();
      if (impossible !== null) {
        const text = `The stored ring sequence ${impossible.toString(16)} is no possible one; starting again from 0.`;
        this.log('warning', 'TOTEM', text);
      }
      this.handOver(this.parts.configuration.key);
      this.ring.send({
        op: 'start',
        config: this.totem,
        storedRingSeq: stored,
        reservedRingSeq: reserved,
        remoteServices: this.engines.services,
      });
    } catch (error) {
      this.fail(error);
    }
  }

  /** The ring thread gets the key; here it is wiped. */
  private handOver(key: KeyMaterial | null): void {
    if (key === null) return;
    if (key.bytes !== null) this.ring.sendKey(key.fingerprint, key.bytes);
    key.wipe();
  }

  /** The first interface that is up starts the services (services.md 11.1 step 6); what the ring says meanwhile waits. */
  private interfaceUp(): void {
    if (this.loading || this.stopping !== null) return;
    this.loading = true;
    this.engines
      .load(this.host)
      .then(() => {
        installTriggerKeys(this.cmap, {
          forceGather: () => {
            this.log('error', 'MAIN', 'Forcing into GATHER state');
            this.ring.send({ op: 'forceGather' });
          },
          dumpFlightData: () => this.parts.dumpFlightData(),
          dumpState: () => this.dumpState(),
        });
        this.watch.start(this.totem.timings.tokenMs);
        this.changes.start(this.parts.configuration.unresolved);
        this.levelTimer = setInterval(() => this.pollLevel(), LEVEL_POLL_MS);
        this.countersTimer = setInterval(() => this.remoteCounters.refresh(), COUNTERS_MS);
        this.engineGate.release();
        this.ring.send({ op: 'servicesLoaded' });
      })
      .catch((error: unknown) => this.fail(error));
  }

  private syncCompleted(): void {
    this.host.syncCompleted();
    this.log('notice', 'MAIN', 'Completed service synchronization, ready to provide service.');
    const first = !this.synchronizedOnce;
    this.synchronizedOnce = true;
    if (first) this.ipc.allow();
    this.parts.synchronized(first);
  }

  private pollLevel(): void {
    const level = Atomics.load(this.ring.views.state, StateWord.QUEUE_LEVEL);
    if (level >= 0 && level <= 3) this.host.queueLevelChanged(level as QueueLevelValue);
  }

  /** The other nodes have gone on without this one by then; what is left is to tell why, and to make room for a restart. */
  private ringHangs(seconds: number): void {
    const text = `The ring thread has not run for ${seconds} s`;
    this.log('crit', 'MAIN', `${text}: this node takes no part in the ring`);
    if (seconds < HANG_END_SECONDS) return;
    this.log('emerg', 'MAIN', `${text}: the daemon aborts`);
    this.parts.dumpFlightData();
    // An orderly exit would wait for the thread.
    setTimeout(() => process.kill(process.pid, 'SIGABRT'), LAST_WORDS_MS);
  }

  private ringEnded(error: Error | null): void {
    this.ringGone = true;
    this.ringStopped.resolve();
    this.ringExited.resolve();
    this.cpgUnloaded?.resolve();
    this.queries.fail();
    if (error === null) return;
    const text = `The ring thread failed: ${failureText(error)}`;
    this.log('debug', 'MAIN', stackOf(error));
    if (this.stopping === null) this.fail(new DaemonExit(ExitCode.FATAL, text, { cause: error }));
    else this.log('debug', 'MAIN', text); // it has said why already
  }

  /** Asks the ring thread for something that only it knows. */
  query(what: RingQuery): Promise<unknown> {
    return this.queries.ask(what);
  }

  sendToRing(message: Parameters<RingThread['send']>[0]): void {
    this.ring.send(message);
  }

  /** A new configuration is in force: of a reload, or of a name that resolves now. `key` is the ring's, when it may be new. */
  reconfigure(totem: TotemConfig, key: KeyMaterial | null = null): void {
    this.handOver(key);
    this.ring.send({ op: 'reconfigure', config: totem });
    this.inForce(totem);
  }

  /** A key that acts at run time was set. */
  change(changes: TotemChanges): void {
    this.ring.send({ op: 'change', changes });
    this.inForce(withChanges(this.totem, changes));
  }

  private inForce(totem: TotemConfig): void {
    this.totem = totem;
    showLinks(this.statistics, this.counters, totem);
    this.watch.start(totem.timings.tokenMs);
  }

  // ---- the engines' host ----

  private hostPorts(): HostPorts {
    const word = (index: number): number => Atomics.load(this.ring.views.state, index);
    return {
      nodeId: this.totem.nodeId,
      cmap: this.cmap,
      log: this.parts.log,
      queue: {
        freeSlots: () => word(StateWord.QUEUE_FREE),
        slotBytes: () => word(StateWord.QUEUE_PACKET_BYTES),
        bytesLimit: () => word(StateWord.QUEUE_BYTES_LIMIT) || Number.MAX_SAFE_INTEGER,
      },
      nowMs: () => performance.now(),
      setTimer,
      mcast: (serviceId, fn, message) => this.ring.mcast(serviceId, fn, message),
      syncDone: (serviceId, ringId) => this.ring.send({ op: 'syncDone', serviceId, ringId }),
      flowControl: (serviceId, state) => this.ipc.flowControl(serviceId, state),
      serviceStopped: (serviceId) => this.ipc.withdraw(serviceId),
    };
  }

  dumpState(): void {
    for (const line of this.host.dump().split('\n')) this.log('debug', 'MAIN', line);
  }

  // ---- the end ----

  /** Orderly stop (services.md 11.4). Idempotent. */
  stop(reason: string, status: ExitCodeValue = ExitCode.OK): Promise<void> {
    this.stopping ??= this.stopInOrder(reason, status);
    return this.stopping;
  }

  /** Another node killed this one: no goodbye. */
  killed(): void {
    this.log('error', 'MAIN', 'Corosync Cluster Engine exiting with status -1 at cfg.c:566.');
    this.finished.resolve(ExitCode.KILLED);
  }

  private async stopInOrder(reason: string, status: ExitCodeValue): Promise<void> {
    this.log('debug', 'MAIN', `Stopping: ${reason}`, 'stopping');
    this.watch.stop();
    this.ringIds.stop();
    this.changes.stop();
    if (!(await within(STOP_STEP_MS_MAX, this.host.unloadAll()))) {
      this.log('warning', 'SERV', `The service engines did not stop in ${STOP_STEP_MS_MAX} ms; going on without them`);
    }
    for (const timer of [this.levelTimer, this.countersTimer]) if (timer !== null) clearInterval(timer);
    await this.ipc.close();
    this.ring.send({ op: 'stop' });
    const stopped = await within(STOP_STEP_MS_MAX, Promise.all([this.ringStopped.promise, this.ringExited.promise]));
    const kept = this.ringSeqUsed > 0 ? this.parts.ringIds.close(this.ringSeqUsed) : null;
    if (kept !== null) this.log('warning', 'TOTEM', `The reserved ring ids stay reserved: ${kept}`);
    if (!stopped) this.log('warning', 'TOTEM', `The ring thread did not stop in ${STOP_STEP_MS_MAX} ms`);
    this.finished.resolve(status);
  }

  private unloadCpg(): Promise<void> {
    if (this.ringGone) return Promise.resolve(); // and its clients with it
    this.cpgUnloaded = new Deferred();
    this.ring.send({ op: 'unloadService', serviceId: CPG_SERVICE.serviceId });
    return within(STOP_STEP_MS_MAX, this.cpgUnloaded.promise).then(() => {});
  }

  /** Something without which the daemon cannot go on. */
  private fail(error: unknown): void {
    const exit =
      error instanceof DaemonExit ? error : new DaemonExit(ExitCode.FATAL, `Unexpected error: ${failureText(error)}`);
    if (exit !== error) this.log('debug', 'MAIN', stackOf(error));
    this.log('error', 'MAIN', exit.message);
    if (exit.status === ExitCode.FATAL) this.parts.dumpFlightData();
    void this.stop('failure', exit.status);
  }
}

function setTimer(delayMs: number, callback: () => void): EngineTimer {
  const timer = setTimeout(callback, delayMs);
  return { cancel: () => clearTimeout(timer) };
}
