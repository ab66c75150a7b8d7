import t from 'tap';
import { COMMANDS } from '../../src/cli/commands/index.ts';
import { UsageError } from '../../src/cli/exit-codes.ts';
import { parseInvocation } from '../../src/cli/parse.ts';
import { OPTIONS } from '../../src/config/options/index.ts';
import { latin1, latin1Bytes } from '../../src/config/parser/lexer.ts';
import { parseOptions } from '../../src/daemon/options.ts';
import { Random } from '../../src/sim/random.ts';
import { CONFIG_JUNK, CONFIG_NAMES, CONFIG_VALUES, exampleConfigurations, judgeConfiguration } from './config-judge.ts';

/**
 * Files and command lines that nobody would write, made from the vectors by changes that keep their structure: sections
 * move, repeat and nest, keys stray, values are extremes, lines break. `CONFIG_FUZZ_RUNS` makes it longer, `CONFIG_SEED`
 * replays it.
 */
const seed = Number(process.env['CONFIG_SEED'] ?? 1);
const runs = Number(process.env['CONFIG_FUZZ_RUNS'] ?? 3000);
const GROWTH_BYTES_MAX = 32 << 20;

const corpus = exampleConfigurations();

class ConfigMutator {
  constructor(private readonly random: Random) {}

  private pick<T>(list: readonly T[]): T {
    return list[this.random.between(0, list.length - 1)]!;
  }

  next(): string {
    const lines = this.pick(corpus).split('\n');
    for (let changes = this.random.between(1, 8); changes > 0; changes--) this.change(lines);
    const text = lines.join('\n');
    return this.random.chance(0.1) ? this.spoil(text) : text;
  }

  private change(lines: string[]): void {
    const { random } = this;
    if (lines.length === 0) lines.push('');
    const at = random.between(0, lines.length - 1);
    switch (random.between(0, 9)) {
      case 0:
        lines.splice(at, 1);
        break;
      case 1: // a part of the file again
        lines.push(...lines.slice(at, at + random.between(1, 20)));
        break;
      case 2: // a part of another one
        lines.splice(at, 0, ...this.pick(corpus).split('\n').slice(random.between(0, 10)));
        break;
      case 3:
        lines.splice(at, 0, this.pick(CONFIG_JUNK));
        break;
      case 4: // nested deeply
        for (let depth = random.between(1, 30); depth > 0; depth--) lines.splice(at, 0, `${this.pick(CONFIG_NAMES)} {`);
        break;
      case 5: {
        const colon = lines[at]!.indexOf(':');
        if (colon >= 0) lines[at] = `${lines[at]!.slice(0, colon)}: ${this.pick(CONFIG_VALUES)}`;
        break;
      }
      case 6: // sections change places
        lines.push(...lines.splice(at, random.between(1, 10)));
        break;
      default: {
        const { section, key } = this.pick(OPTIONS);
        const names = section.split('.');
        const name = key.replace('<0-7>', this.pick(['0', '7', '8', '4294967296'])).replace('<NAME>', 'x');
        lines.push(
          ...names.map((part) => `${part} {`),
          `${name}: ${this.pick(CONFIG_VALUES)}`,
          ...names.map(() => '}'),
        );
      }
    }
  }

  private spoil(text: string): string {
    const bytes = latin1Bytes(text);
    for (let changes = this.random.between(1, 5); changes > 0 && bytes.length > 0; changes--) {
      bytes[this.random.between(0, bytes.length - 1)] = this.random.between(0, 255);
    }
    return latin1(bytes);
  }
}

t.setTimeout(3_600_000); // a long run

