import { Cpg, type CpgEvent } from '../../client/cpg.ts';
import { counted } from '../../lib/counted.ts';
import { printable } from '../../lib/printable.ts';
import type { CliIo, Command, CommandContext } from '../command.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { emit, emitItem, table } from '../output.ts';

const FORMATS = ['text', 'hex', 'base64'] as const;
type Format = (typeof FORMATS)[number];

const FORMAT_OPTION = { format: { type: 'string', short: 'f' } } as const;
const FORMAT_HELP = [{ flag: '-f, --format text|hex|base64', text: 'how payloads are shown (default text)' }];

/** One event as a line of text. */
export function eventLine(event: CpgEvent, format: Format): string {
  switch (event.type) {
    case 'message':
      return `message from ${event.nodeId}.${event.pid} (${counted(event.data.length, 'byte')}): ${payloadText(event.data, format)}`;
    case 'oversize':
      return `message from ${event.nodeId}.${event.pid} (${counted(event.bytes, 'byte')}): too long, skipped`;
    case 'membership': {
      const list = (items: readonly { nodeId: number; pid: number; reason?: string }[]): string =>
        items
          .map((item) => `${item.nodeId}.${item.pid}${item.reason === undefined ? '' : ` (${item.reason})`}`)
          .join(' ');
      const joined = event.joined.length > 0 ? ` joined: ${list(event.joined)}` : '';
      const left = event.left.length > 0 ? ` left: ${list(event.left)}` : '';
      return `members of '${event.group}' [${event.members.length}]: ${list(event.members)}${joined}${left}`;
    }
    case 'ring':
      return `ring ${event.ringId.rep.toString(16)}.${event.ringId.seq.toString(16)}: nodes ${event.members.join(' ')}`;
  }
}

function payloadText(data: Uint8Array, format: Format): string {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (format !== 'text') return bytes.toString(format);
  return printable(bytes.toString('utf8'));
}

/** JSON form: the payload both as text, where it is UTF-8, and as base64. */
function eventJson(event: CpgEvent): unknown {
  if (event.type !== 'message') return event;
  const { data, ...rest } = event;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const text = bytes.toString('utf8');
  return {
    ...rest,
    bytes: data.length,
    base64: bytes.toString('base64'),
    ...(Buffer.from(text).equals(bytes) ? { text } : {}),
  };
}

function formatOf(context: CommandContext, command: string): Format {
  const value = context.values['format'] ?? 'text';
  const format = FORMATS.find((name) => name === value);
  if (format === undefined) throw new UsageError(`--format is one of ${FORMATS.join(', ')}`, command);
  return format;
}

/** Joins, prints every event; lines of standard input are sent when `interactive`. */
async function followGroup(context: CommandContext, words: string, interactive: boolean): Promise<number> {
  const format = formatOf(context, words);
  const group = context.positionals[0]!;
  const countMax = countOf(context, words);
  const cpg = await Cpg.connect(context.connect);
  try {
    await cpg.join(group, { signal: context.io.signal, initialRing: true });
    if (interactive) void sendLines(cpg, context.io);
    let messages = 0;
    for await (const event of cpg.events({ signal: context.io.signal })) {
      emitItem(context, eventJson(event), eventLine(event, format));
      if (event.type === 'message' && ++messages === countMax) break;
    }
    return CliExit.OK;
  } finally {
    await cpg.close();
  }
}

