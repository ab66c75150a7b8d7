import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { keyId, readKeyFile } from '../../config/key-material.ts';
import {
  type ByteSource,
  type CaptureRest,
  Datagrams,
  Decoder,
  FACT_KINDS,
  readCapture,
  type SeenFact,
  Story,
  type StoryEntry,
} from '../../decode/index.ts';
import { agreeing, counted } from '../../lib/counted.ts';
import { RondoError } from '../../lib/errors.ts';
import { isoTime } from '../../lib/iso-time.ts';
import { KEY_BYTES_MAX, KEY_BYTES_MIN } from '../../lib/knet-facts.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { emitItem, jsonText } from '../output.ts';

const READ_BYTES = 1 << 20;
const TURN_MS = 100;

interface Choice {
  /** Each packet by itself, instead of the story. */
  readonly packets: boolean;
  readonly kinds: ReadonlySet<string> | null;
  readonly node: number | null;
}

async function decode(context: CommandContext): Promise<number> {
  const path = context.positionals[0]!;
  const choice = choiceOf(context);
  const keys = listOf(context.values['key']).map(readKey);
  const ids = keys.map(keyId);
  const decoder = new Decoder(keys);
  for (const key of keys) key.fill(0);
  const rest: CaptureRest = { problem: null };
  const datagrams = new Datagrams();
  const story = new Story();
  const file = FileSource.open(path);
  let packets = 0;
  try {
    let turnMs = performance.now();
    for (const packet of readCapture(file, rest)) {
      // A signal is noticed between turns of the loop only, and somebody else's capture can be made to take hours.
      if (performance.now() - turnMs > TURN_MS) {
        await turn();
        turnMs = performance.now();
      }
      if (context.io.signal.aborted) return CliExit.INTERRUPTED;
      packets++;
      const datagram = datagrams.read(packet);
      for (const fact of datagram === null ? [] : decoder.read(datagram)) {
        if (!isWanted(choice, fact)) continue;
        if (choice.packets) emitItem(context, factJson(fact), factLine(fact));
        else story.take(fact);
      }
    }
  } finally {
    file.close();
    decoder.close();
  }
  showStory(context, choice, story);
  return showSummary(context, {
    path,
    packets,
    rest,
    datagrams,
    decoder,
    ids,
  });
}

function choiceOf({ values }: CommandContext): Choice {
  const kinds = listOf(values['kind']).flatMap((text) => text.split(','));
  for (const kind of kinds)
    if (!FACT_KINDS.some((known) => known === kind))
      throw new UsageError(`--kind: '${kind}' is none of ${FACT_KINDS.join(', ')}`, 'decode');
  const node = values['node'] === undefined ? null : Number(values['node']);
  if (node !== null && !Number.isInteger(node))
    throw new UsageError(`--node: '${values['node']}' is no node id`, 'decode');
  return {
    packets: values['packets'] === true || kinds.length > 0,
    kinds: kinds.length === 0 ? null : new Set(kinds),
    node,
  };
}

function listOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value.filter((item): item is string => typeof item === 'string');
}

function readKey(path: string): Uint8Array {
  const { bytes } = readKeyFile(path, KEY_BYTES_MAX);
  if (bytes.length < KEY_BYTES_MIN)
    throw new RondoError(
      'RONDO_KEY',
      `${path} has ${counted(bytes.length, 'byte')}`,
      `A key has ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} bytes: name the cluster's authkey`,
    );
  return bytes;
}

const isWanted = ({ kinds, node }: Choice, fact: SeenFact): boolean =>
  (kinds === null || kinds.has(fact.kind)) && (node === null || fact.node === node);

const factJson = ({ kind, node, text, data, packet }: SeenFact): unknown => ({
  packet: packet.index,
  time: isoTime(packet.timeMs),
  kind,
  node,
  from: endText(packet.from, packet.fromPort),
  to: endText(packet.to, packet.toPort),
  text,
  ...data,
});

const endText = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

const factLine = ({ text, packet }: SeenFact): string =>
  `${timeText(packet.timeMs)} #${packet.index} ${endText(packet.from, packet.fromPort)} > ${endText(packet.to, packet.toPort)}: ${text}`;

const timeText = (timeMs: number): string => isoTime(timeMs).replace(/^.*T|Z$/g, '');

function showStory(context: CommandContext, choice: Choice, story: Story): void {
  if (choice.packets) return;
  const entries = story.entries.sort((a, b) => a.timeMs - b.timeMs || a.index - b.index);
  for (const entry of entries) emitItem(context, entryJson(entry), entryLine(entry));
  if (story.left > 0 && !context.json) context.io.out(`and ${counted(story.left, 'entry', 'entries')} more\n`);
  const { rings, links } = story.finish();
  if (context.json) context.io.out(`${jsonText({ kind: 'sums', rings, links })}\n`);
  else for (const line of ['', ...rings, ...links]) emitItem(context, line, line);
}

const entryJson = ({ timeMs, lastMs, ...entry }: StoryEntry): unknown => ({
  ...entry,
  time: isoTime(timeMs),
  last: isoTime(lastMs),
});

function entryLine({ timeMs, lastMs, count, text, index }: StoryEntry): string {
  const often = count === 1 ? '' : ` (${count} times in ${Math.round(lastMs - timeMs)} ms)`;
  return `${timeText(timeMs)} #${index} ${text}${often}`;
}

interface Whole {
  readonly path: string;
  readonly packets: number;
  readonly rest: CaptureRest;
  readonly datagrams: Datagrams;
  readonly decoder: Decoder;
  readonly ids: readonly string[];
}

