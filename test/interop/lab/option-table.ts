import { getopt } from '../../../src/cli/stock/getopt.ts';
import { TOOLS } from '../../../src/cli/stock/index.ts';
import { TOOL_CASES } from './tools.ts';

/**
 * Every option of every command of stock's package, stock beside ours: equal, or what differs and why. `docs/tools.md` is made from this;
 * `tool-options.test.ts` compares both programs on the command lines below, and finds each letter that no command line and no test has.
 */

/** Command lines that need no daemon, or say what happens without one. */
export const WITHOUT_DAEMON: readonly (readonly [command: string, ...args: string[]])[] = [
  ['corosync-cfgtool', '-s'],
  ['corosync-cfgtool', '-n'],
  ['corosync-cfgtool', '-R'],
  ['corosync-cfgtool', '-H'],
  ['corosync-cfgtool', '-H', '--force'],
  ['corosync-cfgtool', '-a', '1'],
  ['corosync-cmapctl'],
  ['corosync-cmapctl', '-g', 'totem.version'],
  ['corosync-cpgtool'],
  ['corosync-quorumtool'],
  ['corosync-quorumtool', '-l'],
  ['corosync-quorumtool', '-m'],
  ['corosync-notifyd', '-h'],
  ['corosync-notifyd', '-x'],
  ['corosync-notifyd', '-m'],
  ['corosync-qdevice', '-h'],
  ['corosync-qdevice', '-dfh'],
  ['corosync-qdevice', '-x'],
  ['corosync-qdevice', '-S'],
  ['corosync-qdevice', '-S', 'x=1'],
  ['corosync-qdevice', '-S', 'max_cs_try_again=x'],
  ['corosync-qdevice-tool'],
  ['corosync-qdevice-tool', '-h'],
  ['corosync-qdevice-tool', '-x'],
  ['corosync-qdevice-tool', '-s'],
  ['corosync-qdevice-tool', '-sv'],
  ['corosync-qdevice-tool', '-H'],
  ['corosync-qdevice-tool', '-p', '/none/socket', '-s'],
  ['corosync-qnetd', '-h'],
  ['corosync-qnetd', '-46dfh'],
  ['corosync-qnetd', '-v'],
  ['corosync-qnetd', '-x'],
  ['corosync-qnetd', '-l'],
  ['corosync-qnetd', '-p', 'x'],
  ['corosync-qnetd', '-p', '65536'],
  ['corosync-qnetd', '-s', 'x'],
  ['corosync-qnetd', '-c', 'x'],
  ['corosync-qnetd', '-m', 'x'],
  ['corosync-qnetd', '-S', 'x=1'],
  ['corosync-qnetd-tool'],
  ['corosync-qnetd-tool', '-h'],
  ['corosync-qnetd-tool', '-x'],
  ['corosync-qnetd-tool', '-s'],
  ['corosync-qnetd-tool', '-lv'],
  ['corosync-qnetd-tool', '-l', '-c', 'lab'],
  ['corosync-qnetd-tool', '-H'],
  ['corosync-qnetd-tool', '-p', '/none/socket', '-s'],
  ['corosync-qnetd-certutil', '-h'],
  ['corosync-qnetd-certutil', '-x'],
  ['corosync-qnetd-certutil', '-c'],
  ['corosync-qnetd-certutil', '-s'],
  ['corosync-qnetd-certutil', '-s', '-c', '/dev/null'],
  ['corosync-qnetd-certutil', '-G', '-s', '-c', '/none/file', '-n', 'lab'],
  ['corosync-qdevice-net-certutil', '-x'],
  ['corosync-qdevice-net-certutil', '-c'],
  ['corosync-qdevice-net-certutil', '-i'],
  ['corosync-qdevice-net-certutil', '-i', '-c', '/none/file'],
  ['corosync-qdevice-net-certutil', '-m'],
  ['corosync-qdevice-net-certutil', '-M'],
  ['corosync-qdevice-net-certutil', '-r'],
  ['corosync-qdevice-net-certutil', '-Q'],
  ['corosync-qdevice-net-certutil', '-Q', '-n', 'lab'],
  ['corosync-qdevice-net-certutil', '-Q', '-n', 'lab', 'arbiter'],
];

