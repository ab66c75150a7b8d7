import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pause } from '../../client/abort.ts';
import { Cmap } from '../../client/cmap.ts';
import { RondoError } from '../../lib/errors.ts';
import { isoTime } from '../../lib/iso-time.ts';
import type { BlackboxEntry } from '../../observe/log/blackbox-reader.ts';
import { BLACKBOX_FILE, loadBlackbox, PRIORITIES, priorityName } from '../blackbox.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { flightPath } from '../flight-source.ts';
import { emitItem, jsonText } from '../output.ts';

const DUMP_KEYS = ['runtime.blackbox.dump_state', 'runtime.blackbox.dump_flight_data'] as const;
const DUMP_MS_MAX = 10_000;
const LOOK_MS = 50;

/** Beside the flight recorder. */
const ownFile = async (context: CommandContext): Promise<string> =>
  join(dirname(await flightPath(context, null)), BLACKBOX_FILE);

async function show(context: CommandContext): Promise<number> {
  const { level, count } = context.values;
  const names: readonly string[] = PRIORITIES;
  const least = level === undefined ? PRIORITIES.length : names.indexOf(String(level));
  if (least < 0) throw new UsageError(`--level: '${String(level)}' is none of ${PRIORITIES.join(', ')}`, 'blackbox');
  const wanted = count === undefined ? Number.POSITIVE_INFINITY : Number(count);
  if (!(wanted >= 1)) throw new UsageError(`--count: '${String(count)}' is not a positive number`, 'blackbox');
  const path = context.positionals[0] ?? (await ownFile(context));
  const { entries, problem } = loadBlackbox(path);
  const shown = entries.filter(({ priority }) => priority <= least);
  for (const entry of shown.slice(Math.max(0, shown.length - wanted)))
    emitItem(context, entryJson(entry), entryLine(entry));
  if (problem === null) return CliExit.OK;
  if (context.json) context.io.out(`${jsonText({ problem })}\n`);
  context.io.err(`rondo: ${path}: ${problem}\n`);
  return CliExit.FAILED;
}

const entryJson = ({ timeMs, priority, ...rest }: BlackboxEntry): unknown => ({
  time: isoTime(timeMs),
  level: priorityName(priority),
  ...rest,
});

const entryLine = ({ timeMs, priority, function: name, line, message }: BlackboxEntry): string =>
  `${isoTime(timeMs)} ${priorityName(priority).padEnd(7)} ${name}${line === 0 ? '' : `:${line}`}: ${message}`;

async function dump(context: CommandContext): Promise<number> {
  const path = await ownFile(context);
  const before = writtenMs(path);
  const cmap = await Cmap.connect(context.connect);
  try {
    for (const key of DUMP_KEYS) await cmap.set(key, 'str', String(Date.now()));
  } finally {
    cmap.close();
  }
  for (let waited = 0; writtenMs(path) === before; waited += LOOK_MS) {
    if (waited >= DUMP_MS_MAX)
      throw new RondoError(
        'RONDO_BLACKBOX',
        `${path} was not written within ${DUMP_MS_MAX / 1000} s`,
        'The log says why',
      );
    await pause(LOOK_MS, context.io.signal);
  }
  emitItem(context, { file: path }, `Written: ${path}. Show it with: rondo blackbox`);
  return CliExit.OK;
}

function writtenMs(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

export const BLACKBOX_COMMANDS: readonly Command[] = [
  {
    words: 'blackbox',
    arguments: '[FILE]',
    summary: 'show the last log lines of all levels, debug included, that a daemon has left',
    details:
      'Reads the flight data of this daemon and of stock Corosync, as qb-blackbox does. Default: STATEDIR/fdata, which a daemon writes when it ends in a way ' +
      'that it should not, and when it is asked. Times are universal. Exit 1 when the file is damaged; what could be read is shown.',
    options: { level: { type: 'string' }, count: { type: 'string', short: 'n' } },
    optionHelp: [
      { flag: '--level LEVEL', text: `only lines as important as this: ${PRIORITIES.join(', ')}` },
      { flag: '-n, --count N', text: 'the last N' },
    ],
    examples: [
      'rondo blackbox',
      'rondo blackbox --level warning -n 20',
      'rondo blackbox /var/lib/corosync/fdata-2026-11-26T10:00:00-123',
    ],
    positionals: [0, 1],
    run: show,
  },
  {
    words: 'blackbox dump',
    arguments: '',
    summary: 'make the running daemon write its last log lines of all levels to STATEDIR/fdata',
    details: 'It takes the right to write cmap keys.',
    options: {},
    optionHelp: [],
    examples: ['rondo blackbox dump && rondo blackbox -n 50'],
    positionals: [0, 0],
    run: dump,
  },
];
