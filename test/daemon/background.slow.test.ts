import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { configText, findPort } from '../../src/cli/demo/generate.ts';
import { Cfg } from '../../src/client/index.ts';
import { scratch } from '../../src/os/arena.ts';
import { closeFd } from '../../src/os/fd.ts';
import { notifyServiceManager } from '../../src/os/service-manager.ts';
import { AF_UNIX, encodeUnixPath } from '../../src/os/sockaddr.ts';
import { bindSocket, MSG_DONTWAIT, openSocket, receiveBytes, SOCK_DGRAM } from '../../src/os/socket.ts';
import { DAEMON_ENTRY, READY_MS, until } from './loopback-cluster.ts';

const SLOW = { timeout: 200_000 };
const directory = mkdtempSync(join(tmpdir(), 'rondo-background-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

const port = await findPort(['127.0.0.1'], Math.random);
const instance = `rondo-background-${process.pid}`;
const node = {
  nodeId: 1,
  name: 'node1',
  address: '127.0.0.1',
  instance,
  configFile: join(directory, 'corosync.conf'),
  stateDirectory: directory,
  lockFile: join(directory, 'rondod.pid'),
  logFile: join(directory, 'corosync.log'),
  page: null,
};
const good = configText([node], node, 'udpu', port, '');
writeFileSync(node.configFile, good);

interface Ended {
  readonly status: number | null;
  readonly stderr: string;
}

function rondod(options: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const argv = [DAEMON_ENTRY, '-c', node.configFile, '-l', node.lockFile, '--ipc-instance', instance, ...options];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, stderr })));
}

/** A service manager: the datagrams that it got. */
class Manager {
  readonly path = join(directory, 'notify');
  private readonly fd = openSocket(AF_UNIX, SOCK_DGRAM);

  constructor() {
    const bytes = encodeUnixPath(scratch.u8, 0, this.path);
    if (bindSocket(this.fd, scratch.address, bytes) < 0) throw new Error('cannot bind');
  }

  next(): string | null {
    const bytes = receiveBytes(this.fd, scratch.address, 4096, MSG_DONTWAIT);
    return bytes < 0 ? null : Buffer.from(scratch.u8.slice(0, bytes)).toString();
  }

  close(): void {
    closeFd(this.fd);
  }
}

t.setTimeout(800_000);

t.test('messages to the service manager', async (t) => {
  t.notOk(notifyServiceManager('READY=1', {}));
  t.notOk(notifyServiceManager('READY=1', { NOTIFY_SOCKET: join(directory, 'nobody') }));
  t.notOk(notifyServiceManager('READY=1', { NOTIFY_SOCKET: 'relative' }));
});

t.test('the caller gets 0 when clients are served, and holds nothing', SLOW, async (t) => {
  const manager = new Manager();
  t.teardown(() => manager.close());
  const started = await rondod([], { NOTIFY_SOCKET: manager.path });
  t.same(started, { status: 0, stderr: '' });
  t.equal(manager.next(), 'READY=1');
  const pid = Number(readFileSync(node.lockFile, 'utf8'));
  t.doesNotThrow(() => process.kill(pid, 0));

  const second = await rondod([]);
  t.equal(second.status, 18);
  t.match(second.stderr, 'already running');
  t.match(readFileSync(node.logFile, 'utf8'), `already running. Its pid is ${pid}`);

  const cfg = await Cfg.connect({ instance });
  await cfg.shutdown('regardless');
  await until(() => !existsSync(node.lockFile), 'the end of the daemon');
  cfg.close();
  await until(() => manager.next() === 'STOPPING=1', 'the word that it stops');
  t.match(readFileSync(node.logFile, 'utf8'), 'Node 1 was shut down by sysadmin');
  t.equal(readFileSync(join(directory, 'ringid_1')).readBigUInt64LE() < 100n, true, 'what was reserved is given back');
});

t.test('a start that fails is reported to its caller', SLOW, async (t) => {
  writeFileSync(
    node.configFile,
    good.replace('corosync_votequorum', 'nonsense').replace('to_stderr: no', 'to_stderr: yes'),
  );
  const provider = await rondod([]);
  t.equal(provider.status, 20);
  t.match(provider.stderr, 'Invalid quorum provider');
  writeFileSync(node.configFile, good.replace('udpu', 'carrier-pigeon'));
  t.match(await rondod([]), { status: 8, stderr: /transport/ });
  t.match(await rondod(['-t']), { status: 8, stderr: /transport/ });
  writeFileSync(node.configFile, good);
  t.match(await rondod(['-t']), { status: 0, stderr: /exiting normally/ });
  t.match(await rondod(['--state-dir', join(directory, 'none')]), { status: 16, stderr: /none/ });
  t.match(await rondod(['-Z']), { status: 1, stderr: /usage/ });
});

t.test('it stops when its standard input ends', SLOW, async (t) => {
  const options = ['-f', '--stop-on-stdin-end', '-c', node.configFile, '-l', node.lockFile, '--ipc-instance', instance];
  const child = spawn(process.execPath, [DAEMON_ENTRY, ...options], { stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const cfg = await Cfg.connect({ instance, waitReadyMs: READY_MS });
  cfg.close();
  child.stdin.end();
  t.equal(await ended, 0);
  t.notOk(existsSync(node.lockFile));
});
