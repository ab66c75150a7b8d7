import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { LOGGING_DEFAULTS, type LoggingConfig } from '../../src/config/logging-config.ts';
import { LINES_AT_ONCE } from '../../src/lib/line-limit.ts';
import { bodyText, timestampText } from '../../src/observe/log/format.ts';
import { LogSink } from '../../src/observe/log/index.ts';
import { LEVELS } from '../../src/observe/log/levels.ts';

const TIME = new Date(2026, 10, 1, 20, 12, 0, 969).getTime();
const directory = mkdtempSync(join(tmpdir(), 'log-'));
t.teardown(() => rmSync(directory, { recursive: true }));

interface Bench {
  readonly sink: LogSink;
  readonly stderr: string[];
  readonly syslog: string[];
  setLogger(alive: boolean): void;
}

function bench(config: Partial<LoggingConfig> = {}): Bench {
  const stderr: string[] = [];
  const syslog: string[] = [];
  let alive = true;
  const sink = new LogSink({
    pid: 42,
    host: 'alpha',
    now: () => TIME,
    stderr: { write: (line) => stderr.push(line), reopen: () => {}, flushSync: () => {}, end: async () => {} },
    openSyslog: () =>
      alive ? { send: (bytes) => alive && syslog.push(new TextDecoder().decode(bytes)) > 0, close: () => {} } : null,
  });
  sink.configure({ ...LOGGING_DEFAULTS, ...config });
  return { sink, stderr, syslog, setLogger: (value) => (alive = value) };
}

t.test('lines are stock’s', async (t) => {
  const { sink, stderr, syslog } = bench({ file: join(directory, 'a.log') });
  sink.log('notice', 'MAIN', 'Corosync Cluster Engine 3.1.7 starting up\n');
  sink.log('warning', 'WD', 'text');
  await sink.close();
  t.strictSame(stderr, [
    'Nov 01 20:12:00.969 notice  [MAIN  ] Corosync Cluster Engine 3.1.7 starting up\n',
    'Nov 01 20:12:00.969 warning [WD    ] text\n',
  ]);
  t.strictSame(syslog, [
    '<29>Nov  1 20:12:00 corosync[42]:   [MAIN  ] Corosync Cluster Engine 3.1.7 starting up',
    '<28>Nov  1 20:12:00 corosync[42]:   [WD    ] text',
  ]);
  t.equal(
    readFileSync(join(directory, 'a.log'), 'utf8'),
    'Nov 01 20:12:00.969 [42] alpha corosync notice  [MAIN  ] Corosync Cluster Engine 3.1.7 starting up\n' +
      'Nov 01 20:12:00.969 [42] alpha corosync warning [WD    ] text\n',
  );
});

t.test('timestamps, sources, cutting, control characters', async (t) => {
  t.equal(timestampText(TIME, 'on'), 'Nov 01 20:12:00');
  t.equal(timestampText(TIME, 'off'), '');
  const record = { timeMs: TIME, level: 'info', subsystem: 'QUORUM7', message: 'x' } as const;
  const source = { file: 'main.ts', line: 7, functionName: 'start' };
  const style = { timestamp: 'off', fileline: false, functionName: false } as const;
  t.equal(bodyText({ ...record, source }, style), '[QUORUM] x');
  t.equal(bodyText({ ...record, source }, { ...style, fileline: true }), '[QUORUM] main.ts:7 x');
  t.equal(bodyText({ ...record, source }, { ...style, functionName: true }), '[QUORUM] start x');
  t.equal(
    bodyText({ ...record, source }, { ...style, fileline: true, functionName: true }),
    '[QUORUM] main.ts:start:7 x',
  );
  t.equal(bodyText({ ...record, message: 'a\nNov 01 forged\x1b[2J' }, style), '[QUORUM] a\\x0aNov 01 forged\\x1b[2J');
  t.equal(
    bodyText({ ...record, message: 'a\tb\u009b2J\u202eevil\u2028x\n' }, style),
    '[QUORUM] a\tb\\x9b2J\\u202eevil\\u2028x',
    'C1, marks that reorder, separators; a tab is one',
  );
  const { sink, stderr } = bench({ timestamp: 'off' });
  sink.log('info', 'MAIN', 'y'.repeat(1000));
  t.equal(stderr[0]?.length, 513, '512 and the newline');
});

t.test('fileline names the caller', async (t) => {
  const { sink, stderr } = bench({ fileline: true, functionName: true });
  function callerName(): void {
    sink.log('info', 'MAIN', 'here');
  }
  callerName();
  t.match(stderr[0], /\[MAIN {2}\] log\.test\.[jt]s:callerName:\d+ here\n$/);
});

