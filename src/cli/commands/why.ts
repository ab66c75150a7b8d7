import { loadFlight } from '../../observe/flight/index.ts';
import {
  changeLines,
  daemonLives,
  lifeLines,
  membershipChanges,
  type TimelineSection,
  timeline,
  timelineLines,
} from '../../observe/why/index.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { flightPath, isProcess } from '../flight-source.ts';
import { emit } from '../output.ts';

const CHANGES_DEFAULT = 3;

async function why(context: CommandContext): Promise<number> {
  const { file } = context.values;
  const count = countOf(context.positionals[0]);
  const path = await flightPath(context, typeof file === 'string' ? file : null);
  const flight = loadFlight(path);
  const changes = membershipChanges(flight.records);
  const lives = daemonLives(flight.records);
  const shown = changes.slice(-count);
  emit(context, { file: path, nodeId: flight.nodeId, lives, changes: shown }, () => {
    const last = lives.at(-1);
    const paragraphs = shown.map((change) => {
      const before = lives.find(({ life }) => life === change.life - 1);
      const first = change.cause.kind === 'start' && before !== undefined ? lifeLines(before, false) : [];
      return [...first, ...changeLines(change, change === changes.at(-1))];
    });
    if (shown.length === 0) paragraphs.push([`${path} knows of no membership change`]);
    const end = last === undefined ? [] : lifeLines(last, isProcess(last.pid));
    if (end.length > 0) paragraphs.push([...end]);
    return paragraphs.flatMap((lines, at) => (at === 0 ? lines : ['', ...lines]));
  });
  return CliExit.OK;
}

function countOf(text: string | undefined): number {
  if (text === undefined) return CHANGES_DEFAULT;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new UsageError(`'${text}' is not a number of changes`, 'why');
  return count;
}

/** There may be thousands between two changes of the ring. */
const CLIENT_KINDS: readonly string[] = ['clientJoined', 'clientEnded'];

async function mergeFiles(context: CommandContext): Promise<number> {
  const { last, clients } = context.values;
  const flights = context.positionals.map((path) => {
    const { nodeId, records } = loadFlight(path);
    return { nodeId, records: clients === true ? records : records.filter(({ kind }) => !CLIENT_KINDS.includes(kind)) };
  });
  const sections = lastOf(timeline(flights), last === undefined ? Number.POSITIVE_INFINITY : Number(last));
  emit(context, sections, () => timelineLines(sections));
  return CliExit.OK;
}

function lastOf(sections: readonly TimelineSection[], count: number): readonly TimelineSection[] {
  if (!(count >= 1)) throw new UsageError('--last: at least 1', 'timeline');
  return sections.slice(Math.max(0, sections.length - count));
}

export const WHY_COMMANDS: readonly Command[] = [
  {
    words: 'why',
    arguments: '[N]',
    summary: 'why the membership changed, the last N times: cause, timer, silence, pauses, links, phases, quorum',
    details:
      "Reads the flight recorder: the running daemon's, or with --file that of one that ended or was killed, on this machine or " +
      "copied from another. Times are universal. It takes the rights of the daemon's user.",
    options: { file: { type: 'string', short: 'f' } },
    optionHelp: [{ flag: '-f, --file FILE', text: 'the file, or the state directory it lies in' }],
    examples: ['rondo why', 'rondo why 1 --json', 'rondo why --file /var/lib/corosync'],
    positionals: [0, 1],
    run: why,
  },
  {
    words: 'timeline',
    arguments: 'FILE…',
    summary: 'the flight recorders of several nodes as one story, ordered by rings and not by clocks',
    details:
      "Each FILE is a recorder's file or a state directory. In each ring, times are counted from when it formed, by the clock of the " +
      'node that recorded them.',
    options: { last: { type: 'string', short: 'n' }, clients: { type: 'boolean' } },
    optionHelp: [
      { flag: '-n, --last N', text: 'only the last N rings' },
      { flag: '--clients', text: 'clients that came and went, too' },
    ],
    examples: ['rondo timeline n1/flight n2/flight n3/flight', 'rondo timeline --last 2 n1/flight n2/flight'],
    positionals: [1, 64],
    run: mergeFiles,
  },
];