/** What more is compared, and where: letters of a command, and the tests that run both programs with them. */
const ELSEWHERE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'corosync-notifyd': { 'c f l o s d m n': 'interop/notify.test.ts' },
  'corosync-vqsim': { 'c o n h': 'interop/vqsim.test.ts' },
  'corosync-qdevice': { 'f S': 'interop/qdevice.test.ts' },
  'corosync-qdevice-tool': { 's v': 'interop/qdevice.test.ts' },
  'corosync-qnetd': { '4 f l p s S': 'arbiter/stock-arbiter.test.ts', c: 'interop/qdevice.test.ts' },
  'corosync-qnetd-tool': { 'l v p': 'arbiter/stock-arbiter.test.ts', s: 'interop/qdevice.test.ts' },
  'corosync-qnetd-certutil': { 'i s c n': 'interop/package.test.ts' },
  'corosync-qdevice-net-certutil': { 'i m M r c n': 'interop/package.test.ts', Q: 'arbiter/arbiter-keys.test.ts' },
};

const NEXT = 'not in 3.1.7: of the release after 3.1.10 ([compatibility.md](compatibility.md))';
const NO_GROUP_BIT = 'accepted; without effect: our files have no group write bit in any case';
/** What differs. An option that is not here is equal. */
const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'corosync-quorumtool': { W: NEXT, X: NEXT, C: NEXT, h: 'three lines more: `-W -X -C`' },
  'corosync-notifyd': { d: 'equal, and a signal `LinkStateChange` more' },
  'corosync-qdevice': {
    S: 'equal; four settings do nothing and say so ([qdevice.md](qdevice.md#settings-that-do-nothing))',
  },
  'corosync-qnetd': {
    l: 'equal; may be given several times',
    S: 'equal, and settings more: `metrics`, `metrics_token_file`, `tls_handshakes_per_second`, … ([qdevice.md](qdevice.md))',
  },
  'corosync-qnetd-certutil': {
    i: 'makes PEM files instead of an NSS database',
    G: NO_GROUP_BIT,
    h: 'equal; shows the name by which it was called, stock its path',
  },
  'corosync-qdevice-net-certutil': {
    i: 'makes PEM files instead of an NSS database',
    S: 'not in 3.0.3: of qdevice 3.0.4',
    C: 'not in 3.0.3: of qdevice 3.0.4',
    h: 'without stock’s section "Typical usage", which [qdevice.md](qdevice.md#keys) has',
  },
};

/** Long options, and commands that read none by `getopt`. */
const MORE: readonly (readonly [command: string, option: string, says: string, by: string])[] = [
  ['corosync', '-c', 'equal; a refusal has a line more, which says what to do', 'config/vectors.test.ts'],
  ['corosync', '-f', 'equal', 'every test of the laboratory'],
  ['corosync', '-t', 'equal; a refusal has a line more, which says what to do', 'config/vectors.test.ts'],
  ['corosync', '-l', 'not in 3.1.7: of 3.1.9', 'daemon/pieces.test.ts'],
  ['corosync', '-v', 'the first line is stock’s; what follows are the features of ours', 'daemon/pieces.test.ts'],
  [
    'corosync',
    '-h, --config, --lock-file, --foreground, --test, --version, --help, --ipc-instance, --node, --state-dir, --stop-on-stdin-end',
    'not in stock, which takes them for wrong and ends with its usage and 1',
    'daemon/pieces.test.ts',
  ],
  ['corosync-cfgtool', '--force', 'equal', 'interop/tool-options.test.ts'],
  [
    'corosync-cfgtool',
    '--interface, --status, --nodes, --brief, --reload, --reopen, --kill, --address, --help, --shutdown',
    'equal; may be shortened',
    'interop/tools.test.ts',
  ],
  ['corosync-keygen', '--key-file, --random-file, --size, --less-secure, --help', 'equal', 'interop/tools.test.ts'],
  ['corosync-qdevice-tool', '--json', 'not in stock: the same for programs', 'interop/qdevice.test.ts'],
  ['corosync-qnetd-tool', '--json', 'not in stock: the same for programs', 'arbiter/qnetd-many.test.ts'],
  [
    'corosync-blackbox',
    '(none)',
    'asks the daemon in the same way; prints our flight data, of another form ([flight-recorder.md](flight-recorder.md))',
    'interop/flight-data.test.ts',
  ],
  ['corosync-xmlproc', 'INPUT [OUTPUT]', 'equal', 'interop/package-files.test.ts'],
];

