import { closeSync } from 'node:fs';
import { resolve } from 'node:path';
import { nodeEnvironment } from '../config/environment.ts';
import { warningText } from '../config/errors.ts';
import { type FailedConfiguration, type LoadedConfiguration, loadConfiguration } from '../config/load.ts';
import { LOGGING_DEFAULTS } from '../config/logging-config.ts';
import { STATE_DIRECTORY_DEFAULT } from '../config/options/system.ts';
import { COROSYNC_VERSION } from '../lib/corosync-version.ts';
import { failureText, stackOf } from '../lib/failure.ts';
import { printableLines } from '../lib/printable.ts';
import { END_CAUSES } from '../observe/flight/index.ts';
import { exitProcess } from '../os/exit-process.ts';
import { lockFile } from '../os/file-lock.ts';
import { limitMallocArenas } from '../os/give-back.ts';
import { exposure } from '../os/own-file.ts';
import { notifyServiceManager } from '../os/service-manager.ts';
import { openLogFile, trustedFile } from '../os/trusted-path.ts';
import { loadEngineModules } from '../services/host/engine-modules.ts';
import { PROGRAM_LISTS } from '../services/quorum/providers.ts';
import { Daemon } from './daemon.ts';
import { isBackgroundChild, leaveTerminal, reportUp, startInBackground } from './daemonize.ts';
import { DaemonExit, ExitCode, type ExitCodeValue } from './exit-codes.ts';
import { type FlightRecorder, flightBytes, openFlightRecorder } from './flight-recorder.ts';
import { IpcServerFront, ipcTransport } from './ipc-server-front.ts';
import { LockFile } from './lock-file.ts';
import { DaemonLog } from './log.ts';
import { type DaemonOptions, parseOptions, USAGE } from './options.ts';
import { type Places, placeOfLock, stateFallback } from './places.ts';
import { lockDaemonMemory, planScheduling } from './privileges.ts';
import { programName } from './program-name.ts';
import { RingIdStore } from './ring-id-store.ts';
import { handleSignals } from './signals.ts';
import { giveMemoryBack } from './start-memory.ts';
import { StartPriority } from './start-priority.ts';
import { StateLock } from './state-lock.ts';
import { FEATURES, versionText } from './version.ts';

/** One for this thread, one for all others: the ring thread seldom allocates. */
const MALLOC_ARENAS = 2;
/** What the log gets to write its last lines when the ring thread hangs. */
const LAST_WORDS_MS = 1000;
/** One for files and one for names that do not resolve: libuv gives names half of them at most. */
const POOL_THREADS = '2';

/** The daemon from its command line to its exit status (services.md 11). */
export async function runDaemon(argv: readonly string[]): Promise<number> {
  const parsed = parseOptions(argv, process.env);
  if (!parsed.ok) {
    complain(`${programName()}: ${parsed.problem}\n${USAGE}`);
    return ExitCode.USAGE;
  }
  const { options } = parsed;
  switch (options.action) {
    case 'help':
      process.stdout.write(USAGE);
      return ExitCode.OK;
    case 'version':
      process.stdout.write(versionText());
      return ExitCode.OK;
    case 'test':
      return await testConfiguration(options);
    case 'run':
      if (!options.foreground && !isBackgroundChild())
        return await startInBackground(argv, (text) => process.stderr.write(text));
      return await startDaemon(options);
  }
}

/** `-t`: as stock, and always with a word on standard error (config-and-tools.md 8, T8). */
async function testConfiguration(options: DaemonOptions): Promise<number> {
  const { result } = await load(options, 'test');
  if (!result.ok) return await reportFailure(result);
  result.key?.wipe();
  for (const warning of result.warnings) complain(`${warningText(warning)}\n`);
  const log = new DaemonLog({ ...result.logging, toStderr: true }, true);
  log.write('notice', 'MAIN', 'Corosync Cluster Engine exiting normally');
  await log.close();
  return ExitCode.OK;
}

