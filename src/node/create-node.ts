import { isIPv4 } from 'node:net';
import { join, resolve } from 'node:path';
import { abortable, within } from '../client/abort.ts';
import { type ChannelHook, OPEN_CHANNEL } from '../client/channel.ts';
import type { ConnectOptions } from '../client/session.ts';
import { type ConfigEnvironment, nodeEnvironment } from '../config/environment.ts';
import { type LoadedConfiguration, loadConfiguration } from '../config/load.ts';
import { Daemon } from '../daemon/daemon.ts';
import { Deferred } from '../daemon/deferred.ts';
import { ExitCode } from '../daemon/exit-codes.ts';
import { type FlightRecorder, flightBytes, openFlightRecorder } from '../daemon/flight-recorder.ts';
import { IpcServerFront, ipcTransport } from '../daemon/ipc-server-front.ts';
import { RingIdStore } from '../daemon/ring-id-store.ts';
import { StateLock } from '../daemon/state-lock.ts';
import { failureText } from '../lib/failure.ts';
import { LineLimit } from '../lib/line-limit.ts';
import type { LogFunction } from '../lib/log.ts';
import { DEAF_TO_MAX } from '../os/socket-filter.ts';
import { trustedFile } from '../os/trusted-path.ts';
import { loadEngineModules } from '../services/host/engine-modules.ts';
import { BothFronts } from './both-fronts.ts';
import { NodeError } from './errors.ts';
import { LocalFront } from './local-front.ts';

export interface EmbeddedNodeOptions {
  /** The text of a corosync.conf. Its `logging` section has no effect: lines go to `log`. */
  readonly config: string;
  /** An existing directory of this node's own: ring ids, votes, flight recorder. */
  readonly stateDir: string;
  /** Which entry of the node list this node is, by its name or first address. Default: the one with an address of this host. */
  readonly node?: string;
  /** `false` (default): only this process has clients. A name: other processes connect to that IPC instance, too, as to a daemon's. */
  readonly ipc?: false | string;
  /** Gets every line of the log, limited by kind. Default: nobody does. */
  readonly log?: LogFunction;
  /** How long the node may take until it has formed a ring and serves clients, milliseconds. Default 60 000. */
  readonly readyMs?: number;
  /** For tests: as `EmbeddedNode.deafTo`, from the beginning on. */
  readonly deafTo?: readonly string[];
  /** Gives the start up. */
  readonly signal?: AbortSignal;
}

/** Why a node is no more. `closed`: by `close()`; `killed`: by `kill()`, or by another node; `failed`: see its log. */
export type NodeEnd = 'closed' | 'killed' | 'failed';

const READY_MS_DEFAULT = 60_000;
const IPC_NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** What a node is made of: read, checked and locked. */
interface NodeParts {
  readonly configuration: LoadedConfiguration;
  readonly environment: ConfigEnvironment;
  readonly stateDirectory: string;
  readonly flight: FlightRecorder;
  readonly nodeName: string | null;
  /** Of the sockets for others; `null`: there are none. */
  readonly instance: string | null;
  readonly log: LogFunction;
  cleanUp(): void;
}

/**
 * A whole node in this program: its ring thread is a worker; its engines run on this thread; its clients are in this process, over the same
 * shared-memory rings as those of a daemon. Nothing of the process is changed: no signal, priority, directory, mask, title or locked memory.
 */
export class EmbeddedNode {
  readonly nodeId: number;
  /** Resolves when the node is no more. Never rejects. */
  readonly ended: Promise<NodeEnd>;
  private readonly isReady = new Deferred<void>();
  private readonly lost = new Deferred<NodeEnd>();
  private readonly daemon: Daemon;
  private readonly instance: string | null;
  /** Where this program's clients are served. */
  private local: LocalFront | null = null;

  /** @internal `createNode` makes them. */
  constructor(parts: NodeParts, modules: Awaited<ReturnType<typeof loadEngineModules>>) {
    const { configuration, log, instance, stateDirectory } = parts;
    const { nodeId } = configuration.totem;
    this.nodeId = nodeId;
    this.instance = instance;
    this.daemon = new Daemon({
      configuration,
      nodeName: parts.nodeName,
      environment: parts.environment,
      stateDirectory,
      ringIds: new RingIdStore(stateDirectory, nodeId),
      scheduling: { roundRobin: false, priority: 0 },
      lockMemory: false,
      ownsMachine: false,
      log,
      modules,
      reopenLogs: () => {},
      reconfigureLog: () => {},
      dumpFlightData: () => {},
      flight: parts.flight,
      lostLines: () => ({ file: 0, syslog: 0 }),
      makeIpc: (ports) => {
        const local = new LocalFront(ports);
        this.local = local;
        if (instance === null) return local;
        return new BothFronts(local, new IpcServerFront(ports, instance, ipcTransport(configuration.map)));
      },
      ready: () => this.isReady.resolve(),
      abort: () => this.lost.resolve('failed'),
    });
    this.ended = Promise.race([this.live(log), this.lost.promise]).finally(() => parts.cleanUp());
  }

  /** What `connect()` and `open()` of everything in this package take to be clients of this node. */
  connectOptions(): ConnectOptions {
    const { instance, local } = this;
    const hook: ConnectOptions & ChannelHook = local === null ? {} : { [OPEN_CHANNEL]: local.openChannel };
    return instance === null ? hook : { ...hook, instance };
  }

