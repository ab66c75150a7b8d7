import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FULL, skipReason } from '../interop/lab/cases.ts';
import { ROOT } from '../interop/lab/host.ts';
import { Lab } from '../interop/lab/lab.ts';
import type { LabNode } from '../interop/lab/node.ts';
import { sleep, until } from '../interop/lab/process.ts';

const SKIP = skipReason(['ours']);
const SIGNAL_EVERY_MS = 3;
const STORM_MS_MAX = 60_000;
/** Single signals, after so many milliseconds: from the launcher's first line to a daemon that serves. */
const DELAYS_MS = FULL ? Array.from({ length: 31 }, (_, at) => at * 20) : [0, 10, 25, 50, 100, 200, 300, 450, 600];

/** Lines of sockets that listen for TCP in the daemon's network. */
function tcpListeners(pid: number): readonly string[] {
  return ['tcp', 'tcp6'].flatMap((family) => {
    try {
      const lines = readFileSync(`/proc/${pid}/net/${family}`, 'latin1').split('\n').slice(1);
      return lines.filter((line) => line.trim().split(/\s+/)[3] === '0A');
    } catch {
      return []; // it has ended
    }
  });
}

/** The lab's own programs in front of the daemon die of the signal; bit 9 of the masks is SIGUSR1. */
function bearsUsr1(pid: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return [...status.matchAll(/^Sig(?:Ign|Cgt):\s*(\w+)$/gm)].some(
    ([, mask = '0']) => (Number.parseInt(mask.slice(-4), 16) & 0x200) !== 0,
  );
}

/** SIGUSR1 again and again, until `ended` resolves; what listened meanwhile. */
async function storm(pid: number, ended: Promise<unknown>): Promise<{ sent: number; listeners: readonly string[] }> {
  let going = true;
  void ended.then(() => {
    going = false;
  });
  const found = new Set<string>();
  const end = Date.now() + STORM_MS_MAX;
  let sent = 0;
  for (; going && Date.now() < end; sent++) {
    try {
      process.kill(pid, 'SIGUSR1');
    } catch {
      break;
    }
    if (sent % 20 === 0) for (const line of tcpListeners(pid)) found.add(line);
    await sleep(SIGNAL_EVERY_MS);
  }
  for (const line of tcpListeners(pid)) found.add(line);
  return { sent, listeners: [...found] };
}

const up = async (lab: Lab, node: LabNode): Promise<void> => lab.waitRing([node]);

t.test('SIGUSR1 opens no debugger, from the first moment to the last', { skip: SKIP }, async (t) => {
  const lab = await Lab.create({ transport: 'udpu' }, ['ours']);
  t.teardown(() => lab.close());
  const node = lab.node(1);
  for (const delay of DELAYS_MS) {
    const daemon = node.startDaemon();
    await sleep(delay);
    daemon.signal('SIGUSR1');
    await sleep(Math.max(700 - delay, 300));
    t.strictSame(tcpListeners(daemon.pid), [], `after ${delay} ms`);
    await daemon.stop('SIGKILL');
  }

  const daemon = node.startDaemon();
  await until(
    'the launcher, which ignores the signal from its first line, or Node.js, which catches it',
    async () => bearsUsr1(daemon.pid) || null,
    20_000,
  );
  const started = await storm(daemon.pid, up(lab, node));
  t.ok(daemon.alive, `alive after ${started.sent} signals while it started: ${daemon.errors.slice(-300)}`);
  t.strictSame(started.listeners, []);
  daemon.signal('SIGTERM');
  const stopped = await storm(daemon.pid, daemon.exited);
  t.strictSame(stopped.listeners, [], `and ${stopped.sent} while it stopped`);
});