async function sendLines(cpg: Cpg, io: CliIo): Promise<void> {
  try {
    for await (const line of lines(io.stdin)) await cpg.send(line, { signal: io.signal });
  } catch (error) {
    if (!io.signal.aborted) io.err(`rondo: sending: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

async function* lines(input: AsyncIterable<string | Uint8Array>): AsyncGenerator<string, void> {
  let rest = '';
  for await (const chunk of input) {
    const parts = (rest + (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'))).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
  if (rest !== '') yield rest;
}

function countOf(context: CommandContext, words: string): number {
  const text = context.values['count'];
  if (text === undefined) return 0;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new UsageError(`--count: '${String(text)}' is not a positive number`, words);
  return count;
}

async function send(context: CommandContext): Promise<number> {
  const [group, ...words] = context.positionals;
  const repeat = countOf(context, 'cpg send') || 1;
  const cpg = await Cpg.connect(context.connect);
  try {
    await cpg.join(group!, { signal: context.io.signal });
    const payloads = words.length > 0 ? Array.from({ length: repeat }, () => words.join(' ')) : lines(context.io.stdin);
    let sent = 0;
    for await (const payload of payloads) {
      await cpg.send(payload, { signal: context.io.signal });
      sent++;
    }
    await ownMessages(cpg, sent, context.io.signal);
    emit(context, { group, sent }, () => []);
    return CliExit.OK;
  } finally {
    await cpg.close();
  }
}

/** A message is everybody's once it came back: leaving before that could be ordered before it. */
async function ownMessages(cpg: Cpg, count: number, signal: AbortSignal): Promise<void> {
  let seen = 0;
  if (count === 0) return;
  for await (const event of cpg.events({ signal })) {
    if (event.type !== 'message' || event.nodeId !== cpg.nodeId || event.pid !== process.pid) continue;
    if (++seen === count) return;
  }
}

async function list(context: CommandContext): Promise<number> {
  const cpg = await Cpg.connect(context.connect);
  try {
    const processes = await cpg.processes(context.positionals[0] ?? null, { signal: context.io.signal });
    const groups = new Map<string, { nodeId: number; pid: number }[]>();
    for (const { group, nodeId, pid } of processes) {
      const members = groups.get(group) ?? [];
      members.push({ nodeId, pid });
      groups.set(group, members);
    }
    const value = [...groups]
      .map(([group, members]) => ({ group, members }))
      .sort((a, b) => (a.group < b.group ? -1 : 1));
    const asked = context.positionals[0];
    emit(context, value, () =>
      value.length === 0
        ? [asked === undefined ? 'No process is in a group' : `No process is in the group ${asked}`]
        : table(
            ['GROUP', 'NODE', 'PID'],
            value.flatMap(({ group, members }) => members.map(({ nodeId, pid }) => [group, nodeId, pid])),
          ),
    );
    return CliExit.OK;
  } finally {
    await cpg.close();
  }
}

export const CPG_COMMANDS: readonly Command[] = [
  {
    words: 'cpg join',
    arguments: 'GROUP',
    summary: 'join a process group, print its events, send the lines of standard input',
    details: 'Prints messages, membership and ring changes in their common order until interrupted.',
    options: { ...FORMAT_OPTION, count: { type: 'string', short: 'n' } },
    optionHelp: [...FORMAT_HELP, { flag: '-n, --count N', text: 'end after N messages' }],
    examples: ['rondo cpg join chat'],
    positionals: [1, 1],
    run: (context) => followGroup(context, 'cpg join', true),
  },
  {
    words: 'cpg watch',
    arguments: 'GROUP',
    summary: 'join a process group and print its events, sending nothing',
    details: 'To see messages is to be a member: the others see this process join.',
    options: { ...FORMAT_OPTION, count: { type: 'string', short: 'n' } },
    optionHelp: [...FORMAT_HELP, { flag: '-n, --count N', text: 'end after N messages' }],
    examples: ['rondo cpg watch chat --json | jq .text'],
    positionals: [1, 1],
    run: (context) => followGroup(context, 'cpg watch', false),
  },
  {
    words: 'cpg send',
    arguments: 'GROUP [TEXT…]',
    summary: 'join a process group, multicast, leave',
    details:
      'Sends the words as one message, or every line of standard input as one. Ends when all were delivered here.',
    options: { count: { type: 'string', short: 'n' } },
    optionHelp: [{ flag: '-n, --count N', text: 'send the text N times' }],
    examples: ['rondo cpg send chat hello world', 'seq 1000 | rondo cpg send chat'],
    positionals: [1, 10_000],
    run: send,
  },
  {
    words: 'cpg list',
    arguments: '[GROUP]',
    summary: 'list process groups and their members on all nodes',
    details: '',
    options: {},
    optionHelp: [],
    examples: ['rondo cpg list --json'],
    positionals: [0, 1],
    run: list,
  },
];
