import { controlRequest, QDEVICE_SOCKET, QNETD_SOCKET } from '../../arbiter/control-client.ts';
import { quotedWord } from '../../arbiter/control-words.ts';
import { getopt } from './getopt.ts';
import { foreign, type Tool, type ToolIo } from './tool.ts';

/** Exit statuses of both control tools. */
const Status = { OK: 0, USAGE: 1, CONNECT: 3, RETURNED_ERROR: 4 } as const;

interface ControlTool {
  readonly name: string;
  /** As error messages name the daemon: in full, and in short. */
  readonly daemon: string;
  readonly called: string;
  readonly socket: string;
  /** `getopt`'s letters; `l` and `c` only where the daemon has clusters. */
  readonly letters: string;
  readonly usage: string;
}

const OPERATIONS: Readonly<Record<string, string>> = { H: 'shutdown', l: 'list', s: 'status', json: 'json' };

function controlTool({ name, daemon, called, socket, letters, usage }: ControlTool): Tool {
  return {
    name,
    letters,
    async run(args, io, program) {
      const long = [{ name: 'json', short: '', argument: false }];
      const { options, errors } = getopt(program, args, letters, long);
      let [operation, verbose, cluster, path] = ['', false, null as string | null, socket];
      for (const { letter, value } of options) {
        if (letter in OPERATIONS) operation = OPERATIONS[letter]!;
        else if (letter === 'v') verbose = true;
        else if (letter === 'c') cluster = value;
        else if (letter === 'p') path = value;
        else {
          if (letter === '?') io.err(`${errors[0]}\n`);
          operation = '';
          break;
        }
      }
      if (operation === '') {
        io.out(`usage: ${name} ${usage}\n`);
        return Status.USAGE;
      }
      const more = `${verbose ? 'verbose ' : ''}${cluster === null ? '' : `cluster ${quotedWord(cluster)} `}`;
      return await request(path, `${operation} ${more}\n`, { daemon, called }, io, program);
    },
  };
}

async function request(
  path: string,
  line: string,
  { daemon, called }: Pick<ControlTool, 'daemon' | 'called'>,
  io: ToolIo,
  program: string,
): Promise<number> {
  let outcome: { readonly status: string; readonly text: string };
  try {
    outcome = await controlRequest(path, line);
  } catch (error) {
    io.err(`${program}: Can't connect to ${daemon} socket (is ${called} running?): ${reasonOf(error)}\n`);
    return Status.CONNECT;
  }
  switch (outcome.status.toLowerCase()) {
    case 'ok':
    case '':
      io.out(foreignLines(io, outcome.text));
      return Status.OK;
    case 'error':
      io.err(`Error: ${foreignLines(io, outcome.text)}`);
      return Status.RETURNED_ERROR;
    default:
      io.err(`${program}: Unknown status line returned by IPC server\n`);
      return Status.CONNECT;
  }
}

/** Names of clusters are those of whoever connects: a terminal gets nothing of them that it would obey. */
const foreignLines = (io: ToolIo, text: string): string =>
  text
    .split('\n')
    .map((line) =>
      line
        .split('\t')
        .map((part) => foreign(io, part))
        .join('\t'),
    )
    .join('\n');

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  ECONNREFUSED: 'Connection refused',
  EACCES: 'Permission denied',
};
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error));
}

/** `corosync-qnetd-tool`; `--json` is ours. */
export const QNETD_TOOL: Tool = controlTool({
  name: 'corosync-qnetd-tool',
  daemon: 'qnetd',
  called: 'QNetd',
  socket: QNETD_SOCKET,
  letters: 'Hhlsvc:p:',
  usage: '[-Hhlsv] [-c cluster_name] [-p qnetd_ipc_socket_path]',
});

/** `corosync-qdevice-tool`; `--json` is ours. */
export const QDEVICE_TOOL: Tool = controlTool({
  name: 'corosync-qdevice-tool',
  daemon: 'QDevice',
  called: 'QDevice',
  socket: QDEVICE_SOCKET,
  letters: 'Hhsvp:',
  usage: '[-Hhsv] [-p qdevice_ipc_socket_path]',
});