const directory = mkdtempSync(join(tmpdir(), 'rondo-debugger-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
const ENTRY = join(ROOT, 'dist/src/daemon/entry.js');

t.test('a daemon does not run with a debugger', async (t) => {
  const cases: [readonly string[], NodeJS.ProcessEnv, RegExp][] = [
    [['--inspect=127.0.0.1:0'], {}, /listens for a debugger on ws:/],
    [[], { NODE_OPTIONS: '--inspect=127.0.0.1:0' }, /listens for a debugger on ws:/],
    // It could not listen, and was asked for all the same.
    [['--inspect=[ff02::1]:9229'], {}, /was started with --inspect/],
  ];
  for (const [options, env, text] of cases) {
    const { status, stderr } = spawnSync(process.execPath, [...options, ENTRY, '-v'], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    t.equal(status, 1, `${options}`);
    t.match(stderr, text);
    t.match(stderr, /refuses to run/);
  }
});

t.test('root’s environment does not choose what root runs', { skip: SKIP }, async (t) => {
  const trap = join(directory, 'trap.cjs');
  const sprung = join(directory, 'sprung');
  writeFileSync(trap, `require('node:fs').appendFileSync(${JSON.stringify(sprung)}, process.argv[1] + '\\n');\n`);
  const fake = join(directory, 'bin');
  mkdirSync(fake);
  for (const name of ['node', 'readlink', 'dirname', 'awk', 'find', 'id']) {
    writeFileSync(join(fake, name), `#!/bin/sh\necho ${name} >>${sprung}\nexec /usr/bin/${name} "$@"\n`, {
      mode: 0o755,
    });
  }
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(directory, join(directory, 'node_modules/koffi'));
  const env = {
    ...process.env,
    PATH: `${fake}:${process.env['PATH']}`,
    NODE_OPTIONS: `--require ${trap}`,
    NODE_PATH: directory,
    NODE_V8_COVERAGE: join(directory, 'coverage'),
    NODE_REDIRECT_WARNINGS: join(directory, 'warnings'),
    RONDO_NODE: join(fake, 'node'),
  };
  for (const name of ['rondod', 'rondo']) {
    const argument = name === 'rondod' ? '-v' : '--help';
    const { status, stdout, stderr } = spawnSync(join(ROOT, 'bin', name), [argument], {
      encoding: 'utf8',
      env,
      cwd: directory,
    });
    t.equal(status, 0, stderr);
    t.match(stdout, /Corosync|rondo/);
  }
  t.throws(() => readFileSync(sprung), 'nothing of the caller’s was run');
  t.throws(() => readFileSync(join(directory, 'warnings')));
  t.throws(() => readFileSync(join(directory, 'coverage')));
});

t.test('an interpreter that others can change is not run by root', { skip: SKIP }, async (t) => {
  // A copy of the launcher with a build of its own; the name of its interpreter is tried before the usual places.
  const copy = join(directory, 'copy');
  mkdirSync(join(copy, 'dist/src/daemon'), { recursive: true });
  spawnSync('cp', ['-r', join(ROOT, 'bin'), copy]);
  writeFileSync(join(copy, 'dist/src/daemon/entry.js'), 'console.log("real");\n');
  const place = join(directory, 'place');
  mkdirSync(place, { mode: 0o755 });
  const interpreter = join(place, 'node');
  writeFileSync(interpreter, '#!/bin/sh\necho chosen\n', { mode: 0o755 });
  writeFileSync(join(copy, 'dist/interpreter'), `${interpreter}\n`);
  const chosen = (): string => spawnSync(join(copy, 'bin/rondod'), [], { encoding: 'utf8' }).stdout.trim();
  chmodSync(directory, 0o755);
  t.equal(chosen(), 'chosen', 'only root can change it');
  chmodSync(interpreter, 0o775);
  t.not(chosen(), 'chosen', 'its group can');
  chmodSync(interpreter, 0o755);
  chmodSync(place, 0o777);
  t.not(chosen(), 'chosen', 'its directory can be written');
  chmodSync(place, 0o755);
  chmodSync(directory, 0o777);
  t.not(chosen(), 'chosen', 'a directory above can be written');
  chmodSync(directory, 0o755);
  spawnSync('chown', ['65534', interpreter]);
  t.not(chosen(), 'chosen', 'somebody else owns it');
});

t.test('an ordinary user chooses', { skip: SKIP }, async (t) => {
  const interpreter = join(directory, 'mine');
  writeFileSync(interpreter, '#!/bin/sh\necho mine\n', { mode: 0o755 });
  const child = spawn('setpriv', ['--reuid', '65534', '--clear-groups', join(ROOT, 'bin/rondod'), '-v'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, RONDO_NODE: interpreter },
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await new Promise((resolve) => child.once('close', resolve));
  t.equal(text.trim(), 'mine');
});