/** What was read and what was not, with the reason; the exit status. */
function showSummary(context: CommandContext, whole: Whole): number {
  const { path, packets, rest, datagrams, decoder, ids } = whole;
  const { counts } = decoder;
  const problems = problemsOf(whole);
  if (context.json) {
    const unopened = [...counts.unopened].map(([port, count]) => ({ port, count }));
    const suites = [...counts.suites].map(([suite, count]) => ({ suite, count }));
    const { datagrams: udp, decoded, repeated, cut, clear } = counts;
    const summary = {
      kind: 'summary',
      file: path,
      packets,
      udp,
      decoded,
      clear,
      repeated,
      copies: decoder.copies,
      cut,
      suites,
      unopened,
    };
    context.io.out(`${jsonText({ ...summary, ...datagrams.counts, keys: ids, end: rest.problem, problems })}\n`);
  } else {
    const how = [
      ...(counts.clear === 0 ? [] : [`${counts.clear} in clear`]),
      ...[...counts.suites].map(([suite, count]) => `${count} sealed with ${suite}`),
    ];
    const read = how.length === 0 ? '' : ` (${how.join(', ')})`;
    emitItem(
      context,
      '',
      `${path}: ${counted(packets, 'packet')}, ${counts.datagrams} UDP, ${counts.decoded} of a ring${read}, ${counted(decoder.copies + counts.repeated, 'copy', 'copies')}`,
    );
    for (const problem of problems) emitItem(context, '', problem);
  }
  return counts.decoded === 0 ? CliExit.FAILED : CliExit.OK;
}

function problemsOf({ rest, datagrams, decoder, ids }: Whole): string[] {
  const { counts } = decoder;
  const problems: string[] = [];
  if (rest.problem !== null) problems.push(rest.problem);
  if (counts.cut > 0)
    problems.push(`${counted(counts.cut, 'packet')} cut by the capture, and not read: capture with tcpdump -s 0`);
  for (const [port, count] of [...counts.unopened].sort((a, b) => b[1] - a[1])) {
    const what = `${counted(count, 'packet')} to port ${port}`;
    if (ids.length === 0)
      problems.push(
        `${what} ${agreeing(count, 'is', 'are')} not of a ring in clear; of an encrypted ring, if its port is that: use --key FILE`,
      );
    else if (counts.suites.size === 0)
      problems.push(
        `${what}: none opens with the key ${ids.join(', ')}: it is another ring's key, or an older or newer one, if the ring uses this port`,
      );
    else problems.push(`${what} ${agreeing(count, 'opens', 'open')} with none of the keys ${ids.join(', ')}`);
  }
  for (const library of decoder.missingCompression)
    problems.push(`compressed with ${library}, which is not installed here`);
  const { unknownLink, lostFragments } = datagrams.counts;
  if (unknownLink > 0)
    problems.push(`${counted(unknownLink, 'packet')} without an IP packet, or of a kind of link that is not read`);
  if (lostFragments > 0) problems.push(`${counted(lostFragments, 'IP packet')} of which fragments are missing`);
  return problems;
}

/** A file, read a piece at a time. */
class FileSource implements ByteSource {
  private readonly buffer = Buffer.alloc(READ_BYTES);
  private from = 0;
  private to = 0;

  private constructor(
    private readonly fd: number,
    readonly name: string,
  ) {}

  static open(path: string): FileSource {
    try {
      return new FileSource(openSync(path, 'r'), path);
    } catch (error) {
      throw new RondoError('RONDO_CAPTURE', error instanceof Error ? error.message : String(error));
    }
  }

  take(count: number): Uint8Array {
    while (this.to - this.from < count) {
      this.buffer.copyWithin(0, this.from, this.to);
      this.to -= this.from;
      this.from = 0;
      const got = readSync(this.fd, this.buffer, this.to, this.buffer.length - this.to, null);
      if (got === 0) break;
      this.to += got;
    }
    const end = Math.min(this.to, this.from + count);
    const bytes = this.buffer.subarray(this.from, end);
    this.from = end;
    return bytes;
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** What a capture of the ring's traffic says. */
export const DECODE_COMMAND: Command = {
  words: 'decode',
  arguments: 'FILE',
  summary:
    "read a capture of the ring's traffic, encrypted or not: token, retransmissions, membership, links, messages",
  details:
    'FILE is a pcap or pcapng file, as tcpdump writes it: tcpdump -i any -s 0 -w FILE udp. Needs no daemon. Cipher, hash and compression are found ' +
    'out; while a key is replaced, give both. By default what happened is shown, and what repeats itself once. Times are universal. Exit 1 when nothing of a ring was read.',
  options: {
    key: { type: 'string', short: 'k', multiple: true },
    packets: { type: 'boolean' },
    kind: { type: 'string', multiple: true },
    node: { type: 'string' },
  },
  optionHelp: [
    { flag: '-k, --key FILE', text: "the cluster's key file; may be given again" },
    { flag: '--packets', text: 'show each packet' },
    { flag: '--kind KIND', text: `each packet of these kinds only: ${FACT_KINDS.join(', ')}` },
    { flag: '--node ID', text: 'only what this node sent' },
  ],
  examples: [
    'rondo decode ring.pcap --key /etc/corosync/authkey',
    'rondo decode ring.pcap --key old --key new --kind join,commit,token',
    'rondo decode ring.pcap --packets --json',
  ],
  positionals: [1, 1],
  run: decode,
};
