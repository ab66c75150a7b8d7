import { readFileSync } from 'node:fs';
import { bareMessage, ConnectionError, isConnectionError } from '../client/errors.ts';
import { START_HINT } from '../client/ipc-channel.ts';
import { RondoError } from '../lib/errors.ts';
import { printableLines } from '../lib/printable.ts';
import type { CliIo, Command, OptionValues } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { CliExit, UsageError } from './exit-codes.ts';
import { commandHelp, groupHelp, overview, usageLine } from './help.ts';
import { jsonText } from './output.ts';
import { parseInvocation } from './parse.ts';

const TIMEOUT_MS_DEFAULT = 5_000;
const SLOW_TIMEOUT_MS = 60_000;

/** Runs one invocation of `rondo`; the result is the exit status. */
export async function runCli(
  argv: readonly string[],
  io: CliIo,
  commands: readonly Command[] = COMMANDS,
): Promise<number> {
  try {
    const invocation = parseInvocation(argv, commands);
    switch (invocation.kind) {
      case 'overview':
        io.out(overview(commands));
        return argv.length === 0 ? CliExit.USAGE : CliExit.OK;
      case 'version':
        io.out(`rondo ${packageVersion()}, Node.js ${process.versions.node}\n`);
        return CliExit.OK;
      case 'group':
        io.out(groupHelp(invocation.word, invocation.members));
        return CliExit.OK;
      case 'help':
        io.out(commandHelp(invocation.command));
        return CliExit.OK;
      case 'run':
        return await runCommand(invocation.command, invocation.values, invocation.positionals, io);
    }
  } catch (error) {
    return report(error, io, argv, commands);
  }
}

function runCommand(
  command: Command,
  values: OptionValues,
  positionals: readonly string[],
  io: CliIo,
): Promise<number> {
  const { instance } = values;
  return command.run({
    io,
    values,
    positionals,
    json: values['json'] === true,
    connect: {
      signal: io.signal,
      waitReadyMs: milliseconds('wait', values['wait'], command) ?? 0,
      ...limits(command, milliseconds('timeout', values['timeout'], command)),
      ...(typeof instance === 'string' ? { instance } : {}),
    },
  });
}

/** A daemon that hangs is reported soon, unless the command waits for others or the user says otherwise. */
function limits(
  { slow = false }: Command,
  timeoutMs: number | null,
): { readonly timeoutMs: number; readonly tryAgainMs?: number } {
  if (timeoutMs !== null) return { timeoutMs, tryAgainMs: timeoutMs };
  return { timeoutMs: slow ? SLOW_TIMEOUT_MS : TIMEOUT_MS_DEFAULT };
}

function milliseconds(name: string, text: unknown, command: Command): number | null {
  if (text === undefined) return null;
  const seconds = Number(text);
  if (!(seconds >= 0) || text === '')
    throw new UsageError(`--${name}: '${text}' is not a number of seconds`, command.words);
  return seconds * 1000;
}

/** Says what went wrong, where, and what to do, and picks the exit status. */
function report(error: unknown, io: CliIo, argv: readonly string[], commands: readonly Command[]): number {
  if (error instanceof UsageError) {
    const command = commands.find(({ words }) => words === error.command);
    io.err(printableLines(`rondo: ${error.message}\n`));
    io.err(
      command === undefined ? 'Try: rondo --help\n' : `${usageLine(command)}\nTry: rondo ${command.words} --help\n`,
    );
    return CliExit.USAGE;
  }
  if (io.signal.aborted) return CliExit.INTERRUPTED;
  const text =
    error instanceof RondoError
      ? advice(error)
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
  if (argv.includes('--json')) {
    const code = error instanceof RondoError ? error.code : 'RONDO_INTERNAL';
    io.out(`${jsonText({ error: { code, message: error instanceof Error ? error.message : String(error) } })}\n`);
  }
  io.err(printableLines(`rondo: ${text}\n`));
  return error instanceof ConnectionError && error.code !== 'RONDO_DISCONNECTED' ? CliExit.UNREACHABLE : CliExit.FAILED;
}

/** The client's errors advise programmers: who types commands gets commands. */
function advice(error: RondoError): string {
  if (isConnectionError(error, 'RONDO_DISCONNECTED')) return bareMessage(error);
  if (!isConnectionError(error, 'RONDO_NOT_RUNNING') || error.hint !== START_HINT) return error.message;
  return 'no daemon runs on this host. Start it (systemctl start corosync); why it does not run: rondo doctor, rondo why';
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