t.test('priorities and debug, general and by subsystem', async (t) => {
  const { sink, stderr, syslog } = bench({
    logfilePriority: 'warning',
    syslogPriority: 'error',
    subsystems: new Map([
      ['TOTEM', { file: null, debug: 'on', logfilePriority: 'warning', syslogPriority: 'error' }],
      ['KNET', { file: null, debug: 'trace', logfilePriority: 'warning', syslogPriority: 'error' }],
      ['CPG', { file: null, debug: 'off', logfilePriority: 'crit', syslogPriority: 'crit' }],
    ]),
  });
  const passing = (subsystem: 'MAIN' | 'TOTEM' | 'KNET' | 'CPG', lines: string[]): string => {
    lines.length = 0;
    for (const level of LEVELS) sink.log(level, subsystem, level);
    return lines.map((line) => line.trim().split(' ').at(-1)).join(' ');
  };
  t.equal(passing('MAIN', stderr), 'emerg alert crit error warning');
  t.equal(passing('MAIN', syslog), 'emerg alert crit error');
  t.equal(passing('TOTEM', stderr), 'emerg alert crit error warning notice info debug');
  t.equal(passing('KNET', syslog), LEVELS.join(' '));
  t.match(syslog.at(-1), /^<30>/, 'trace goes to syslog as info');
  t.equal(passing('CPG', stderr), 'emerg alert crit');
  t.ok(sink.wants('debug', 'TOTEM') && !sink.wants('debug', 'MAIN'));
  t.equal([...sink.blackbox.entries()].length, 5 * LEVELS.length, 'the blackbox takes all');
  t.match(sink.blackbox.dump(), /trace {3}\[CPG {3}\] trace/);
});

t.test('a logger that went away is found again, and losses are counted', async (t) => {
  const { sink, syslog, setLogger } = bench();
  sink.log('info', 'MAIN', 'one');
  setLogger(false);
  sink.log('info', 'MAIN', 'two');
  t.equal(sink.lost.syslog, 1);
  setLogger(true);
  sink.log('info', 'MAIN', 'three');
  t.equal(syslog.length, 2);
});

t.test('the file is opened again after rotation', async (t) => {
  const path = join(directory, 'rotated.log');
  const { sink } = bench({ file: path });
  sink.log('info', 'MAIN', 'before');
  await new Promise((resolve) => setTimeout(resolve, 50));
  renameSync(path, `${path}.1`);
  sink.reopen();
  await new Promise((resolve) => setTimeout(resolve, 50));
  sink.log('info', 'MAIN', 'after');
  await sink.close();
  t.match(readFileSync(`${path}.1`, 'utf8'), /before\n$/);
  t.match(readFileSync(path, 'utf8'), /^.*after\n$/);
});

t.test('a file that cannot be opened does no harm', async (t) => {
  const { sink, stderr } = bench({ file: '/nonexistent-dir/x.log' });
  sink.log('info', 'MAIN', 'text');
  await new Promise((resolve) => setTimeout(resolve, 50));
  sink.log('info', 'MAIN', 'text');
  t.equal(stderr.length, 3, 'the trouble is logged once');
  t.match(stderr[1], /Log file \/nonexistent-dir\/x.log: ENOENT.*; its lines are lost until that is over/);
  t.ok(sink.lost.file > 0);
  await sink.close();
});

t.test('a new file that cannot be opened leaves the lines where they were, until it can be', async (t) => {
  const old = join(directory, 'old.log');
  const path = join(directory, 'later/new.log');
  const { sink, stderr } = bench({ file: old });
  const change = (file: string): void => sink.configure({ ...LOGGING_DEFAULTS, file });
  change(path);
  change(join(directory, 'gone/another.log'));
  change(path);
  await new Promise((resolve) => setTimeout(resolve, 50));
  sink.log('info', 'MAIN', 'one');
  mkdirSync(join(directory, 'later'));
  sink.reopen();
  sink.log('info', 'MAIN', 'two');
  await sink.close();
  t.ok(stderr.some((line) => line.includes(`its lines go to ${old} until that is over`)));
  t.match(readFileSync(old, 'utf8'), /one\n$/);
  t.match(readFileSync(path, 'utf8'), /^.*two\n/);
  t.equal(sink.lost.file, 0);
});

t.test('a flood of lines of one kind is cut off, in the blackbox too, and its length is logged', async (t) => {
  const { sink, stderr, syslog } = bench();
  for (let at = 0; at < 5000; at++)
    sink.log('warning', 'MAIN', `discarded unknown message ${at} for service 5 (max id 4)`);
  sink.log('notice', 'TOTEM', 'A new membership');
  await sink.close();
  t.ok(stderr.length < LINES_AT_ONCE + 20, `${stderr.length} lines`);
  t.ok(syslog.length < LINES_AT_ONCE + 20);
  t.ok([...sink.blackbox.entries()].length < LINES_AT_ONCE + 20, 'what came before stays in the blackbox');
  t.match(
    stderr.at(-1),
    /\[MAIN {2}\] 4\d{3} more lines like this one were not logged in 1 s: discarded unknown message/,
  );
  t.match(stderr.at(-2), /A new membership/);
});

t.test('JSON lines', async (t) => {
  const { sink, stderr } = bench({ format: 'json' });
  sink.log('notice', 'TOTEM', 'A new membership');
  t.strictSame(JSON.parse(stderr[0] ?? ''), {
    level: 'notice',
    time: new Date(TIME).toISOString(),
    pid: 42,
    host: 'alpha',
    subsystem: 'TOTEM',
    msg: 'A new membership',
  });
});