/** Letters that stock's programs of the versions compared do not have. */
export const extraLetters = (command: string): string[] =>
  Object.entries(DIFFERENCES[command] ?? {})
    .filter(([, says]) => says.startsWith('not in'))
    .map(([letter]) => letter);

export const lettersOf = (letters: string): string[] => [...letters].filter((letter) => letter !== ':');

/** Letters with which a command line of the lists calls a command. */
function called(command: string, letters: string): Map<string, { ring: number; alone: number }> {
  const counts = new Map<string, { ring: number; alone: number }>();
  const count = (args: readonly string[], where: 'ring' | 'alone'): void => {
    for (const letter of new Set(getopt(command, args, letters).options.map((option) => option.letter))) {
      const known = counts.get(letter) ?? { ring: 0, alone: 0 };
      known[where]++;
      counts.set(letter, known);
    }
  };
  for (const tool of TOOL_CASES) {
    if (tool.command === command) count(tool.args, 'ring');
    for (const [, line = ''] of (tool.command === 'sh' ? (tool.args[1] ?? '') : '').matchAll(
      new RegExp(`${command} ([^|;&<>]*)`, 'g'),
    ))
      count(line.split(' '), 'ring');
  }
  for (const [name, ...args] of WITHOUT_DAEMON) if (name === command) count(args, 'alone');
  return counts;
}

export interface OptionRow {
  readonly command: string;
  readonly option: string;
  readonly says: string;
  /** Where it is compared; empty: nowhere. */
  readonly by: readonly string[];
}

export function optionRows(): OptionRow[] {
  const rows: OptionRow[] = [];
  for (const { name, letters } of TOOLS) {
    const counts = called(name, letters);
    for (const letter of lettersOf(letters)) {
      const { ring = 0, alone = 0 } = counts.get(letter) ?? {};
      const by = Object.entries(ELSEWHERE[name] ?? {})
        .filter(([some]) => some.split(' ').includes(letter))
        .map(([, file]) => file);
      if (ring > 0) by.push(`interop/tools.test.ts (${ring})`);
      if (alone > 0) by.push(`interop/tool-options.test.ts (${alone})`);
      rows.push({ command: name, option: `-${letter}`, says: DIFFERENCES[name]?.[letter] ?? 'equal', by });
    }
  }
  for (const [command, option, says, by] of MORE) rows.push({ command, option, says, by: [by] });
  return rows.sort((a, b) => (a.command < b.command ? -1 : a.command > b.command ? 1 : 0));
}

const HEAD = `# Stock's commands, option by option

Each option of each command of stock's package (Corosync 3.1.7, qdevice 3.0.3), ours beside stock's: output, exit status, messages. The number says on how many command lines
a test runs both programs with the option and compares what they print, without the times, process ids and counters of a run. Made from \`test/interop/lab/option-table.ts\`
by \`node scripts/write-docs.mjs\`; a letter that has no row, or that no test has, fails the tests.

What holds for all: messages of the C library about command lines are the same; values of others are printed to a terminal so that it obeys none of them, into a file or a pipe as they are.
`;

