import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { LogLevel } from '../../src/lib/log.ts';
import { blackboxFile } from '../../src/observe/log/index.ts';

const START_MS = Date.UTC(2026, 10, 22, 2, 37, 28, 229);
const record = (index: number, message: string, level: LogLevel = 'notice') => ({
  timeMs: START_MS + index,
  level,
  subsystem: 'MAIN',
  message,
});

t.test('headers and first entry have the layout that stock writes', async (t) => {
  const file = Buffer.from(blackboxFile([record(0, 'one')]));
  t.same(
    [0, 4, 8, 12, 16, 24, 28, 32].map((at) => file.readUInt32LE(at)),
    [0, 0xccbbccbb, 0xbbccbbcc, 2, 0, 14, 0, 1],
  );
  t.equal(file.length, 40 + 4 * file.readUInt32LE(20));
  t.equal(file.readUInt32LE(36), file.readUInt32LE(20) + 14 + 1, 'the hash is the sum of the four words before it');
  t.equal(file.readUInt32LE(44), 0xa1a1a1a1);
});

const installed = spawnSync('qb-blackbox', ['--help']).error === undefined;

t.test('qb-blackbox reads it', { skip: installed ? false : 'libqb-tools is not installed' }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-blackbox-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const read = (records: readonly ReturnType<typeof record>[]): readonly string[] => {
    writeFileSync(join(directory, 'fdata'), blackboxFile(records));
    const { stdout, status } = spawnSync('qb-blackbox', [join(directory, 'fdata')], {
      encoding: 'utf8',
      maxBuffer: 1 << 24,
      env: { ...process.env, TZ: 'UTC' },
    });
    t.equal(status, 0);
    return stdout.split('\n').filter((line) => / MAIN\(/.test(line));
  };
  t.same(read([]), []);
  t.same(
    read([
      record(0, 'begins'),
      record(1, '100 % of %s, %n', 'warning'),
      record(2, 'ä €', 'debug'),
      record(3, 'end\u001b[2J\nforged', 'trace'),
    ]),
    [
      'notice  Nov 22 02:37:28.229 MAIN(0):0: begins',
      'warning Nov 22 02:37:28.230 MAIN(0):0: 100 % of %s, %n',
      'debug   Nov 22 02:37:28.231 MAIN(0):0: ä €',
      'debug   Nov 22 02:37:28.232 MAIN(0):0: end\\x1b[2J\\x0aforged',
    ],
  );
  for (const count of [1, 51, 4096]) {
    const lines = read(Array.from({ length: count }, (_, i) => record(i, `${i} ${'x'.repeat((i * 7) % 600)}`)));
    t.equal(lines.length, count);
    t.match(lines.at(-1), new RegExp(`: ${count - 1} x*$`));
  }
});

t.test('CVE-2023-39976: messages longer than an entry', async (t) => {
  for (const length of [500, 511, 512, 513, 4096, 65_536, 1_000_000]) {
    const file = Buffer.from(blackboxFile([record(0, 'x'.repeat(length)), record(1, 'after')]));
    t.ok(file.length < 16_384, `${length}: ${file.length} bytes`);
    t.ok(file.includes('after'), 'and the next one is whole');
  }
});
