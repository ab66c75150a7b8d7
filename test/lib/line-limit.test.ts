import t from 'tap';
import {
  DEBUG_LINES_AT_ONCE,
  KINDS_MAX,
  kindOf,
  LINES_AT_ONCE,
  LINES_PER_SECOND,
  LineLimit,
  REPORT_MS,
} from '../../src/lib/line-limit.ts';

function bench() {
  const clock = { ms: 0 };
  const lines: string[] = [];
  const delays: number[] = [];
  const limit = new LineLimit(
    (level, subsystem, message) => lines.push(`${level} ${subsystem} ${message}`),
    () => clock.ms,
    (delayMs) => delays.push(delayMs),
  );
  return { clock, lines, delays, limit };
}

t.test('a flood of one kind is bounded, counted and reported; others are not touched', async (t) => {
  const { clock, lines, delays, limit } = bench();
  for (let at = 0; at < 100_000; at++) {
    clock.ms += 0.1;
    limit.log('warning', 'TOTEM', `Waiting for ring sequence ${at.toString(16)} to be on disk`);
  }
  const seconds = clock.ms / 1000;
  t.ok(lines.length <= LINES_AT_ONCE + seconds * LINES_PER_SECOND + 1, `${lines.length} lines in ${seconds} s`);
  limit.log('notice', 'TOTEM', 'A new membership (1.cf) was formed.');
  t.equal(lines.at(-1), 'notice TOTEM A new membership (1.cf) was formed.');
  t.same(delays, [REPORT_MS], 'a timer is asked for once');
  t.ok(limit.dueMs > clock.ms && limit.dueMs < clock.ms + REPORT_MS);
  clock.ms = limit.dueMs;
  const logged = lines.length - 1;
  limit.report();
  t.equal(
    lines.at(-1),
    `warning TOTEM ${100_000 - logged} more lines like this one were not logged in 10 s: Waiting for ring sequence 1869f to be on disk`,
  );
  t.equal(limit.dueMs, Number.POSITIVE_INFINITY);
  const before = lines.length;
  limit.report();
  t.equal(lines.length, before, 'nothing new, nothing said');
  clock.ms += 1000 / LINES_PER_SECOND;
  limit.log('warning', 'TOTEM', 'Waiting for ring sequence 1 to be on disk');
  t.equal(lines.length, before + 1, 'the allowance grows again');
});

t.test('a start with many nodes is logged in full', async (t) => {
  const { lines, limit } = bench();
  for (let host = 1; host <= 32; host++)
    for (let link = 0; link < 8; link++) limit.log('info', 'KNET', `link: host: ${host} link: ${link} is up`);
  t.equal(lines.length, 256);
});

t.test('who asked for debug lines gets more of them', async (t) => {
  const { lines, limit } = bench();
  for (let at = 0; at < 5000; at++) limit.log('debug', 'CPG', `line ${at}`);
  t.equal(lines.length, DEBUG_LINES_AT_ONCE);
});

t.test('texts that others choose make neither the table nor the log grow', async (t) => {
  const { clock, lines, limit } = bench();
  limit.log('info', 'MAIN', 'known before');
  for (let at = 0; at < 50_000; at++) limit.log('warning', 'CPG', `${String.fromCharCode(97 + (at % 26))}${word(at)}`);
  t.ok(lines.length <= KINDS_MAX * LINES_AT_ONCE);
  const named: string[] = [];
  const other = new LineLimit(
    (_level, _subsystem, message) => named.push(message),
    () => clock.ms,
  );
  for (let at = 0; at < 50_000; at++) other.log('warning', 'CPG', `${word(at)} closed`, 'connection closed');
  t.equal(named.length, LINES_AT_ONCE, 'the caller names the kind');
  limit.log('info', 'MAIN', 'known before');
  t.equal(lines.at(-1), 'info MAIN known before');
  clock.ms += 3_600_000;
  limit.log('info', 'WD', 'new');
  t.equal(lines.at(-1), 'info WD new', 'kinds that are quiet make room');
});

t.test('the kind of a line', async (t) => {
  t.equal(kindOf('link: host: 3 link: 1 is down'), kindOf('link: host: 12 link: 0 is down'));
  t.equal(kindOf('Retransmit List: 61 1f'), kindOf('Retransmit List: 7'));
  t.equal(
    kindOf('rx: packet of 80 bytes from 10.1.2.3:5405 dropped'),
    kindOf('rx: packet of 9 bytes from 10.9.9.9:5406 dropped'),
  );
  t.not(kindOf('Sync members[3]: 1 2 3'), kindOf('Sync left[1]: 3'));
});

/** Letters only, all different. */
function word(value: number): string {
  return [...String(value)].map((digit) => 'ghijklmnop'[Number(digit)]).join('');
}
