import type { FromRing, RingHeap } from '../bridge/messages.ts';
import { DEFAULT_RING_WORKER_OPTIONS, type RingWorkerOptions } from '../bridge/ring-worker-data.ts';
import { StateWord } from '../bridge/shared-layout.ts';
import type { ConfigEnvironment } from '../config/environment.ts';
import { trackedFingerprint } from '../config/fingerprint.ts';
import { Icmap } from '../config/icmap/index.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import { readNozzle } from '../config/nozzle.ts';
import { KEY_FILE_DEFAULT } from '../config/options/totem.ts';
import type { ConnectivityView } from '../lib/connectivity.ts';
import { COROSYNC_VERSION } from '../lib/corosync-version.ts';
import { failureText, stackOf } from '../lib/failure.ts';
import { END_CAUSES, FLIGHT_TRANSPORTS } from '../observe/flight/index.ts';
import type { LogLosses } from '../observe/log/index.ts';
import { StatsMap } from '../services/cmap/stats-map.ts';
import type { EngineTimer, MainEngineContext, ServiceEngine } from '../services/engine.ts';
import { EngineHost } from '../services/host/engine-host.ts';
import type { QueueLevelValue } from '../services/host/flow-control.ts';
import type { HostPorts } from '../services/host/ports.ts';
import { cfgPorts } from './cfg-ports.ts';
import { ConfigurationInForce } from './configuration-in-force.ts';
import { LinkObserver, ViewKeys } from './connectivity.ts';
import { Deferred, Gate, settlesWithin } from './deferred.ts';
import { type EngineSet, engineSet, RING_SERVICES } from './engines.ts';
import { DaemonExit, ExitCode, type ExitCodeValue } from './exit-codes.ts';
import type { FlightRecorder } from './flight-recorder.ts';
import { FlightSeconds } from './flight-seconds.ts';
import type { IpcFront, IpcFrontPorts } from './ipc-front.ts';
import { KeyFileWatch } from './key-file-watch.ts';
import { Notices } from './notices.ts';
import { Nozzle } from './nozzle.ts';
import { Observation } from './observation.ts';
import { type Phase, Phases } from './phases.ts';
import type { SchedulingPlan } from './privileges.ts';
import { ConfigurationChanges, type LogPorts } from './reloader.ts';
import { RemoteCounters } from './remote-counters.ts';
import { RingHandle } from './ring-handle.ts';
import { RingIdKeeper } from './ring-id-keeper.ts';
import type { RingIdStore } from './ring-id-store.ts';
import { dispatchRingMessage, type RingMessageHandlers } from './ring-messages.ts';
import { RingPhase, STOP_STEP_MS_MAX } from './ring-phase.ts';
import { RingQueries } from './ring-queries.ts';
import { installTriggerKeys } from './runtime-keys.ts';
import { ScheduleWatch } from './schedule-watch.ts';
import {
  addStatistics,
  RingCounters,
  showConfigSource,
  showEngineDrops,
  showFlight,
  showLinks,
  showLogLosses,
  showMemory,
  showOwnCounters,
} from './stats.ts';
import { systemEngines } from './system-engines.ts';
import { ticks } from './ticks.ts';
import { rondoVersion } from './version.ts';

/** How often the counters of engines on the ring thread are taken over. */
const COUNTERS_MS = 500;

export interface DaemonParts extends LogPorts {
  /** As which node of its list the configuration is read, where an option says so. */
  readonly nodeName: string | null;
  readonly configuration: LoadedConfiguration;
  readonly stateDirectory: string;
  readonly ringIds: RingIdStore;
  readonly scheduling: SchedulingPlan;
  readonly lockMemory: boolean;
  /** Engines of `service { … }` sections. */
  readonly modules: readonly ServiceEngine<MainEngineContext>[];
  /** For reading the configuration again. */
  readonly environment: ConfigEnvironment;
  /** Opens the log files again after rotation. */
  reopenLogs(): void;
  dumpFlightData(): void;
  readonly flight: FlightRecorder;
  /** Log lines that were lost so far. */
  lostLines(): LogLosses;
  makeIpc(ports: IpcFrontPorts): IpcFront;
  /** The first synchronisation is over: clients are served. Once. */
  ready(): void;
  /** The ring thread hangs for good: ends whatever this node runs in. */
  abort(): void;
  /** Whether the node may act on the machine: watchdog device, reboot. */
  readonly ownsMachine: boolean;
}

