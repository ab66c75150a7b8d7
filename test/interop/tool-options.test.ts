import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TOOLS } from '../../src/cli/stock/index.ts';
import { hasCommand, ROOT } from './lab/host.ts';
import { extraLetters, lettersOf, optionRows, optionsTable, WITHOUT_DAEMON } from './lab/option-table.ts';

/** The table of all options (docs/tools.md) is complete, and true of programs that run without a daemon. */
const PLACES = ['/usr/sbin', '/usr/bin'];
const stockPath = (name: string): string => PLACES.map((place) => join(place, name)).find(existsSync) ?? '';
const missing = TOOLS.map(({ name }) => name).filter((name) => stockPath(name) === '');
const skip = missing.length > 0 ? `needs stock’s ${missing.join(', ')}` : false;
const HANGS_MS = 60_000;

t.test('docs/tools.md is what the table says, and every option is compared or explained', async (t) => {
  t.equal(readFileSync(join(ROOT, 'docs/tools.md'), 'utf8'), optionsTable(), 'run: node scripts/write-docs.mjs');
  const rows = optionRows();
  t.ok(rows.length > 90, `${rows.length} options`);
  t.same(
    rows.filter(({ says, by }) => by.length === 0 && says === 'equal'),
    [],
    'none is called equal that no test compares',
  );
  for (const file of new Set(rows.flatMap(({ by }) => by).map((text) => text.split(' ')[0]!)))
    if (file.endsWith('.ts')) t.ok(existsSync(join(ROOT, 'test', file)), file);
});

t.test('stock’s programs have the same letters', { skip }, async (t) => {
  for (const { name, letters } of TOOLS) {
    if (letters === '') continue;
    const program = readFileSync(stockPath(name), 'latin1');
    const wanted = lettersOf(letters).filter((letter) => !extraLetters(name).includes(letter));
    const found = [...program.matchAll(/(?<=\0|getopts ")[+:]?((?:[0-9A-Za-z]:?){2,30})(?=[\0"])/g)].map(
      ([, text = '']) => lettersOf(text).sort().join(''),
    );
    t.ok(found.includes(wanted.sort().join('')), `${name}: ${wanted.join('')}`);
  }
});

t.test(
  'what both print without a daemon',
  { skip: skip || (process.getuid?.() === 0 ? false : 'needs root') },
  async (t) => {
    t.setTimeout(600_000);
    const own = t.testdir({});
    for (const { name } of TOOLS) symlinkSync(join(ROOT, 'bin/corosync-tool'), join(own, name));
    const shell = hasCommand('unshare') ? ['unshare', '--net', '--mount'] : [];
    for (const [command, ...args] of WITHOUT_DAEMON) {
      // Nothing of a daemon or an arbiter of this host is seen.
      const script = 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc/corosync && exec "$@"';
      const run = (path: string) => {
        const words = [...shell.slice(1), 'sh', '-c', script, 'sh', 'env', `PATH=${path}`, command, ...args];
        const { status, stdout, stderr } = spawnSync(shell[0]!, words, {
          encoding: 'utf8',
          timeout: HANGS_MS,
          env: { ...process.env, LC_ALL: 'C' },
        });
        return {
          status,
          stdout: stdout.replaceAll(stockPath(command), command),
          stderr: stderr.replaceAll(stockPath(command), command),
        };
      };
      const system = '/usr/sbin:/usr/bin:/sbin:/bin';
      t.same(run(`${own}:${system}`), run(system), [command, ...args].join(' '));
    }
  },
);
