import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readBlackbox } from '../../src/observe/log/blackbox-reader.ts';
import { blackboxFile } from '../../src/observe/log/index.ts';

const record = (index: number, message: string) => ({
  timeMs: 1_700_000_000_123 + index,
  level: 'warning' as const,
  subsystem: 'TOTEM',
  message,
});

t.test('our own files', async (t) => {
  t.same(readBlackbox(blackboxFile([])), { entries: [], problem: null });
  const file = blackboxFile([record(0, 'one 100 % %s'), record(1, 'two\u001b')]);
  t.match(readBlackbox(file), {
    entries: [
      { timeMs: 1_700_000_000_123, priority: 4, function: 'TOTEM', line: 0, message: 'one 100 % %s' },
      { timeMs: 1_700_000_000_124, message: 'two\\x1b' },
    ],
    problem: null,
  });
});

t.test('damage is named, and what can be read is kept', async (t) => {
  const whole = blackboxFile(Array.from({ length: 400 }, (_, i) => record(i, `line ${i} ${'x'.repeat(40)}`)));
  const { entries, problem } = readBlackbox(whole.subarray(0, 20_000));
  t.ok(entries.length > 100 && entries.length < 300);
  t.match(problem, /the file ends after \d+ of \d+ words/);
  const damaged = Uint8Array.from(whole);
  damaged[40 + 4] = 0;
  t.match(readBlackbox(damaged), { entries: [], problem: /entry 1 is damaged/ });
  t.throws(() => readBlackbox(new Uint8Array(100)), /no flight data of libqb: its header does not add up/);
  t.throws(() => readBlackbox(new Uint8Array(3)), /no flight data/);
  let seed = 1;
  for (let run = 0; run < 2_000; run++) {
    const bytes = Uint8Array.from(whole.subarray(0, 3_000));
    for (let i = 0; i < 4; i++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      bytes[40 + (seed % 2_900)] = seed >>> 24;
    }
    readBlackbox(bytes); // returns, whatever it finds
  }
});

const PROGRAM = `
#include <qb/qblog.h>
#include <stdlib.h>
int main(int argc, char **argv) {
  (void)argc;
  qb_log_init("t", LOG_DAEMON, LOG_TRACE);
  qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);
  qb_log_filter_ctl(QB_LOG_BLACKBOX, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*", LOG_TRACE);
  qb_log_ctl(QB_LOG_BLACKBOX, QB_LOG_CONF_SIZE, 8192);
  qb_log_ctl(QB_LOG_BLACKBOX, QB_LOG_CONF_THREADED, QB_FALSE);
  qb_log_ctl(QB_LOG_BLACKBOX, QB_LOG_CONF_ENABLED, QB_TRUE);
  for (int i = 0; i < atoi(argv[2]); i++) {
    qb_log(LOG_NOTICE, "%d int %5u %-6d| %x %lx %llu %lld %03d %#x %o", i, 7u, -3, 0xbeef, 0x1234567890abUL, 18446744073709551615ULL, -5LL, 5, 255, 8);
    qb_log(LOG_ERR, "'%s' '%10s' '%-10s' '%.3s' '%s' %p", "abc", "right", "left", "precision", "", (void *)0x1234);
    qb_log(LOG_DEBUG, "%.2f %f %g %e %g %g char %c size %zu", 3.14159, 2.5, 0.001, 12345.678, 1e20, 100.0, 'x', (size_t)99);
  }
  return qb_log_blackbox_write_to_file(argv[1]) < 0;
}
`;

function compiled(directory: string): string | null {
  const source = join(directory, 'log.c');
  writeFileSync(source, PROGRAM);
  const { status } = spawnSync('cc', ['-o', join(directory, 'log'), source, '-lqb']);
  return status === 0 ? join(directory, 'log') : null;
}

t.test('files of libqb: as its own reader has them', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-blackbox-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const program = compiled(directory);
  if (program === null || spawnSync('qb-blackbox').error !== undefined) {
    t.comment('not compared: needs cc, libqb-dev and libqb-tools');
    return;
  }
  // The second goes round the ring.
  for (const rounds of [3, 200]) {
    const file = join(directory, 'fdata');
    t.equal(spawnSync(program, [file, String(rounds)]).status, 0);
    const env = { ...process.env, TZ: 'UTC' };
    const { stdout } = spawnSync('qb-blackbox', [file], { encoding: 'utf8', env });
    const expected = stdout.split('\n').flatMap((line) => /main\(\d+\):\d+: (.*)$/.exec(line)?.[1] ?? []);
    const { entries, problem } = readBlackbox(readFileSync(file));
    t.same(
      entries.map(({ message }) => message),
      expected,
    );
    t.ok(expected.length >= (rounds === 3 ? 9 : 50));
    t.equal(problem, null);
  }
});