/**
 * A node's life on the main thread, in stock's order of start and stop (services.md 11). The constructor only joins the parts; `run`
 * begins the phases, each when what it needs is there, and however the life ends, they end in the opposite order:
 *
 *   ring thread ─► clients' front ─► polls ─► (first interface is up) engines ─► upkeep ─► (first synchronisation) clients are let in
 *
 *   records of the ring thread ──► RingMessageHandlers ──► Gate ──► EngineHost ◄── requests ── IpcFront ◄── clients
 */
export class Daemon {
  private readonly cmap = Icmap.withStockAccess();
  private readonly statistics: StatsMap;
  private readonly host: EngineHost;
  private readonly inForce: ConfigurationInForce;
  private readonly changes: ConfigurationChanges;
  private readonly ring: RingHandle;
  private readonly ringPhase: RingPhase;
  private readonly ipc: IpcFront;
  private readonly engines: EngineSet;
  private readonly engineGate = new Gate();
  private readonly watch: ScheduleWatch;
  private readonly counters: RingCounters;
  private readonly ringIds: RingIdKeeper;
  private readonly queries = new RingQueries((message) => this.ring.send(message));
  private readonly observation: Observation;
  private readonly handlers: RingMessageHandlers;
  private readonly phases: Phases;
  private readonly finished = new Deferred<ExitCodeValue>();
  private notices: Notices | null = null;
  private nozzle: Nozzle | null = null;
  private stopping: Promise<void> | null = null;
  /** What ends this daemon before its time. */
  private failure: string | null = null;
  private seen: readonly ConnectivityView[] = [];
  private loading = false;
  private isReady = false;

  constructor(private readonly parts: DaemonParts) {
    const { configuration, log } = parts;
    const { totem } = configuration;
    this.cmap.copyFrom(configuration.map);
    this.phases = new Phases((name, error) =>
      log('error', 'MAIN', `The end of phase "${name}" failed: ${failureText(error)}`, 'phase'),
    );
    this.ring = new RingHandle(ringOptions(parts));
    this.counters = new RingCounters(() => this.ring.views.statistics);
    this.statistics = new StatsMap({ setTimer });
    this.watch = new ScheduleWatch(log, parts.flight.main);
    this.watch.show(this.statistics);
    addStatistics(this.statistics, this.counters, () => this.ipc.stats);
    showLinks(this.statistics, this.counters, totem);
    showMemory(this.statistics);
    showLogLosses(this.statistics, () => parts.lostLines());
    showFlight(this.statistics, parts.flight.path);
    showConfigSource(this.statistics, configuration.file, parts.nodeName);
    this.inForce = new ConfigurationInForce(this.cmap, totem, {
      send: (message) => this.ring.send(message),
      sendKey: (fingerprint, key) => this.ring.sendKey(fingerprint, key),
      changed: (now) => {
        showLinks(this.statistics, this.counters, now);
        this.watch.start(now.timings.tokenMs);
      },
    });
    this.changes = new ConfigurationChanges(this.inForce, {
      log,
      reconfigureLog: (logging) => parts.reconfigureLog(logging),
      file: configuration.file,
      stateDirectory: parts.stateDirectory,
      environment: parts.environment,
      flight: parts.flight.main,
    });
    this.ringIds = new RingIdKeeper(parts.ringIds, {
      log,
      reserved: (upTo) => this.ring.send({ op: 'ringSeqReserved', upTo }),
      failed: (error) => this.fail(error),
    });
    this.host = new EngineHost(this.hostPorts());
    showEngineDrops(this.statistics, this.host.drops);
    this.engines = this.engineSet();
    this.ringPhase = new RingPhase({
      log,
      ringIds: parts.ringIds,
      thread: this.ring,
      messages: {
        message: (message) => this.fromRing(message),
        deliver: (nodeId, payload) => this.deliver(nodeId, payload),
        newsForClients: () => this.ipc.newsForClients(),
      },
      dumpFlightData: () => parts.dumpFlightData(),
      aborts: (reason) => {
        this.writeEnd('hang', ExitCode.FATAL, reason);
        parts.flight.flush();
        parts.abort();
      },
      gone: () => this.queries.fail(),
      failed: (error) => this.ringFailed(error),
    });
    this.ipc = parts.makeIpc({
      log,
      flight: parts.flight.clients,
      statistics: this.statistics,
      engines: this.host,
      isKeyOne: (key) => this.cmap.getU8(key) === 1,
      attach: (client) => this.ring.send({ op: 'clientAttach', client }),
      attachLocal: (client, shared) => this.ring.attachLocal(client, shared),
      knock: () => this.ring.knockForClients(),
      remoteClients: () => this.queries.ask('clients'),
    });
    this.observation = this.makeObservation();
    this.handlers = this.ringMessageHandlers();
  }

