import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { nodeEnvironment } from '../../src/config/environment.ts';
import { warningText } from '../../src/config/errors.ts';
import { loadConfiguration } from '../../src/config/load.ts';

const examples = join(process.cwd(), 'conf/examples');
const directory = mkdtempSync(join(tmpdir(), 'examples-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const STOCK = '/usr/sbin/corosync';
const hasStock = existsSync(STOCK) && process.getuid?.() === 0;

/** The example with a key and a log directory that exist here. */
function prepare(name: string): { readonly file: string; readonly node: string } {
  const text = readFileSync(join(examples, name), 'utf8');
  const file = join(directory, name);
  const keyfile = join(directory, 'authkey');
  writeFileSync(keyfile, 'k'.repeat(256), { mode: 0o600 });
  writeFileSync(
    file,
    text
      .replace(/( *)crypto_hash:.*/, `$&\n$1keyfile: ${keyfile}`)
      .replaceAll('/var/log/cluster', directory)
      .replace(/$/, `\nsystem {\n  state_dir: ${directory}\n}\n`),
  );
  return { file, node: /name: (\w+)/.exec(text.slice(text.indexOf('nodelist')))?.[1] ?? '' };
}

for (const name of readdirSync(examples)) {
  const { file, node } = prepare(name);
  t.test(`${name}: usable, without a warning`, async (t) => {
    const environment = { ...nodeEnvironment(), hostname: () => node };
    const result = await loadConfiguration({ file }, { purpose: 'test', environment });
    const plainByIntent = result.warnings.filter(({ code }) => code === 'plain-text');
    t.equal(plainByIntent.length, name.startsWith('udp') ? 1 : 0, 'what is plain text says so');
    const others = result.warnings.filter(({ code }) => code !== 'plain-text');
    t.strictSame(others.map(warningText), []);
    t.strictSame(result.ok ? [] : result.errors.map(({ message }) => message), []);
  });
  t.test(`${name}: usable for stock`, { skip: hasStock ? false : 'no stock Corosync, or not root' }, async (t) => {
    const script = 'hostname "$0" && exec "$@"';
    const { status, stderr } = spawnSync('unshare', ['--uts', 'sh', '-c', script, node, STOCK, '-t', '-c', file], {
      encoding: 'utf8',
    });
    t.equal(status, 0, stderr);
  });
}
