import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { controlRequest } from '../../src/arbiter/control-client.ts';
import { ControlSocket } from '../../src/arbiter/control-socket.ts';
import { controlWords, quotedWord } from '../../src/arbiter/control-words.ts';
import { type HeuristicCommand, HeuristicsRunner } from '../../src/arbiter/qdevice/heuristics-runner.ts';
import { QDEVICE_SETTING_KINDS, qdeviceSettings } from '../../src/arbiter/qdevice/qdevice-settings.ts';
import { type CastVote, VotePoll } from '../../src/arbiter/qdevice/vote-poll.ts';
import { QNETD_SETTING_KINDS, qnetdSettings } from '../../src/arbiter/qnetd/qnetd-settings.ts';
import { applySettings, type SettingKind } from '../../src/arbiter/settings.ts';
import { Heuristics } from '../../src/qnet/ids.ts';

const work = mkdtempSync(join(tmpdir(), 'rondo-arbiter-parts-'));
t.teardown(() => rmSync(work, { recursive: true, force: true }));

t.test('advanced settings', async (t) => {
  const cases: readonly (readonly [string, unknown, string?, unknown?])[] = [
    ['listen_backlog=20', [], 'listen_backlog', 20],
    ['LISTEN_BACKLOG=1,dpd_enabled=off', [], 'dpd_enabled', false],
    ['listen_backlog=0', { problem: 'invalid', name: 'listen_backlog', value: '0' }],
    ['listen_backlog=1x', { problem: 'invalid', name: 'listen_backlog', value: '1x' }],
    ['nothing=1', { problem: 'unknown', name: 'nothing' }],
    ['dpd_interval=1000', ["Option 'dpd_interval' is deprecated and has no effect anymore"]],
    ['dpd_interval_coefficient=2.5', [], 'dpd_interval_coefficient', 2.5],
    ['local_socket_umask=0077', [], 'local_socket_umask', 0o77],
    ['local_socket_umask=8', { problem: 'invalid', name: 'local_socket_umask', value: '8' }],
    ['local_socket_gid=root', [], 'local_socket_gid', 0],
    ['local_socket_gid=no such group', { problem: 'invalid', name: 'local_socket_gid', value: 'no such group' }],
    ['local_socket_gid=-1', [], 'local_socket_gid', null],
    ['nss_db_dir=/a=b', [], 'nss_db_dir', '/a=b'],
    ['constructor=1', { problem: 'unknown', name: 'constructor' }],
  ];
  for (const [text, expected, name, value] of cases) {
    const settings: Record<string, string | number | boolean | null> = qnetdSettings();
    t.same(applySettings(text, QNETD_SETTING_KINDS, settings), expected, text);
    if (name !== undefined) t.equal(settings[name], value, `${text}: its value`);
  }
});

t.test('each setting has a default and is used, or whoever gives it is told that it does nothing', async (t) => {
  const folder = fileURLToPath(new URL('../../../src/arbiter/', import.meta.url));
  const users = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('settings.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
  const programs = [
    [QNETD_SETTING_KINDS, qnetdSettings()],
    [QDEVICE_SETTING_KINDS, qdeviceSettings()],
  ] as const;
  for (const [kinds, defaults] of programs) {
    for (const [name, kind] of Object.entries<SettingKind>(kinds)) {
      if (name in defaults) {
        t.match(users, new RegExp(`\\b${name}\\b`), `${name} is used`);
        continue;
      }
      const value = kind.kind === 'number' ? kind.min : 1;
      t.match(applySettings(`${name}=${value}`, kinds, {}), [/ has no effect /], name);
      if (kind.kind === 'number')
        t.match(applySettings(`${name}=${kind.min - 1}`, kinds, {}), { problem: 'invalid' }, `${name} is checked`);
    }
  }
});

t.test('words of a command', async (t) => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['', []],
    ['  status\tverbose \nlist', ['status', 'verbose']],
    ['list cluster "a b" x', ['list', 'cluster', 'a b', 'x']],
    ['a\\ b "c\\"d\\\\e\\f"', ['a b', 'c"d\\e\\f']],
    ['"" x"y"z', ['', 'xyz']],
    ['"open', ['open']],
    ['end\\', ['end']],
  ];
  for (const [line, words] of cases) t.same(controlWords(line), words, line);
  for (const name of ['plain', 'a b', 'q"uote', 'back\\slash', '']) t.same(controlWords(quotedWord(name)), [name]);
});