async function startDaemon(options: DaemonOptions): Promise<number> {
  const startPriority = new StartPriority(process.env);
  startPriority.begin();
  limitMallocArenas(MALLOC_ARENAS);
  process.env['UV_THREADPOOL_SIZE'] ??= POOL_THREADS;
  const { result, notices, stateDirectory } = await load(options, 'start');
  if (!result.ok) return await reportFailure(result);
  const log = new DaemonLog(result.logging, options.foreground || isBackgroundChild());
  let status: ExitCodeValue;
  let lock: LockFile | null = null;
  let stateLock: StateLock | null = null;
  try {
    announce(log, result, notices);
    const instance = ipcInstance(options, result);
    const places = placeOfLock({ lockFile: options.lockFile, instance, privileged: isRoot(), stateDirectory });
    for (const notice of places.notices) log.write('notice', 'MAIN', notice);
    const scheduling = planScheduling(result.map, log.write, startPriority);
    const lockMemory = lockDaemonMemory(log.write);
    lock = LockFile.acquire(places.lockFile, lockFile);
    stateLock = StateLock.acquire(stateDirectory, (why) =>
      log.write(
        'warning',
        'MAIN',
        `The state directory ${stateDirectory} cannot be locked against other daemons: ${why}`,
      ),
    );
    const file = resolve(result.file);
    process.chdir(stateDirectory);
    const exposed = exposure(stateDirectory);
    if (exposed !== null) log.write('warning', 'MAIN', `The state directory ${stateDirectory} ${exposed}`);
    const bytes = flightBytes(result.map);
    const flight = openFlightRecorder({ stateDirectory, bytes, nodeId: result.totem.nodeId, log: log.write });
    const given = { options, result, file, log, stateDirectory, instance };
    try {
      status = await serve({ ...given, scheduling, lockMemory, startPriority, flight });
    } catch (error) {
      if (!(error instanceof DaemonExit)) recordCrash(flight, failureText(error));
      throw error;
    } finally {
      flight.close();
    }
  } catch (error) {
    status = exitStatus(error, log, result.logging.toStderr);
    if (!(error instanceof DaemonExit)) log.dumpFlightData(stateDirectory);
  }
  stateLock?.release();
  lock?.release();
  const text = status === ExitCode.OK ? 'normally' : `with status ${status}`;
  if (status !== ExitCode.KILLED && status !== ExitCode.PLOAD_DONE) {
    log.write(status === ExitCode.OK ? 'notice' : 'error', 'MAIN', `Corosync Cluster Engine exiting ${text}`);
  }
  await log.close();
  return status;
}

interface ServeParts {
  readonly options: DaemonOptions;
  readonly result: LoadedConfiguration;
  /** The configuration's path, absolute: the daemon changes into its state directory. */
  readonly file: string;
  readonly log: DaemonLog;
  readonly stateDirectory: string;
  readonly instance: string;
  readonly scheduling: ReturnType<typeof planScheduling>;
  readonly lockMemory: boolean;
  readonly startPriority: StartPriority;
  readonly flight: FlightRecorder;
}

/** Runs the node until it has stopped. */
async function serve(parts: ServeParts): Promise<ExitCodeValue> {
  const { options, result, log, stateDirectory, instance, flight } = parts;
  const daemon = new Daemon({
    configuration: { ...result, file: parts.file },
    environment: environmentFor(options),
    nodeName: options.nodeName,
    stateDirectory,
    ringIds: new RingIdStore(stateDirectory, result.totem.nodeId),
    scheduling: parts.scheduling,
    lockMemory: parts.lockMemory,
    log: log.write,
    modules: await loadEngineModules(result.services, {
      log: log.write,
      trusted: trustedFile,
      import: (url) => import(url),
    }),
    reopenLogs: () => log.reopen(),
    reconfigureLog: (logging) => log.reconfigure(logging),
    dumpFlightData: () => log.dumpFlightData(stateDirectory),
    flight,
    lostLines: () => log.lost,
    makeIpc: (ports) => new IpcServerFront(ports, instance, ipcTransport(result.map)),
    ownsMachine: true,
    abort: () => {
      setTimeout(() => {
        process.removeAllListeners('SIGABRT'); // its listener would write the flight data once more
        process.kill(process.pid, 'SIGABRT');
      }, LAST_WORDS_MS);
    },
    // Once: READY repeated at every membership change means nothing (config-and-tools.md T11).
    ready: () => {
      parts.startPriority.end();
      notifyServiceManager('READY=1');
      reportUp();
      giveMemoryBack(log.write, result.totem.members.length);
      if (isBackgroundChild()) leaveTerminal(() => log.withoutStderr());
    },
  });
  const crash = (error: unknown): void => crashed(error, parts);
  // In place of what the entry had for the time before there was a log.
  process.removeAllListeners('uncaughtException').on('uncaughtException', crash);
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', crash);
  handleSignals(
    {
      log: log.write,
      stop: (reason) => void daemon.stop(reason),
      dumpState: () => daemon.dumpState(),
      lastWords: () => {
        log.write('emerg', 'MAIN', 'Aborted by a signal');
        log.dumpFlightData(stateDirectory);
        log.flush();
      },
    },
    { stopOnStdinEnd: options.stopOnStdinEnd, terminal: options.foreground && process.stdin.isTTY },
  );
  const status = await daemon.run();
  notifyServiceManager('STOPPING=1');
  return status;
}

/**
 * A bug of ours: the flight recorder is written, and the process ends at once; a half-dead node would do harm. The bug may be in the log or the recorder
 * itself, so no step depends on the one before it.
 */