  // ---- life ----

  /** From the start to the end; resolves with the exit status. Rejects when the start fails at once, with everything undone. */
  async run(): Promise<ExitCodeValue> {
    this.writeStart();
    try {
      await this.phases.begin(this.ringPhase);
      await this.phases.begin({ name: 'clients', begin: () => this.ipc.open(), end: () => this.ipc.close() });
      await this.phases.begin(this.polls());
      await this.phases.begin(this.observation);
    } catch (error) {
      await this.phases.end();
      throw error;
    }
    return await this.finished.promise;
  }

  /** Orderly stop (services.md 11.4). Idempotent. */
  stop(reason: string, status: ExitCodeValue = ExitCode.OK): Promise<void> {
    this.stopping ??= this.stopInOrder(reason, status);
    return this.stopping;
  }

  /** As SIGKILL does to the daemon of a process of its own: the ring is not left, to the others this node died. */
  async kill(): Promise<void> {
    this.resume();
    this.ring.send({ op: 'die' });
    await settlesWithin(STOP_STEP_MS_MAX, this.ringPhase.whenGone);
    await this.stop('killed', ExitCode.KILLED);
  }

  /** As SIGSTOP, for the ring thread: the node takes no part in the ring until `resume`. */
  pause(): void {
    Atomics.store(this.ring.views.state, StateWord.PAUSED, 1);
    this.ring.send({ op: 'pause' });
  }

  resume(): void {
    const { state } = this.ring.views;
    Atomics.store(state, StateWord.PAUSED, 0);
    Atomics.notify(state, StateWord.PAUSED);
  }

  /** For tests: the ring thread hears nothing from these IPv4 addresses, until the next call. */
  deafTo(addresses: readonly string[]): void {
    this.ring.send({ op: 'deafTo', addresses });
  }

  dumpState(): void {
    for (const line of this.host.dump().split('\n')) this.parts.log('debug', 'MAIN', line);
  }

  private async stopInOrder(reason: string, status: ExitCodeValue): Promise<void> {
    this.parts.log('debug', 'MAIN', `Stopping: ${reason}`, 'stopping');
    await this.phases.end();
    this.writeEnd(status === ExitCode.OK ? 'stop' : 'failure', status, this.failure ?? reason);
    this.finished.resolve(status);
  }

  private writeStart(): void {
    const { flight, configuration } = this.parts;
    const { nodeId, transport } = configuration.totem;
    const version = `${COROSYNC_VERSION} on Node.js ${process.versions.node}`;
    flight.main.write('start', { nodeId, pid: process.pid, transport: FLIGHT_TRANSPORTS.indexOf(transport), version });
    flight.start();
  }

  private writeEnd(cause: (typeof END_CAUSES)[number], status: ExitCodeValue, reason: string): void {
    this.parts.flight.main.write('end', { status, cause: END_CAUSES.indexOf(cause), reason });
  }

  /** Another node killed this one: no goodbye. */
  private killed(): void {
    this.parts.log('error', 'MAIN', 'Corosync Cluster Engine exiting with status -1 at cfg.c:566.');
    this.writeEnd('killed by another node', ExitCode.KILLED, '');
    this.finished.resolve(ExitCode.KILLED);
  }

