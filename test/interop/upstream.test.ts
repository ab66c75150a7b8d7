import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FULL, skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind, LabNode } from './lab/node.ts';
import { must, sleep } from './lab/process.ts';

/**
 * Upstream's own test programs with the outcome that they have on stock. Nothing of them is here: RONDO_UPSTREAM_TESTS names the directory
 * with them: test/ in a copy of Corosync's source tree (3.1.7).
 */
const SOURCES = process.env['RONDO_UPSTREAM_TESTS'] ?? '';
const missing = SOURCES === '' ? 'RONDO_UPSTREAM_TESTS names no copy of upstream’s test directory' : false;
const LIBRARIES = [
  '-lcpg',
  '-lsam',
  '-lcmap',
  '-lcfg',
  '-lquorum',
  '-lvotequorum',
  '-lcorosync_common',
  '-lqb',
  '-lz',
  '-lpthread',
];

const RUN_MS_MAX = 300_000;

interface Run {
  readonly program: string;
  readonly args?: readonly string[];
  /** Lines that it reads, half a second apart. */
  readonly input?: readonly string[];
  /** It goes on until it is interrupted. */
  readonly untilMs?: number;
  /** Only the status counts: what is printed are rates or races. */
  readonly quiet?: boolean;
  /** It prints as often as its time allows: which lines count, not how many. */
  readonly paced?: boolean;
  /** Only these lines count, and no status: it is their sum. */
  readonly verdicts?: RegExp;
  /** Lines that come or not, by who is faster: on stock, too. */
  readonly race?: RegExp;
  /** Instead of ITERATIONS in the program's text, which makes it work for minutes. */
  readonly iterations?: number;
  /** Takes long. */
  readonly rare?: boolean;
}

const RUNS: readonly Run[] = [
  { program: 'testcpg', input: ['hello', 'again', 'EXIT'] },
  { program: 'testcpg', args: ['-i', 'OTHER'], input: ['hello', 'EXIT'] },
  // It reads once, when something is there: its message is with its join or not. Without in 9 of 25 runs on stock, in 3 of 25 on ours.
  { program: 'testcpg2', race: /^self delivered/ },
  { program: 'testcpgzc', input: ['hello', 'again', 'EXIT'] },
  { program: 'testzcgc' },
  { program: 'stress_cpgzc', iterations: 10, rare: true },
  { program: 'stress_cpgfdget', iterations: 10_000 },
  { program: 'stress_cpgcontext', iterations: 10_000 },
  { program: 'cpgverify', args: ['-i', '300'], quiet: true },
  { program: 'cpgbench', untilMs: 5000, quiet: true },
  { program: 'cpgbenchzc', untilMs: 5000, quiet: true },
  { program: 'cpgbound', untilMs: 3000, quiet: true },
  { program: 'testquorum', untilMs: 1000 },
  { program: 'testquorummodel', untilMs: 1000 },
  { program: 'testvotequorum1', untilMs: 1000 },
  { program: 'testvotequorum1', args: ['2'], untilMs: 1000 },
  { program: 'testvotequorum2', args: ['-1'] },
  { program: 'testvotequorum2', args: ['-p', '3'], paced: true },
  { program: 'testvotequorum2', args: ['-F', '1', '-m', '-p', '3'], paced: true },
  { program: 'testcfg' },
  // Its fifth test has a limit of 100 ms and no connection to the daemon: on a busy machine it fails (1 of 10 on ours at a load of 20).
  { program: 'testsam', verdicts: /^test[^5] (?:passed|failed|skipped)$/ },
];

interface Outcome {
  readonly code: number;
  readonly lines: readonly string[];
  /** Its files that are left in shared memory. */
  readonly left: number;
}

const programs = new Map<string, string>();