/** Measured by `node dist/perf/startup.js`; its two tables, put here by hand. */
const STARTS = `
## What a run takes

\`node dist/perf/startup.js\`, 2026-11-27: both programs in turn, 20 runs each, against the same stock daemon, device and arbiter; median (lowest–highest) from the start to the end. The machine, of two cores, had other
work (load 11 to 14), so commands and those that they ask ran with real-time priority.

| Command | Stock, ms | Ours, ms | Processor, stock : ours, ms |
|---|---|---|---|
| \`corosync -v\` | 2.6 (1.9–52.8) | 79.1 (76.3–82.3) | 2 : 80 |
| \`corosync-cfgtool -s\` | 6.3 (5.7–59.0) | 66.9 (62.2–88.2) | 2 : 64 |
| \`corosync-cmapctl -g totem.version\` | 3.7 (3.5–17.0) | 62.1 (60.4–110.4) | 2 : 61 |
| \`corosync-cmapctl\` | 8.9 (6.8–50.1) | 75.6 (70.6–89.2) | 4 : 76 |
| \`corosync-cpgtool\` | 5.8 (5.2–22.5) | 63.8 (61.2–190.4) | 2 : 61 |
| \`corosync-quorumtool -s\` | 12.6 (10.0–26.9) | 73.6 (71.1–105.6) | 3 : 67 |
| \`corosync-keygen -l -k KEY\` | 5.2 (1.4–54.4) | 58.1 (54.5–66.8) | 1 : 58 |
| \`corosync-blackbox\` | 27.2 (24.7–34.8) | 146.3 (141.3–180.2) | 22 : 196 |
| \`corosync-notifyd -h\` | 4.1 (3.1–39.4) | 56.7 (53.9–148.0) | 3 : 57 |
| \`corosync-vqsim -h\` | 6.0 (1.7–116.1) | 57.4 (53.8–164.4) | 1 : 55 |
| \`corosync-xmlproc\` | 1.0 (1.0–1.3) | 0.7 (0.7–4.2) | 1 : 0 |
| \`corosync-qdevice-tool -s\` | 1.4 (0.9–55.0) | 58.2 (55.2–62.5) | 1 : 59 |
| \`corosync-qnetd-tool -s\` | 1.0 (0.8–20.5) | 59.6 (55.7–151.5) | 1 : 59 |

But for \`corosync-blackbox\`, which decodes and prints all that the daemon has recorded, what a command does takes at most ten milliseconds more than stock's; the rest is the start of a program on Node.js:

| What | ms | Processor, ms |
|---|---|---|
| Node.js with an empty program | 21.1 (17.7–65.7) | 20 |
| \`corosync-cmapctl -g\`, without the shell that chooses Node.js | 55.5 (52.7–87.5) | 55 |
| the same without V8's code cache | 81.5 (77.7–93.7) | 79 |
| as it is called | 63.6 (59.8–87.1) | 62 |

A third is Node.js itself, the shell that chooses it and drops the caller's variables takes 8 ms, and the program the rest: by a profile a third of that is V8 reading 1.3 MB of code cache, which saves 26 ms, and a sixth loading koffi. Modules of Node.js that
a command does not need are not loaded. \`corosync -v\` loads the daemon. A program that asks often does better with one connection of the client library, or \`rondo … --json\`, than with a process for each question.
`;

/** `docs/tools.md` */
export function optionsTable(): string {
  let text = HEAD;
  let last = '';
  for (const { command, option, says, by } of optionRows()) {
    if (command !== last) text += `\n## ${command}\n\n| Option | Ours | Compared in |\n|---|---|---|\n`;
    last = command;
    const options = option.startsWith('-')
      ? option
          .split(', ')
          .map((one) => `\`${one}\``)
          .join(' ')
      : option;
    text += `| ${options} | ${says} | ${by.join(', ') || '–'} |\n`;
  }
  return text + STARTS;
}