  /** Something without which the daemon cannot go on. */
  private fail(error: unknown): void {
    const { log, dumpFlightData } = this.parts;
    const exit =
      error instanceof DaemonExit ? error : new DaemonExit(ExitCode.FATAL, `Unexpected error: ${failureText(error)}`);
    if (exit !== error) log('debug', 'MAIN', stackOf(error));
    log('error', 'MAIN', exit.message);
    // A start that is refused says why, and would leave a file each time that somebody tries.
    if (exit.status === ExitCode.FATAL || this.isReady) dumpFlightData();
    this.failure ??= exit.message;
    void this.stop('failure', exit.status);
  }

  private ringFailed(error: unknown): void {
    if (this.stopping === null) this.fail(error);
    else this.parts.log('debug', 'MAIN', failureText(error)); // it has logged why already
  }

  // ---- phases ----

  private polls(): Phase {
    const remoteCounters = new RemoteCounters(this.cmap, this.counters, RING_SERVICES);
    const seconds = new FlightSeconds({
      flight: this.parts.flight.clients, // a lossy network causes one each second, which must not push out what was decided
      counters: this.counters,
      lostLines: () => this.parts.lostLines(),
    });
    let stopCounters: (() => void) | undefined;
    return {
      name: 'polls',
      begin: () => {
        stopCounters = ticks.every(COUNTERS_MS, () => remoteCounters.refresh());
        this.ringIds.start();
        seconds.start();
      },
      end: () => {
        stopCounters?.();
        seconds.stop();
        this.ringIds.stop();
      },
    };
  }

  /** The ring thread runs: it gets the configuration. */
  private startRing(): void {
    try {
      const { stored, reserved, impossible } = this.parts.ringIds.open();
      if (impossible !== null) {
        const text = `The stored ring sequence ${impossible.toString(16)} is no possible one; starting again from 0.`;
        this.parts.log('warning', 'TOTEM', text);
      }
      this.inForce.handOver(this.parts.configuration.key);
      this.ring.send({
        op: 'start',
        config: this.inForce.totem,
        storedRingSeq: stored,
        reservedRingSeq: reserved,
        reportProcesses: Notices.wanted(this.cmap),
        remoteServices: this.engines.services,
      });
    } catch (error) {
      this.fail(error);
    }
  }

  /** The first interface that is up starts the services (services.md 11.1 step 6); what the ring thread reports meanwhile waits. */
  private interfaceUp(): void {
    if (this.loading) return;
    this.loading = true;
    this.startServices().catch((error: unknown) => this.fail(error));
  }

  private async startServices(): Promise<void> {
    const { host, engines, changes, watch, parts } = this;
    await this.phases.begin({
      name: 'notices',
      begin: () => {
        const { cmap, statistics } = this;
        this.notices = Notices.begin({ nodeId: this.inForce.totem.nodeId, cmap, statistics, log: parts.log });
      },
      end: () => this.notices?.end(),
    });
    const loaded = await this.phases.begin({
      name: 'engines',
      begin: () => engines.load(host),
      end: () => this.unloadEngines(),
    });
    if (!loaded) return;
    await this.phases.begin({
      name: 'upkeep',
      begin: () => {
        this.installTriggerKeys();
        watch.start(this.inForce.totem.timings.tokenMs);
        changes.start(parts.configuration.unresolved);
      },
      end: () => {
        watch.stop();
        changes.stop();
      },
    });
    if (parts.ownsMachine && this.inForce.totem.transport === 'knet') {
      this.nozzle = this.makeNozzle();
      await this.phases.begin(this.nozzle);
    }
    this.engineGate.release();
    this.ring.send({ op: 'servicesLoaded' });
  }

  private makeNozzle(): Nozzle {
    const { cmap, inForce, parts } = this;
    return new Nozzle({
      log: parts.log,
      configurationFile: parts.configuration.file,
      read: () => readNozzle(cmap, inForce.totem.nodeId),
      use: (fd) => this.ring.send({ op: 'nozzle', fd }),
    });
  }

  private async unloadEngines(): Promise<void> {
    if (await settlesWithin(STOP_STEP_MS_MAX, this.host.unloadAll())) return;
    const text = `The service engines did not stop in ${STOP_STEP_MS_MAX} ms; going on without them`;
    this.parts.log('warning', 'SERV', text);
  }