/** Compiles what there is a source of. */
async function compile(directory: string): Promise<void> {
  writeFileSync(join(directory, 'config.h'), '#define HAVE_CRC32 1\n#define LOCALSTATEDIR "/var"\n');
  const places = [directory, SOURCES, join(SOURCES, '../include')].map((place) => `-I${place}`);
  for (const { program, iterations } of new Map(RUNS.map((run) => [run.program, run])).values()) {
    const source = join(SOURCES, `${program}.c`);
    if (!existsSync(source)) continue;
    const target = join(directory, program);
    const text = readFileSync(source, 'utf8');
    const shorter = text.replace(/^#define ITERATIONS .*$/m, `#define ITERATIONS ${iterations}`);
    writeFileSync(`${target}.c`, iterations === undefined ? text : shorter);
    const args = ['-O1', '-w', ...places, '-o', target, `${target}.c`, '-Wl,--as-needed', ...LIBRARIES];
    await must('gcc', args, { timeoutMs: 120_000 });
    programs.set(program, target);
  }
}

async function outcome(node: LabNode, run: Run, built: string): Promise<Outcome> {
  const place = join(node.space.directory, 'run', 'upstream');
  mkdirSync(place, { recursive: true });
  const path = join(place, run.program);
  if (!existsSync(path)) copyFileSync(built, path);
  const running = node.space.start('stdbuf', ['-oL', `/run/upstream/${run.program}`, ...(run.args ?? [])]);
  await sleep(500);
  for (const line of run.input ?? []) {
    running.write(`${line}\n`);
    await sleep(500);
  }
  if (run.untilMs !== undefined) {
    await sleep(run.untilMs);
    running.signal('SIGINT');
  }
  const timer = setTimeout(() => running.signal('SIGKILL'), RUN_MS_MAX);
  const { code, signal } = await running.exited;
  clearTimeout(timer);
  const text = run.quiet === true ? '' : running.output + running.errors;
  const shared = readdirSync(`/proc/${node.space.pid}/root/dev/shm`);
  return {
    code: run.verdicts === undefined ? (code ?? (signal === 'SIGKILL' ? -9 : -2)) : 0,
    lines: compared(run, normalised(text)),
    left: shared.filter((name) => name.startsWith('corosync_zerocopy-')).length,
  };
}

function compared({ paced, race, verdicts }: Run, lines: readonly string[]): readonly string[] {
  if (verdicts !== undefined) return lines.filter((line) => verdicts.test(line));
  const sure = race === undefined ? lines : lines.filter((line) => !race.test(line));
  return paced === true ? [...new Set(sure)] : sure;
}

/** Without process and ring ids, addresses in memory, and the list that may or may not show the own join. Of one totem event, the order. */
function normalised(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^node id \d+ pid \d+$/.test(line))
    .map((line) => line.replace(/^name +(?:QDEVICE)?$/, 'name DEVICE')) // an unregistration travels
    .map((line) => line.replace(/^(\w+):\d+ \d{4}-\d\d-\d\d [\d:.]+/, '$1:PID TIME'))
    .map((line) =>
      line
        .replace(/0x[0-9a-f]+/g, 'PTR')
        .replace(/(ring ?id +=) \(?[0-9a-f]+(?:\.[0-9a-f]+)?\)?/, '$1 N')
        .replace(/\b\d+[./]\d+\b/g, 'N')
        .replace(/\b\d{3,}\b/g, 'N'),
    )
    .sort();
}

const name = ({ program, args }: Run): string => [program, ...(args ?? [])].join(' ');

async function all(kind: DaemonKind): Promise<Map<string, Outcome>> {
  const lab = await Lab.up({ transport: 'knet', tokenMs: 10_000, quorum: ['provider: corosync_votequorum'] }, [
    kind,
    'stock',
  ]);
  try {
    const outcomes = new Map<string, Outcome>();
    for (const run of RUNS) {
      const built = programs.get(run.program);
      if (built === undefined || (run.rare === true && !FULL)) continue;
      outcomes.set(name(run), await outcome(lab.node(1), run, built));
      if (!lab.node(1).daemon?.alive) throw new Error(`${kind}: ${name(run)} ended the daemon\n${lab.logs()}`);
    }
    return outcomes;
  } finally {
    await lab.close();
  }
}

t.test('upstream’s test programs', { skip: missing || skipReason(['ours']) }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-upstream-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  await compile(directory);
  t.ok(programs.size > 0, `${programs.size} programs were compiled`);
  const [stock, ours] = await Promise.all([all('stock'), all('ours')]);
  for (const [run, wanted] of stock) {
    t.same(
      ours.get(run),
      wanted,
      `${run}: status ${wanted.code}, ${wanted.lines.length} lines, ${wanted.left} files left`,
    );
  }
});