t.test(`${runs} configurations: no exception, no hang, no growth`, { timeout: 60_000 + runs * 20 }, async (t) => {
  const mutator = new ConfigMutator(new Random(seed));
  const kinds = new Map<string, number>();
  let heapBytes = 0;
  for (let run = 0; run < runs; run++) {
    const text = mutator.next();
    const problem = await judgeConfiguration(text, run % 2 === 0 ? 'test' : 'start').catch((error: unknown) =>
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    );
    kinds.set(problem === null ? 'fine' : 'bad', 1);
    if (problem !== null) t.fail(`CONFIG_SEED=${seed} run ${run}: ${problem}`, { text });
    if (run === runs >> 2) heapBytes = process.memoryUsage().heapUsed;
  }
  t.ok(kinds.has('fine'));
  const growth = process.memoryUsage().heapUsed - heapBytes;
  t.ok(growth < GROWTH_BYTES_MAX, `the heap grew by ${growth} bytes`);
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout');
  t.ok(timers.length < 10, `no timers are left behind: ${timers.length}`);
});

t.test(
  'files of thousands of blocks, and of a million bytes, are judged in seconds',
  { timeout: 120_000 },
  async (t) => {
    const COUNT = 2_000;
    const many = (text: (index: number) => string): string =>
      Array.from({ length: COUNT }, (_, i) => text(i)).join('\n');
    const base = 'totem {\nversion: 2\n}\n';
    const files: Readonly<Record<string, string>> = {
      nodes: `${base}nodelist {\n${many((i) => `node {\nnodeid: ${i + 1}\nring0_addr: 10.0.${i >> 8}.${i & 255}\n}`)}\n}\n`,
      'unknown keys': `${base}totem {\n${many((i) => `tokne${i}: ${i}`)}\n}\n`,
      interfaces: `${base}totem {\n${many((i) => `interface {\nlinknumber: ${i % 256}\nttl: 3\n}`)}\n}\n`,
      subsystems: `${base}logging {\n${many((i) => `logger_subsys {\nsubsys: S${i}\ndebug: on\n}`)}\n}\n`,
      nesting: `${base}${many(() => 'a {')}`,
      braces: many(() => '}'),
      'one line': 'x'.repeat(1_000_000),
      blanks: ' \t'.repeat(500_000),
      services: `${base}${many((i) => `service {\nname: s${i}\n}`)}\n`,
      users: `${base}${many((i) => `uidgid {\nuid: u${i}\n}`)}\n`,
    };
    for (const [name, text] of Object.entries(files)) {
      const started = performance.now();
      t.equal(await judgeConfiguration(text, 'test'), null, name);
      t.comment(`${name}: ${Math.round(performance.now() - started)} ms`);
    }
  },
);

const WORDS = [
  '', '-', '--', '-c', '-t', '-f', '-p', '-P', '-r', '-v', '-h', '--help', '--json', '--json=x', '--instance', '-i', 'x',
  '--wait', '--wait=-1', '--wait=1e999', '--node', '--state-dir', '--lock-file', '-l', '--foreground', '--unknown', '-xyz',
  '__proto__', '--__proto__', '--constructor=1', '/dev/null', '\0', 'ü', 'a'.repeat(70_000), '0', '-1', '99999999999999999999',
]; // biome-ignore format: a table

t.test('command lines: usage errors only', async (t) => {
  const random = new Random(seed);
  const words = [...WORDS, ...new Set(COMMANDS.flatMap((command) => command.words.split(' ')))];
  const argv = (): string[] =>
    Array.from({ length: random.between(0, 6) }, () => words[random.between(0, words.length - 1)]!);
  for (let run = 0; run < runs * 3; run++) {
    const args = argv();
    const command = COMMANDS[random.between(0, COMMANDS.length - 1)]!;
    for (const line of [args, [...command.words.split(' '), ...args]]) {
      try {
        parseInvocation(line, COMMANDS);
      } catch (error) {
        if (!(error instanceof UsageError)) t.fail(`CONFIG_SEED=${seed} run ${run}`, { line, error });
      }
    }
    const parsed = parseOptions(args, {});
    if (!parsed.ok && parsed.problem === '') t.fail('a refusal without a reason', { args });
  }
  t.pass(`${runs * 3} command lines`);
});
