import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { configText, findPort } from '../../src/cli/demo/generate.ts';
import { Quorum } from '../../src/client/index.ts';
import { DAEMON_ENTRY, READY_MS, until } from './loopback-cluster.ts';

t.setTimeout(300_000);

const CLI_ENTRY = fileURLToPath(new URL('../../src/cli/entry.js', import.meta.url));
/** Numbers that belong to nobody. */
const OWNER = { uid: 64_001, gid: 64_001 };
const OTHER = { uid: 64_002, gid: 64_002 };
const skip = skipReason();

function skipReason(): string | false {
  if (process.geteuid?.() !== 0) return 'needs root, to become somebody else';
  const readable = spawnSync(process.execPath, ['--check', DAEMON_ENTRY], { ...OWNER, cwd: '/' }).status === 0;
  return readable ? false : 'other users cannot read this checkout';
}

interface Ended {
  readonly status: number | null;
  readonly text: string;
}

function rondo(argv: readonly string[], user: typeof OWNER, instance: string): Promise<Ended> {
  const child = spawn(process.execPath, [CLI_ENTRY, ...argv, '-i', instance], {
    ...user,
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: '/',
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, text })));
}

t.test(
  'a daemon without root serves its own user, says what it could not get, and keeps its files at home',
  { skip, timeout: 250_000 },
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'rondo-unprivileged-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const home = join(directory, 'home');
    mkdirSync(home);
    const port = await findPort(['127.0.0.1'], Math.random);
    const instance = `rondo-unprivileged-${process.pid}`;
    const node = {
      nodeId: 1,
      name: 'node1',
      address: '127.0.0.1',
      instance,
      configFile: join(directory, 'corosync.conf'),
      stateDirectory: 'unset',
      lockFile: 'unset',
      logFile: join(home, 'corosync.log'),
      page: null,
    };
    // Real-time scheduling is asked for, and no state directory is named.
    const text = configText([node], node, 'udpu', port, '')
      .replace(/ {2}state_dir: unset\n/, '')
      .replace('sched_rr: no', 'sched_rr: yes');
    writeFileSync(node.configFile, text);
    chmodSync(directory, 0o755);
    chownSync(home, OWNER.uid, OWNER.gid);

    const child = spawn(process.execPath, [DAEMON_ENTRY, '-f', '-c', node.configFile, '--ipc-instance', instance], {
      ...OWNER,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, HOME: home, XDG_STATE_HOME: '' },
      cwd: '/',
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    let ended = false;
    child.once('exit', () => {
      ended = true;
    });
    t.teardown(() => child.kill('SIGKILL'));

    await t.rejects(
      Quorum.connect({ instance, waitReadyMs: READY_MS }),
      { code: 'RONDO_UNTRUSTED' },
      'anybody may listen',
    );
    process.env['RONDO_TRUSTED_UID'] = String(OWNER.uid);
    t.teardown(() => delete process.env['RONDO_TRUSTED_UID']);
    const quorum = await Quorum.connect({ instance, waitReadyMs: READY_MS }); // the daemon admits root always
    t.equal(await quorum.isQuorate(), true, stderr);
    quorum.close();
    t.match(await rondo(['quorum'], OWNER, instance), { status: 0, text: /Quorate/ });
    t.match(await rondo(['cpg', 'send', 'g', 'hello', '--json'], OWNER, instance), { status: 0, text: /"sent": 1/ });
    t.match(await rondo(['quorum'], OTHER, instance), { status: 3, text: /uidgid/ });

    const log = readFileSync(node.logFile, 'utf8');
    t.match(log, `State directory is ${home}/.local/state/rondo/${instance} (no privileges`);
    t.match(log, `Lock file is ${home}/.local/state/rondo/${instance}/corosync.pid (no privileges`);
    t.match(log, /Could not set SCHED_RR.*[Gg]oing on without/);
    t.match(log, 'Could not increase RLIMIT_MEMLOCK, not locking memory');
    t.match(log, `Denied connection attempt from ${OTHER.uid}:${OTHER.gid}`);
    t.match(await rondo(['shutdown', '--force'], OWNER, instance), { status: 0 });
    await until(() => ended, 'the end of the daemon');
    t.equal(child.exitCode, 0);
  },
);