function crashed(error: unknown, { log, stateDirectory, flight }: ServeParts): never {
  const reason = failureText(error);
  const steps = [
    () => log.write('debug', 'MAIN', stackOf(error), 'unexpected'), // the flight recorder keeps it
    () => log.write('emerg', 'MAIN', `Unexpected error: ${reason}`, 'unexpected'),
    () => log.dumpFlightData(stateDirectory),
    () => recordCrash(flight, reason),
    () => flight.flush(),
    () => log.write('error', 'MAIN', `Corosync Cluster Engine exiting with status ${ExitCode.FATAL}`),
    () => log.flush(),
  ];
  let failed = false;
  for (const step of steps) {
    try {
      step();
    } catch {
      failed = true;
    }
  }
  if (failed) process.stderr.write(`Unexpected error: ${reason}\n`);
  exitProcess(ExitCode.FATAL);
}

const recordCrash = ({ main }: FlightRecorder, reason: string): void =>
  main.write('end', { status: ExitCode.FATAL, cause: END_CAUSES.indexOf('crash'), reason });

interface Loaded {
  readonly result: LoadedConfiguration | FailedConfiguration;
  readonly stateDirectory: string;
  readonly notices: readonly string[];
}

async function load(options: DaemonOptions, purpose: 'start' | 'test'): Promise<Loaded> {
  // The default state directory may be replaced by what the environment says, or by one that this user can write.
  const places: { current: Places | null } = { current: null };
  const environment = environmentFor(options);
  const result = await loadConfiguration(
    { file: options.configFile },
    {
      purpose,
      lists: PROGRAM_LISTS,
      ...(options.stateDirectory === null ? {} : { stateDirectory: options.stateDirectory }),
      environment: {
        ...environment,
        enterDirectory: async (path) => {
          if (options.stateDirectory === null && path === STATE_DIRECTORY_DEFAULT) {
            const fallback = stateFallback(path, options, isRoot(), process.env);
            places.current = fallback;
            return environment.enterDirectory(fallback.directory);
          }
          return environment.enterDirectory(path);
        },
      },
    },
  );
  const stateDirectory = places.current?.directory ?? (result.ok ? result.stateDirectory : STATE_DIRECTORY_DEFAULT);
  return { result, stateDirectory, notices: places.current?.notices ?? [] };
}

/** The machine, with the local node's name as given by `--node`. */
function environmentFor(options: DaemonOptions): ReturnType<typeof nodeEnvironment> {
  // Checked as it is opened later: by the same rules.
  const openForAppend = async (path: string): Promise<void> => closeSync(openLogFile(path));
  const environment = { ...nodeEnvironment(), openForAppend };
  const { nodeName } = options;
  return nodeName === null ? environment : { ...environment, hostname: () => nodeName };
}

/** Errors of the parser go to standard error as they are, as stock's do; those of validation to the log, and there too. */
async function reportFailure(failed: FailedConfiguration): Promise<number> {
  const log = new DaemonLog({ ...(failed.logging ?? LOGGING_DEFAULTS), toStderr: true }, true);
  for (const error of failed.errors) {
    const isParser = /^(?:parser error: |Can't read file )/.test(error.stockMessage);
    if (isParser) complain(`${error.stockMessage}\n${error.hint === '' ? '' : `  ${error.hint}\n`}`);
    else log.write('error', 'MAIN', error.stockMessage);
    if (!isParser && error.message !== error.stockMessage) log.write('info', 'MAIN', error.message);
  }
  if (failed.errors.every(({ stockMessage }) => !stockMessage.startsWith('parser error: '))) {
    log.write('error', 'MAIN', `Corosync Cluster Engine exiting with status ${failed.exitCode} at main.c:1397.`);
  }
  await log.close();
  return failed.exitCode;
}

function announce(log: DaemonLog, result: LoadedConfiguration, notices: readonly string[]): void {
  log.write('notice', 'MAIN', `Corosync Cluster Engine ${COROSYNC_VERSION} starting up`);
  log.write('info', 'MAIN', `Corosync built-in features: ${FEATURES}`);
  for (const warning of result.warnings) log.write('warning', 'MAIN', warning.stockMessage ?? warningText(warning));
  for (const notice of notices) log.write('notice', 'MAIN', notice);
}

/** Option, then `system.ipc_instance`, then the environment; empty: the stock socket names. */
function ipcInstance(options: DaemonOptions, result: LoadedConfiguration): string {
  return options.ipcInstance ?? result.map.getString('system.ipc_instance') ?? options.ipcInstanceEnv ?? '';
}

function exitStatus(error: unknown, log: DaemonLog, toStderr: boolean): ExitCodeValue {
  if (error instanceof DaemonExit) {
    log.write('error', 'MAIN', error.message);
    if (!toStderr) complain(`${programName()}: ${error.message}\n`); // whoever started it must see why it did not
    return error.status;
  }
  const text = `Unexpected error: ${failureText(error)}`;
  log.write('debug', 'MAIN', stackOf(error));
  log.write('emerg', 'MAIN', text);
  if (!toStderr) complain(`${programName()}: ${text}\n`);
  return ExitCode.FATAL;
}

/** On standard error, where there is no log: names of files, keys and values are not always the reader's own. */
const complain = (text: string): void => void process.stderr.write(printableLines(text));

const isRoot = (): boolean => process.geteuid?.() === 0;