t.test('the control socket: rights, limits', async (t) => {
  const path = join(work, 'socket');
  writeFileSync(path, 'left by another');
  const limits = { backlog: 4, clientsMax: 1, receiveBytesMax: 1024, sendBytesMax: 1024 };
  const log: string[] = [];
  const gid = process.geteuid?.() === 0 ? 1 : (process.getegid?.() ?? 0); // only root can name a group that is not its own
  const control = await ControlSocket.open(
    { path, umask: 0o027, gid, ...limits },
    ([word = '']) => (word === 'long' ? { text: 'x'.repeat(2000) } : { text: `${word}\n` }),
    (_level, message) => log.push(message),
  );
  t.match(statSync(path), { mode: 0o140750, gid }, 'mode and group are those of the settings');
  const plain = await ControlSocket.open(
    { path: `${path}-plain`, umask: null, gid: null, ...limits },
    () => ({ text: '' }),
    () => {},
  );
  t.match(
    statSync(`${path}-plain`),
    { mode: 0o140777 & ~process.umask(), gid: process.getegid?.() ?? 0 },
    'or the process’s',
  );
  plain.close();
  t.same(await controlRequest(path, 'hello\n'), { status: 'OK', text: 'hello\n' });
  await sleep(100); // its end is seen
  t.same(await controlRequest(path, 'long\n'), { status: 'Error', text: 'Internal IPC buffer too small\n' });
  await sleep(100);
  const idle = connect(path);
  await new Promise((resolve) => idle.once('connect', resolve));
  await sleep(50);
  t.equal((await controlRequest(path, 'second\n').catch(() => ({ status: '' }))).status, '', 'one client at a time');
  idle.destroy();
  await sleep(100);
  const flood = await controlRequest(path, 'x'.repeat(5000)).catch(() => ({ status: '' }));
  t.equal(flood.status, '', 'a line without an end');
  t.ok(log.length >= 2);
  control.close();
});

t.test('heuristics', async (t) => {
  const log: string[] = [];
  const runner = new HeuristicsRunner({ processesMax: 4, searchesPath: false }, (_level, text) => log.push(text));
  const run = (commands: readonly HeuristicCommand[], timeoutMs = 10_000): Promise<number> =>
    new Promise((resolve) => runner.start(commands, timeoutMs, resolve));
  const command = (line: string): HeuristicCommand => ({ name: 'x', line });
  t.equal(await run([]), Heuristics.UNDEFINED, 'none');
  t.equal(await run([command('/bin/true'), command('/bin/sh -c "exit 0"')]), Heuristics.PASS, 'all pass');
  t.equal(await run([command('/bin/true'), command('/bin/false')]), Heuristics.FAIL, 'one fails');
  t.equal(await run([command('true')]), Heuristics.FAIL, 'not an absolute path');
  t.equal(await run([command('/no/such/program')]), Heuristics.FAIL, 'not there');
  const mark = join(work, 'started');
  const failed = await run([command('/bin/true \0'), command(`/bin/sh -c "echo x > ${mark}"`)]);
  t.equal(failed, Heuristics.FAIL, 'a line that the system refuses');
  await sleep(200);
  t.equal(existsSync(mark), false, 'those behind it are not started');
  const pid = join(work, 'pid');
  t.equal(await run([command(`/bin/sh -c "sleep 60 & echo $! > ${pid}; wait"`)], 1500), Heuristics.FAIL, 'too slow');
  await sleep(100);
  t.equal(isAlive(readFileSync(pid, 'utf8').trim()), false, 'what it started is killed, too');
  t.equal(await run(Array.from({ length: 5 }, () => command('/bin/true'))), Heuristics.FAIL, 'too many');
  runner.start([command('/bin/sleep 60')], 60_000, () => t.fail('superseded runs report nothing'));
  t.equal(await run([command('/bin/true')]), Heuristics.PASS, 'the one that supersedes');
  const env = join(work, 'env');
  await run([command(`/bin/sh -c "env > ${env}"`)]);
  t.notMatch(readFileSync(env, 'utf8'), /HOME=/, 'no variables of ours');
  runner.close();
});

t.test('votes that come faster than they can be cast', async (t) => {
  const cast: CastVote[] = [];
  const waits: (() => void)[] = [];
  const polls = new VotePoll(async (vote) => {
    cast.push(vote);
    await new Promise<void>((resolve) => waits.push(resolve));
  });
  const ring = (seq: bigint) => ({ rep: 1, seq });
  for (let seq = 1n; seq <= 1000n; seq++) polls.poll({ vote: seq % 2n === 0n, ringId: ring(seq) });
  while (waits.length > 0) {
    waits.pop()!();
    await sleep(1);
  }
  const expected: CastVote[] = [
    { vote: false, ringId: ring(1n) },
    { vote: true, ringId: ring(1000n) },
  ];
  t.same(cast, expected, 'the first and the last, each for its own ring');
  polls.poll({ vote: true, ringId: ring(1001n) });
  t.equal(cast.length, 3, 'and afterwards as before');
});

/** Ended processes that nobody has reaped are not alive. */
function isAlive(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