  private installTriggerKeys(): void {
    const { log, dumpFlightData } = this.parts;
    installTriggerKeys(this.cmap, {
      forceGather: () => {
        log('error', 'MAIN', 'Forcing into GATHER state');
        this.ring.send({ op: 'forceGather' });
      },
      dumpFlightData: () => dumpFlightData(),
      dumpState: () => this.dumpState(),
    });
  }

  private syncCompleted(): void {
    this.parts.log('notice', 'MAIN', 'Completed service synchronization, ready to provide service.');
    if (this.isReady) return;
    this.isReady = true;
    this.ipc.allow();
    this.parts.ready();
  }

  // ---- what the ring thread reports ----

  private fromRing(message: FromRing): void {
    dispatchRingMessage(this.handlers, message);
  }

  private ringMessageHandlers(): RingMessageHandlers {
    const { host, engineGate, ringIds, ringPhase, watch, parts } = this;
    const { log } = parts;
    return {
      ready: () => this.startRing(),
      statistics: ({ names }) => {
        this.counters.add(names);
        showOwnCounters(this.statistics, this.counters);
      },
      interfaceUp: () => this.interfaceUp(),
      reserveRingSeq: ({ upTo }) => ringIds.ask(upTo),
      ringSeqMissing: () => ringIds.missing(),
      configurationChange: ({ change }) => {
        this.inForce.members = change.members;
        ringIds.formed(change.ringId.seq);
        this.observation.changed(change);
        engineGate.run(() => host.configurationChange(change));
      },
      sync: ({ step }) => engineGate.run(() => host.syncStep(step)),
      syncCompleted: () => engineGate.run(() => host.syncCompleted(() => this.syncCompleted())),
      clientClosed: ({ id }) => this.ipc.remoteClosed(id),
      processes: (message) => this.notices?.processesChanged(message),
      log: ({ level, subsystem, message }) => log(level, subsystem, message),
      paused: ({ timestampMs, delayMs, thresholdMs }) => watch.note(timestampMs, delayMs, thresholdMs),
      queryResult: ({ queryId, value }) => this.queries.resultCame(queryId, value),
      cryptoFailed: ({ reason }) => log('error', 'TOTEM', `Crypto reconfiguration failed: ${reason}`),
      fatal: ({ code, message }) => this.fail(new DaemonExit(ExitCode.FATAL, `${message} (${code})`)),
      serviceUnloaded: ({ serviceId }) => ringPhase.noteUnloaded(serviceId),
      stopped: ({ ringSeqUsed }) => ringPhase.noteStopped(ringSeqUsed),
    };
  }

  private deliver(nodeId: number, payload: Uint8Array): void {
    if (this.engineGate.open) this.host.deliver(nodeId, payload);
    else {
      const copy = new Uint8Array(payload); // the record's memory is used again
      this.engineGate.run(() => this.host.deliver(nodeId, copy));
    }
  }

  // ---- what the engines get ----

  private engineSet(): EngineSet {
    const { parts, inForce } = this;
    const { log } = parts;
    const keyFile = new KeyFileWatch(() => keyFileOf(inForce));
    const viewKeys = new ViewKeys(this.statistics);
    const observer = new LinkObserver(this.statistics, inForce.totem.nodeId, () => inForce.totem.timings.tokenMs);
    return engineSet({
      cmap: this.cmap,
      statistics: this.statistics,
      stateDirectory: parts.stateDirectory,
      flight: parts.flight.main,
      addressesOf: (nodeId) => this.inForce.addressesOf(nodeId),
      connectivity: {
        links: (nowMs) => observer.links(nowMs),
        peers: () => observer.peers(),
        configuration: trackedFingerprint(this.cmap),
        version: rondoVersion(),
        key: () => inForce.keyId,
        keyFile: () => keyFile.id(),
        changed: (views) => {
          this.seen = [...views.values()];
          viewKeys.show(views);
        },
      },
      cfg: cfgPorts({
        reloader: this.changes,
        inForce: this.inForce,
        query: (what) => this.queries.ask(what),
        reopenLogs: () => parts.reopenLogs(),
        killed: () => this.killed(),
        shutdown: (reason) => void this.stop(reason),
        holdRing: (what) => this.host.hold(what),
        reloadDone: () => {
          this.ring.send({ op: 'reloadDone' });
          this.nozzle?.apply();
        },
      }),
      shutdown: (reason) => this.stop(reason),
      quorumDecided: (quorate, members) => this.notices?.quorumDecided(quorate, members),
      unloadRemote: (serviceId) => this.ringPhase.unload(serviceId),
      publish: (serviceId, name) => this.ipc.publish(serviceId, name),
      system: systemEngines(log, parts.ownsMachine, {
        exit: () => this.finished.resolve(ExitCode.PLOAD_DONE),
        dumpFlightData: () => parts.dumpFlightData(),
      }),
      modules: parts.modules,
      log,
    });
  }

