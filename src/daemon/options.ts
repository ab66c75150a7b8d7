import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** What the command line and the environment say; the configuration file may add to it. */
export interface DaemonOptions {
  readonly action: 'run' | 'test' | 'version' | 'help';
  readonly configFile: string;
  readonly foreground: boolean;
  /** `null`: not given here. Precedence: option, corosync.conf, environment, default. */
  readonly ipcInstance: string | null;
  readonly ipcInstanceEnv: string | null;
  readonly stateDirectory: string | null;
  readonly stateDirectoryEnv: string | null;
  readonly lockFile: string | null;
  /** Which entry of the node list this node is; `null`: found by host name and addresses. */
  readonly nodeName: string | null;
  /** Stop in order when standard input ends: the daemon of a test harness must not outlive it. */
  readonly stopOnStdinEnd: boolean;
}

export type ParsedOptions =
  | { readonly ok: true; readonly options: DaemonOptions }
  | { readonly ok: false; readonly problem: string };

export const DEFAULT_CONFIG_FILE = '/etc/corosync/corosync.conf';
/** `sun_path` less the leading NUL, the dash and the longest service name. */
export const IPC_INSTANCE_BYTES_MAX = 64;
const PATH_BYTES_MAX = 4095;

export const USAGE = `usage: rondod [options]
        -c, --config PATH        : Corosync config file path (default ${DEFAULT_CONFIG_FILE}).
        -l, --lock-file PATH     : Corosync pid lock file path.
        -f, --foreground         : Start application in foreground.
        -t, --test               : Test configuration and exit.
        -v, --version            : Display version, and some useful information about it and exit.
        -h, --help               : Display this text and exit.
            --ipc-instance NAME  : Prefix of the IPC socket names, for several daemons on one host
                                   (clients: RONDO_IPC_INSTANCE or --instance). Without it: stock's names.
            --node NAME          : Which entry of the node list this node is, by its name or first address
                                   (default: the one that has this host's name or an address of it).
            --state-dir DIR      : State directory: ring id, blackbox (wins over system.state_dir).
            --stop-on-stdin-end  : Stop in order when standard input ends.
environment:
        RONDO_IPC_INSTANCE, STATE_DIRECTORY: used where neither an option nor corosync.conf says otherwise.
`;

const SPEC = {
  config: { type: 'string', short: 'c' },
  'lock-file': { type: 'string', short: 'l' },
  foreground: { type: 'boolean', short: 'f' },
  test: { type: 'boolean', short: 't' },
  version: { type: 'boolean', short: 'v' },
  help: { type: 'boolean', short: 'h' },
  'ipc-instance': { type: 'string' },
  'state-dir': { type: 'string' },
  node: { type: 'string' },
  'stop-on-stdin-end': { type: 'boolean' },
} as const;

/** Parses like stock's getopt: short options may be bundled, anything unknown is a usage error. */
export function parseOptions(argv: readonly string[], env: NodeJS.ProcessEnv): ParsedOptions {
  let values: ReturnType<typeof parseArgs<{ options: typeof SPEC }>>['values'];
  try {
    ({ values } = parseArgs({ args: [...argv], options: SPEC, strict: true, allowPositionals: false }));
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
  const configFile = values.config ?? DEFAULT_CONFIG_FILE;
  if (Buffer.byteLength(configFile) > PATH_BYTES_MAX)
    return { ok: false, problem: 'path of the configuration is too long' };
  const instance = values['ipc-instance'] ?? null;
  if (instance !== null && !isInstanceName(instance)) return { ok: false, problem: instanceProblem(instance) };
  const instanceEnv = emptyToNull(env['RONDO_IPC_INSTANCE']);
  if (instanceEnv !== null && !isInstanceName(instanceEnv)) {
    return { ok: false, problem: `RONDO_IPC_INSTANCE: ${instanceProblem(instanceEnv)}` };
  }
  const action = values.help ? 'help' : values.version ? 'version' : values.test ? 'test' : 'run';
  return {
    ok: true,
    options: {
      action,
      configFile,
      foreground: values.foreground ?? false,
      ipcInstance: instance,
      ipcInstanceEnv: instanceEnv,
      stateDirectory: absolute(values['state-dir']),
      stateDirectoryEnv: absolute(env['STATE_DIRECTORY']),
      lockFile: absolute(values['lock-file']),
      nodeName: values.node ?? null,
      stopOnStdinEnd: values['stop-on-stdin-end'] ?? false,
    },
  };
}

/** The name becomes part of abstract socket names and of file names. */
export function isInstanceName(name: string): boolean {
  return /^[A-Za-z0-9._-]+$/.test(name) && Buffer.byteLength(name) <= IPC_INSTANCE_BYTES_MAX;
}

function instanceProblem(name: string): string {
  return `bad IPC instance name '${name}': 1 to ${IPC_INSTANCE_BYTES_MAX} of A-Z a-z 0-9 . _ -`;
}

const absolute = (path: string | undefined): string | null =>
  path === undefined || path === '' ? null : resolve(path);
const emptyToNull = (text: string | undefined): string | null => (text === undefined || text === '' ? null : text);
