import { type ControlOutcome, controlRequest, QNETD_SOCKET } from '../../arbiter/control-client.ts';
import { ConnectionError } from '../../client/errors.ts';
import { failureText } from '../../lib/failure.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit } from '../exit-codes.ts';
import { emit, table } from '../output.ts';

/** What an arbiter of ours says of itself (`arbiterStatusObject`). */
interface ArbiterStatus {
  readonly listening: readonly string[];
  readonly tls: string;
  readonly clientCertificateRequired: boolean;
  readonly clients: number;
  readonly clusters: readonly {
    readonly name: string;
    readonly algorithm: string;
    readonly nodes: readonly {
      readonly nodeId: number;
      readonly address: string;
      readonly members: readonly number[];
      readonly tls: boolean;
      readonly decidedVote: string | null;
    }[];
  }[];
}

async function status(context: CommandContext): Promise<number> {
  const path = typeof context.values['socket'] === 'string' ? context.values['socket'] : QNETD_SOCKET;
  const { status: outcome, text } = await ask(context, path, 'json\n');
  if (outcome !== 'OK') return await ofStock(context, path);
  const found = JSON.parse(text) as ArbiterStatus;
  emit(context, found, () => lines(found));
  return CliExit.OK;
}

async function ask({ connect, io }: CommandContext, path: string, line: string): Promise<ControlOutcome> {
  try {
    return await controlRequest(path, line, { timeoutMs: connect.timeoutMs, signal: io.signal });
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const why = isAbsent ? 'there is no such socket' : failureText(error);
    const hint = 'Start it (systemctl start corosync-qnetd), or give its socket (-p PATH)';
    throw new ConnectionError('RONDO_CONNECT', `no arbiter can be asked at ${path}: ${why}`, hint);
  }
}

/** Stock's arbiter knows no JSON: its own words are shown. */
async function ofStock(context: CommandContext, path: string): Promise<number> {
  if (context.json) {
    context.io.err(
      `rondo: the arbiter at ${path} is stock's, which has no JSON: corosync-qnetd-tool -s -v, and -l -v\n`,
    );
    return CliExit.FAILED;
  }
  for (const command of ['status verbose\n', 'list verbose\n']) {
    const { status: outcome, text } = await ask(context, path, command);
    if (outcome !== 'OK') {
      context.io.err(`rondo: the arbiter refused: ${text.trim()}\n`);
      return CliExit.FAILED;
    }
    emit(context, null, () =>
      text
        .trimEnd()
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [line.replaceAll('\t', '  ')])),
    );
  }
  return CliExit.OK;
}

function lines({ listening, tls, clientCertificateRequired, clients, clusters }: ArbiterStatus): readonly string[] {
  const certificate = clientCertificateRequired && tls !== 'unsupported' ? ', certificates of clients required' : '';
  const rows = clusters.flatMap(({ name, algorithm, nodes }) =>
    nodes.map(({ nodeId, address, members, tls: encrypted, decidedVote }) => [
      name,
      algorithm,
      nodeId,
      address,
      encrypted ? 'yes' : 'no',
      members.join(' '),
      decidedVote ?? '-',
    ]),
  );
  return [
    `Listens:  ${listening.join(', ')}`,
    `TLS:      ${tls}${certificate}`,
    `Devices:  ${clients}, of ${clusters.length} clusters`,
    ...(rows.length === 0
      ? []
      : ['', ...table(['CLUSTER', 'ALGORITHM', 'NODE', 'ADDRESS', 'TLS', 'MEMBERS', 'VOTE'], rows)]),
  ];
}

export const QNETD_COMMAND: Command = {
  words: 'qnetd status',
  arguments: '',
  summary: 'the arbiter on this host: its clusters, their nodes and votes',
  details: 'Asks corosync-qnetd by its local socket. An arbiter of stock is shown in its own words, and has no JSON.',
  options: { socket: { type: 'string', short: 'p' } },
  optionHelp: [{ flag: '-p, --socket PATH', text: `the socket of the arbiter (default: ${QNETD_SOCKET})` }],
  examples: ['rondo qnetd status', "rondo qnetd status --json | jq '.clusters[].name'"],
  positionals: [0, 0],
  run: status,
};
