import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { loadConfiguration } from '../../src/config/load.ts';
import { OPTIONS } from '../../src/config/options/index.ts';
import type { OptionSpec } from '../../src/config/options/option.ts';
import { CRYPTO_CIPHERS } from '../../src/config/options/totem.ts';

/**
 * Mutated configurations, judged by stock's `corosync -t` and by us. Needs stock Corosync 3.1.7 and root.
 * `CONFIG_SEED` replays a run, `CONFIG_RUNS` makes it longer.
 */
const STOCK = '/usr/sbin/corosync';
const seed = Number(process.env['CONFIG_SEED'] ?? 1);
const runs = Number(process.env['CONFIG_RUNS'] ?? 120);
const hasStock = existsSync(STOCK) && process.getuid?.() === 0 && stockVersion() === '3.1.7';

function stockVersion(): string {
  return /version '([^']*)'/.exec(spawnSync(STOCK, ['-v'], { encoding: 'utf8' }).stdout)?.[1] ?? '';
}

/** mulberry32: a small seeded generator. */
function generator(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

const VALUES = [
  '', '0', '1', '2', '5', '14', '29', '30', '100', '255', '256', '65535', '65536', '4294967295', '4294967296', '-1',
  'yes', 'no', 'on', 'off', 'x', 'knet', 'udp', 'udpu', 'none', 'aes256', 'sha256', 'md5', 'passive', 'active', 'ipv4',
  'ipv6', 'ipv4-6', '127.0.0.1', '::1', '239.1.2.3', 'ff15::1', '1.2.3.4', '2001:db8::1', 'no-such.invalid', 'info', 'ERR',
  'trace', 'hires', 'daemon', 'a b', '"q"', '/nonexistent-dir/x', '3.5', '0x10', '+7', 'k'.repeat(130), 'zlib', 'sctp',
]; // biome-ignore format: a table
const JUNK = [
  '{',
  '}',
  'junk',
  'a {',
  'a { b',
  '} x',
  ': x',
  ':x',
  'a b: c',
  'é: x',
  '#c',
  'x'.repeat(600),
  'ab: c',
  '\0',
  'a:: {',
];
const KEYS_WITH_EFFECT_ON_FILES = ['logfile', 'keyfile', 'state_dir', 'host'];

function mutate(text: string, random: () => number): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const lines = text.split('\n');
  for (let count = 1 + Math.floor(random() * 5); count > 0; count--) {
    const at = Math.floor(random() * lines.length);
    switch (Math.floor(random() * 8)) {
      case 0:
        lines.splice(at, 1);
        break;
      case 1:
        lines.splice(at, 0, lines[Math.floor(random() * lines.length)]!);
        break;
      case 2:
        lines.splice(at, 0, pick(JUNK));
        break;
      case 3: {
        const colon = lines[at]!.indexOf(':');
        if (colon >= 0) lines[at] = `${lines[at]!.slice(0, colon)}: ${pick(VALUES)}`;
        break;
      }
      default: {
        const option = pick(COMPARED);
        if (KEYS_WITH_EFFECT_ON_FILES.includes(option.key)) break;
        const key = option.key.replace('<0-7>', pick(['0', '1', '2', '8'])).replace('<NAME>', 'a');
        const value = option.values !== undefined && random() < 0.4 ? pick(stockValues(option)) : pick(VALUES);
        const names = option.section.split('.');
        lines.push(...names.map((name) => `${name} {`), `${key}: ${value}`, ...names.map(() => '}'));
      }
    }
  }
  return lines.join('\n');
}

/** Options of ours alone: stock takes any value of a key that it does not know, where ours refuses what is no value of it. */
const isRefusedHereOnly = ({ extension, type, values, range }: OptionSpec): boolean =>
  extension === true && (type !== 'str' || values !== undefined || range !== undefined);
const COMPARED = OPTIONS.filter((option) => !isRefusedHereOnly(option));

/** Names of ciphers that only newer releases know are refused by 3.1.7. */
const stockValues = ({ key, values = [] }: OptionSpec): readonly string[] =>
  key === 'crypto_cipher' ? CRYPTO_CIPHERS : values;

/**
 * Blocks inside of node, interface and logger blocks confuse stock before 3.1.10: the keys of the outer block go astray
 * afterwards. Such files are not compared.
 */
function hasConfusingBlocks(text: string): boolean {
  const path: string[] = [];
  for (const line of text.split('\n')) {
    const brace = line.indexOf('{');
    if (brace >= 0 && !line.trimStart().startsWith('#')) {
      const special = ['node', 'interface', 'logger_subsys', 'logging_daemon'].includes(path.at(-1) ?? '');
      const name = line.slice(0, brace).replace(/:\s*$/, '').trim();
      if (special && !(path.at(-1) === 'interface' && name === 'member')) return true;
      path.push(name);
    } else if (line.trim() === '}') path.pop();
  }
  return false;
}

interface Verdict {
  readonly exit: number;
  readonly message: string;
}

function stockVerdict(file: string): Verdict {
  // An assertion of stock's leaves a dump in its state directory: in one that goes away.
  const script = 'mount -t tmpfs tmpfs /var/lib/corosync && exec "$@"';
  const { status, signal, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', STOCK, '-t', '-c', file], {
    encoding: 'latin1',
    cwd: dirname(file), // a relative log file is made where stock runs
  });
  const lines = stderr
    .split('\n')
    .map((line) => line.replace(/^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d(\.\d+)? /, ''))
    .filter(
      (line) => line !== '' && !/exiting (with|normally)/.test(line) && !/^(warning|debug|trace|info) /.test(line),
    );
  return {
    exit: signal === null ? (status ?? -1) : 134,
    message: lines.map((line) => line.replace(/^\w+ +\[\w+ *\] ((main(\.c)?)(:main)?(:\d+)? )?/, '')).join('\n'),
  };
}

async function ourVerdict(file: string): Promise<Verdict> {
  const result = await loadConfiguration({ file }, { purpose: 'test' });
  return result.ok ? { exit: 0, message: '' } : { exit: result.exitCode, message: result.errors[0]!.stockMessage };
}

t.test(
  'mutated files get the verdict of stock',
  { skip: hasStock ? false : 'no stock Corosync 3.1.7, or not root', timeout: 30_000 + runs * 200 },
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'config-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const vectors = join(process.cwd(), 'test/vectors/conf');
    const bases = readdirSync(vectors).filter((name) => name.startsWith('valid-') && name.endsWith('.conf'));
    const random = generator(seed);
    const file = join(directory, 'corosync.conf');
    const counts = new Map<string, number>();
    for (let run = 0; run < runs; run++) {
      const base = bases[Math.floor(random() * bases.length)]!;
      const text = mutate(readFileSync(join(vectors, base), 'latin1'), random);
      if (hasConfusingBlocks(text)) continue;
      writeFileSync(file, text, 'latin1');
      const stock = stockVerdict(file);
      const ours = await ourVerdict(file);
      // An assertion of stock's is an orderly refusal here; messages need log destinations.
      const same =
        ours.exit === (stock.exit === 134 ? 8 : stock.exit) &&
        (stock.exit === 134 || stock.message === '' || stock.message === ours.message);
      counts.set(ours.message.replace(/[0-9'"].*/, ''), (counts.get(ours.message.replace(/[0-9'"].*/, '')) ?? 0) + 1);
      if (!same) t.fail(`CONFIG_SEED=${seed} run ${run} base ${base}`, { text, stock, ours });
    }
    t.ok(counts.size > 1, `${runs} configurations, ${counts.size} kinds of verdicts, seed ${seed}`);
  },
);
