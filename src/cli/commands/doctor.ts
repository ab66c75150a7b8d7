import { readFileSync } from 'node:fs';
import { ConnectionError } from '../../client/errors.ts';
import { CONFIG_FILE_DEFAULT } from '../../config/load.ts';
import { runningInstances } from '../../ipc/instances.ts';
import { counted } from '../../lib/counted.ts';
import { CsStatusError } from '../../lib/errors.ts';
import type { Command, CommandContext } from '../command.ts';
import { configSource } from '../config-source.ts';
import { type Finding, inOrder, type Severity } from '../doctor/finding.ts';
import { type RingFacts, ringFindings } from '../doctor/live.ts';
import { lookAtMachine } from '../doctor/look-machine.ts';
import { lookAtRing } from '../doctor/look-ring.ts';
import { type DaemonTraces, machineFindings } from '../doctor/preflight.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { emit } from '../output.ts';

const SECONDS_DEFAULT = 2;
const SECONDS_MAX = 3600;

async function doctor(context: CommandContext): Promise<number> {
  const { values } = context;
  const seconds = secondsOf(values['seconds']);
  const traces = daemonTraces(context);
  const source = await configSource(context, values['config']);
  const isFileUnknown = source.file === null;
  const preflight = values['preflight'] === true;
  // The file first: the ring's part compares with it. Whether the daemon can be asked is seen by asking.
  const first = await lookAtMachine(source.file ?? CONFIG_FILE_DEFAULT, source.node, traces);
  let daemon = traces;
  let ring: RingFacts | null = null;
  if (!preflight && traces.state !== 'stopped' && traces.state !== 'silent') {
    try {
      ring = await lookAtRing(context, seconds, isFileUnknown ? null : first.fileConfiguration);
    } catch (error) {
      if (!(error instanceof ConnectionError) && !(error instanceof CsStatusError)) throw error;
      if (context.io.signal.aborted) throw error;
      daemon = { state: 'unreachable', reason: error.message };
    }
  }
  const findings = inOrder([
    ...machineFindings({ ...first.facts, ...(isFileUnknown ? WITHOUT_FILE : {}), daemon }),
    ...(ring === null ? [] : ringFindings(ring)),
  ]);
  const looked = ['machine', ...(isFileUnknown ? [] : ['configuration']), ...(ring === null ? [] : ['ring'])];
  const scope =
    looked.join(', ').replace(/, (\w+)$/, ' and $1') + (isFileUnknown ? ' (not at the instance’s file: -c FILE)' : '');
  emit(context, { looked: scope, ok: !findings.some(isError), findings }, () => lines(findings, scope));
  if (findings.some(isError)) return CliExit.CHECK_FAILED;
  const warned = findings.some(({ severity }) => severity === 'warning');
  return values['strict'] === true && warned ? CliExit.CHECK_FAILED : CliExit.OK;
}

const WITHOUT_FILE = { errors: [], warnings: [], unresolved: [] } as const;

const instanceOf = ({ connect, io }: CommandContext): string => connect.instance ?? io.env['RONDO_IPC_INSTANCE'] ?? '';

const isError = ({ severity }: Finding): boolean => severity === 'error';

function secondsOf(text: unknown): number {
  if (text === undefined) return SECONDS_DEFAULT;
  const seconds = Number(text);
  if (text === '' || !(seconds >= 0 && seconds <= SECONDS_MAX))
    throw new UsageError(`--seconds: '${text}' is not 0 to ${SECONDS_MAX}`, 'doctor');
  return seconds;
}

/** Seen from outside, without a connection. */
function daemonTraces(context: CommandContext): DaemonTraces {
  const instance = instanceOf(context);
  if (runningInstances().includes(instance)) return { state: 'reachable' };
  const pidFile = instance === '' ? '/run/corosync.pid' : `/run/corosync-${instance}.pid`;
  const pid = Number(textOf(pidFile)?.trim() ?? '');
  const program = Number.isInteger(pid) && pid > 0 ? textOf(`/proc/${pid}/comm`)?.trim() : undefined;
  return program === undefined ? { state: 'stopped' } : { state: 'silent', pid, program };
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

const TITLES: Readonly<Record<Severity, string>> = { error: 'ERROR', warning: 'WARNING', info: 'INFO' };

function lines(findings: readonly Finding[], scope: string): readonly string[] {
  const count = (severity: Severity): number => findings.filter((finding) => finding.severity === severity).length;
  const shown = findings.flatMap(({ code, severity, what, cause, evidence, mend }) => [
    `${TITLES[severity]} ${code}: ${what}`,
    `  why:  ${cause}`,
    ...evidence.map((text) => `  seen: ${text}`),
    `  do:   ${mend}`,
    '',
  ]);
  const sum = `${counted(count('error'), 'error')}, ${counted(count('warning'), 'warning')}, ${count('info')} for information`;
  return [...shown, `Looked at ${scope}: ${findings.length === 0 ? 'nothing is wrong' : sum}`];
}

export const DOCTOR_COMMAND: Command = {
  words: 'doctor',
  arguments: '',
  summary: 'find what is wrong with this machine, its configuration and the ring, and say what to do',
  details:
    'Changes nothing. Each finding has a code that stays, a cause, what was seen, and the command that mends it. Exit 4 when there is an error.',
  options: {
    config: { type: 'string', short: 'c' },
    node: { type: 'string' },
    seconds: { type: 'string', short: 's' },
    preflight: { type: 'boolean' },
    strict: { type: 'boolean' },
  },
  optionHelp: [
    {
      flag: '-c, --config FILE',
      text: `the configuration (default: the running daemon's, else ${CONFIG_FILE_DEFAULT})`,
    },
    { flag: '--node NAME', text: 'look at it as this node of its list (default: this host)' },
    { flag: '-s, --seconds SECONDS', text: `for how long the ring is watched (default ${SECONDS_DEFAULT})` },
    { flag: '--preflight', text: 'only what a start needs' },
    { flag: '--strict', text: 'exit 4 also when there are warnings' },
  ],
  examples: [
    'rondo doctor',
    'rondo doctor --preflight && systemctl start corosync',
    'rondo doctor --json | jq -r .findings[].code',
  ],
  positionals: [0, 0],
  run: doctor,
};