  private makeObservation(): Observation {
    const word = (index: number): number => Atomics.load(this.ring.views.state, index);
    return new Observation({
      identity: {
        cluster: this.cmap.getString('totem.cluster_name') ?? '',
        version: rondoVersion(),
        startedAtMs: performance.timeOrigin,
      },
      cmap: this.cmap,
      positions: this.parts.configuration.positions,
      log: this.parts.log,
      counters: this.counters,
      watch: this.watch,
      totem: () => this.inForce.totem,
      stateWord: word,
      loopTurns: () => word(StateWord.LOOP_TURNS),
      quorum: () => this.engines.quorum(),
      clients: () => this.ipc.stats.byService(),
      seen: () => this.seen,
      ringHeap: () => this.queries.ask('heap') as Promise<RingHeap>,
      flightRecords: () => this.parts.flight.recent(),
    });
  }

  private hostPorts(): HostPorts {
    const word = (index: number): number => Atomics.load(this.ring.views.state, index);
    return {
      nodeId: this.inForce.totem.nodeId,
      cmap: this.cmap,
      log: this.parts.log,
      queue: {
        freeSlots: () => word(StateWord.QUEUE_FREE),
        slotBytes: () => word(StateWord.QUEUE_PACKET_BYTES),
        bytesLimit: () => word(StateWord.QUEUE_BYTES_LIMIT) || Number.MAX_SAFE_INTEGER,
      },
      queueLevel: () => word(StateWord.QUEUE_LEVEL) as QueueLevelValue,
      nowMs: () => performance.now(),
      setTimer,
      mcast: (serviceId, fn, message) => this.ring.mcast(serviceId, fn, message),
      syncDone: (serviceId, ringId) => this.ring.send({ op: 'syncDone', serviceId, ringId }),
      flowControl: (serviceId, state) => this.ipc.flowControl(serviceId, state),
      serviceStopped: (serviceId) => this.ipc.withdraw(serviceId),
    };
  }
}

function ringOptions({ configuration, scheduling, lockMemory, flight, ownsMachine }: DaemonParts): RingWorkerOptions {
  const { map, totem } = configuration;
  const warmUp = map.getString('system.warm_up');
  return {
    ...DEFAULT_RING_WORKER_OPTIONS,
    schedRr: scheduling.roundRobin,
    schedPriority: scheduling.priority,
    lockMemory,
    flight: flight.memory,
    transmitThreads: totem.transport === 'knet' ? Number(map.getString('system.transmit_threads') ?? 0) : 0,
    // A node within a program has its processors and descriptors for the asking only.
    warmUp: warmUp === null ? ownsMachine : warmUp === 'yes',
  };
}

/** Where the ring's key lies; `null`: it has none, or it stands in the configuration. */
function keyFileOf({ cmap, totem }: ConfigurationInForce): string | null {
  const { cipher, hash } = totem.crypto;
  if (cipher === 'none' && hash === 'none') return null;
  return cmap.getString('totem.keyfile') ?? (cmap.has('totem.key') ? null : KEY_FILE_DEFAULT);
}

function setTimer(delayMs: number, callback: () => void): EngineTimer {
  const timer = setTimeout(callback, delayMs);
  return { cancel: () => clearTimeout(timer) };
}