  /** Leaves the ring in an orderly way, disconnects the clients, ends the thread. May be repeated. */
  async close(): Promise<void> {
    this.daemon.resume();
    await this.daemon.stop('closed');
    await this.ended;
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** As SIGKILL does to a daemon, for tests: the ring is not left; the other nodes notice that this one is gone. */
  async kill(): Promise<void> {
    await this.daemon.kill();
    await this.ended;
  }

  /** As SIGSTOP does to a daemon's ring thread, for tests: no token, no messages, until `resume()`. */
  pause(): void {
    this.daemon.pause();
  }

  resume(): void {
    this.daemon.resume();
  }

  /** For tests: the node hears nothing from these IPv4 addresses any more, as if the network had parted, until the next call; an empty list: it hears all again. */
  deafTo(addresses: readonly string[]): void {
    const wrong = addresses.find((address) => !isIPv4(address));
    if (wrong !== undefined || addresses.length > DEAF_TO_MAX)
      throw new NodeError(
        'RONDO_NODE_CONFIG',
        wrong === undefined ? `${addresses.length} addresses, at most ${DEAF_TO_MAX}` : `'${wrong}' is no IPv4 address`,
      );
    this.daemon.deafTo(addresses);
  }

  /** @internal Resolves when clients are served; rejects when the node ends before. */
  async ready(): Promise<void> {
    const end = await Promise.race([this.isReady.promise, this.ended]);
    if (end !== undefined) throw new NodeError('RONDO_NODE_START', 'the node ended while it started');
  }

  private async live(log: LogFunction): Promise<NodeEnd> {
    try {
      const status = await this.daemon.run();
      await this.daemon.kill(); // another node may have ended it, and left its thread to the end of the process
      return status === ExitCode.OK ? 'closed' : status === ExitCode.KILLED ? 'killed' : 'failed';
    } catch (error) {
      log('emerg', 'MAIN', failureText(error), 'embedded start');
      return 'failed';
    }
  }
}

/** Resolves when the node has formed its first ring and serves clients. Rejects, with everything undone, when it cannot. */
export async function createNode(options: EmbeddedNodeOptions): Promise<EmbeddedNode> {
  const { readyMs = READY_MS_DEFAULT, signal } = options;
  signal?.throwIfAborted();
  let problem = '';
  const parts = await prepare(options, (level, subsystem, message) => {
    if (level === 'error' || level === 'emerg') problem = message;
    options.log?.(level, subsystem, message);
  });
  const { log } = parts;
  const { services } = parts.configuration;
  const modules = await loadEngineModules(services, { log, trusted: trustedFile, import: (url) => import(url) });
  const node = new EmbeddedNode(parts, modules);
  try {
    if (options.deafTo !== undefined) node.deafTo(options.deafTo);
    const late = (): NodeError => new NodeError('RONDO_NODE_TIMEOUT', `the node formed no ring in ${readyMs} ms`);
    await within(abortable(node.ready(), signal), readyMs, late);
    return node;
  } catch (error) {
    await node.close();
    if (!(error instanceof NodeError) || problem === '') throw error;
    throw new NodeError(error.code, `node ${node.nodeId}: ${problem}`, '', { cause: error });
  }
}

async function prepare(options: EmbeddedNodeOptions, out: LogFunction): Promise<NodeParts> {
  const { config, node: nodeName, ipc = false } = options;
  if (ipc !== false && !IPC_NAME.test(ipc))
    throw new NodeError('RONDO_NODE_CONFIG', 'ipc is no name of an IPC instance', 'Use 1 to 64 of A-Z a-z 0-9 . _ -');
  const stateDirectory = resolve(options.stateDir);
  const host = nodeEnvironment();
  const file = join(stateDirectory, 'corosync.conf');
  const environment: ConfigEnvironment = {
    ...host,
    hostname: () => nodeName ?? host.hostname(),
    // A reload reads the same text.
    readFile: async (path) => (path === file ? Buffer.from(config) : await host.readFile(path)),
    openForAppend: async () => {}, // log files are not written
  };
  const loaded = await loadConfiguration({ file }, { purpose: 'start', stateDirectory, environment });
  if (!loaded.ok) throw new NodeError('RONDO_NODE_CONFIG', loaded.errors.map(({ message }) => message).join('; '));
  const { log } = new LineLimit(out, () => performance.now());
  const { stateLock, flight } = takeState(stateDirectory, loaded, log);
  return {
    configuration: loaded,
    environment,
    stateDirectory,
    flight,
    nodeName: nodeName ?? null,
    instance: ipc === false ? null : ipc,
    log,
    cleanUp: () => {
      flight.close();
      stateLock?.release();
    },
  };
}

/** The directory is this node's until its end. */
function takeState(
  stateDirectory: string,
  { map, totem }: LoadedConfiguration,
  log: LogFunction,
): { readonly stateLock: StateLock | null; readonly flight: FlightRecorder } {
  try {
    const stateLock = StateLock.acquire(stateDirectory, (why) =>
      log('warning', 'MAIN', `The state directory cannot be locked against other nodes: ${why}`),
    );
    const flight = openFlightRecorder({ stateDirectory, bytes: flightBytes(map), nodeId: totem.nodeId, log });
    return { stateLock, flight };
  } catch (error) {
    throw new NodeError('RONDO_NODE_START', failureText(error), '', { cause: error });
  }
}
