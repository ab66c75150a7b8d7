import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import t, { type Test } from 'tap';
import { QnetFramer } from '../../src/qnet/framer.ts';
import { QnetMessageType } from '../../src/qnet/ids.ts';
import { decodeQnet, encodeQnet } from '../../src/qnet/messages.ts';
import { FULL } from '../interop/lab/cases.ts';
import { must } from '../interop/lab/process.ts';
import { program } from '../interop/lab/programs.ts';

// Whoever reaches an arbiter's port asks for TLS handshakes, which cost him nothing, while a device is served and another one comes.

const PROGRAMS = {
  ours: [process.execPath, new URL('../../src/cli/stock/entry.js', import.meta.url).pathname, 'corosync-qnetd'],
  stock: ['/usr/bin/corosync-qnetd'],
} as const;
const needed = ['/usr/bin/corosync-qnetd', '/usr/bin/certutil', '/usr/bin/pk12util', '/usr/bin/gcc'];
const missing = needed.find((path) => !existsSync(path));
const skip = missing === undefined ? false : `${missing} is not installed`;
const SECONDS = Number(process.env['RONDO_FLOOD_SECONDS'] ?? (FULL ? 15 : 3));
/** Smaller than the defaults, so that a slow machine's flood reaches them. */
const LIMITS = { max_clients_per_address: 32, tls_handshakes_per_address: 2, tls_handshakes_per_second: 20 };
/** How many start at once, of what `tls_handshakes_per_second` allows; and a second more for clocks and looks. */
const most = (perSecond: number, seconds: number, atOnce: number): number => atOnce + perSecond * (seconds + 1);
const ECHO_MS = 20;
/** What a device gives up after. */
const WAIT_MS_MAX = 8000;
const work = mkdtempSync(join(tmpdir(), 'rondo-hello-'));
t.teardown(() => rmSync(work, { recursive: true, force: true }));
t.setTimeout(180_000);

/** An NSS database as stock's script makes it, which ours reads, too. */
function databaseOnce(): string {
  const directory = join(work, 'nssdb');
  if (existsSync(directory)) return directory;
  const noise = join(work, 'noise');
  mkdirSync(directory, { mode: 0o700 });
  writeFileSync(noise, 'a key that nobody will trust', { mode: 0o600 });
  const certutil = (...args: readonly string[]): void =>
    void execFileSync('certutil', ['-d', directory, ...args], { input: 'y\n0\ny\n', stdio: 'pipe' });
  certutil('-N', '--empty-password');
  const key = ['-z', noise, '-g', '2048', '-v', '12', '-Z', 'SHA256'];
  certutil('-S', '-n', 'QNet CA', '-s', 'CN=QNet CA', '-x', '-t', 'CT,,', '-m', '100', '-2', ...key);
  certutil('-S', '-n', 'QNetd Cert', '-s', 'CN=Qnetd Server', '-c', 'QNet CA', '-t', ',,', '-m', '101', ...key);
  return directory;
}

async function portOf(server: Server): Promise<number> {
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Everything up to the first message of the handshake, as a device sends it. */
async function makeHello(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  const client = tlsConnect({ host: '127.0.0.1', port: await portOf(server), rejectUnauthorized: false });
  client.on('error', () => {});
  const [accepted]: Socket[] = await once(server, 'connection');
  const [first]: Uint8Array[] = await once(accepted!, 'data');
  client.destroy();
  server.close();
  const path = join(work, 'hello');
  writeFileSync(path, Buffer.concat([begin('flood'), first!]));
  return path;
}

const begin = (cluster: string): Buffer =>
  Buffer.concat([
    encodeQnet(QnetMessageType.PREINIT, { sequence: 1, clusterName: Buffer.from(cluster) }),
    encodeQnet(QnetMessageType.STARTTLS, { sequence: 2 }),
  ]);

/** A device that speaks TLS and is served. */
class Device {
  private readonly framer = new QnetFramer(1 << 15);
  private heard: () => void = () => {};
  worstMs = 0;
  ended = false;

  private constructor(private readonly socket: TLSSocket) {
    socket.on('close', () => {
      this.ended = true;
    });
    socket.on('data', (chunk: Uint8Array) => {
      for (let at = 0; ; ) {
        const taken = this.framer.take(chunk, at);
        if (taken === null) return;
        at = taken.next;
        if (taken.framed.message !== null && decodeQnet(taken.framed.message) !== null) this.heard();
      }
    });
  }

  static async connect(port: number, cluster: string, from: string): Promise<Device> {
    const raw = connect({ host: '127.0.0.1', port, localAddress: from });
    await once(raw, 'connect');
    raw.write(encodeQnet(QnetMessageType.PREINIT, { sequence: 1, clusterName: Buffer.from(cluster) }));
    await once(raw, 'data');
    raw.removeAllListeners('data');
    raw.write(encodeQnet(QnetMessageType.STARTTLS, { sequence: 2 }));
    const socket = tlsConnect({ socket: raw, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const device = new Device(socket);
    const ringId = { nodeId: 1, seq: 4n };
    const init = { nodeId: 1, algorithm: 1, heartbeatMs: 8000, tieBreaker: { mode: 1, nodeId: 0 }, ringId };
    await device.ask(encodeQnet(QnetMessageType.INIT, { sequence: 3, ...init }));
    return device;
  }

  private ask(message: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.heard = resolve;
      this.socket.write(message);
    });
  }

  async useUntil(over: () => boolean): Promise<void> {
    for (let sequence = 10; !over() && !this.ended; sequence++) {
      const startMs = performance.now();
      await this.ask(encodeQnet(QnetMessageType.ECHO_REQUEST, { sequence }));
      this.worstMs = Math.max(this.worstMs, performance.now() - startMs);
      await sleep(ECHO_MS);
    }
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Seconds of processor time of a process. */
function processorSeconds(pid: number): number {
  const [user = 0, system = 0] = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .split(') ')[1]!
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user + system) / 100;
}

interface Arbiter {
  readonly port: number;
  readonly pid: number;
  readonly log: () => string;
}

async function start(t: Test, kind: 'ours' | 'stock', database: string): Promise<Arbiter> {
  const free = createServer().listen(0, '127.0.0.1');
  const port = await portOf(free);
  await new Promise((resolve) => free.close(resolve));
  const socket = join(work, `${kind}.sock`);
  const limits =
    kind === 'ours'
      ? Object.entries(LIMITS)
          .map(([name, value]) => `,${name}=${value}`)
          .join('')
      : '';
  const files = `local_socket_file=${socket},lock_file=${join(work, `${kind}.lock`)},nss_db_dir=${database}`;
  const [path, ...words] = PROGRAMS[kind];
  const args = [...words, '-f', '-4', '-c', 'off', '-l', '127.0.0.1', '-p', String(port), '-S', `${files}${limits}`];
  const server = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  server.stderr.setEncoding('latin1').on('data', (text: string) => {
    log += text;
  });
  t.teardown(async () => {
    if (server.exitCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  });
  for (let turn = 0; turn < 400 && !existsSync(socket); turn++) await sleep(50);
  await sleep(300); // the port is bound after the socket
  return { port, pid: server.pid ?? 0, log: () => log };
}

const FLOODS = [
  ['one address', ['127.0.0.66']],
  ['eight addresses', Array.from({ length: 8 }, (_, at) => `127.0.7.${at + 1}`)],
] as const;

for (const kind of ['ours', 'stock'] as const)
  t.test(`${kind}: handshakes without end, from one address and from many`, { skip }, async (t) => {
    const attacker = await program('hello', 'security');
    const { port, pid, log } = await start(t, kind, databaseOnce());
    const hello = await makeHello();
    const served = await Device.connect(port, 'served', '127.0.0.1');
    t.teardown(() => served.close());
    for (const [at, [what, sources]] of FLOODS.entries()) {
      let over = false;
      served.worstMs = 0;
      const using = served.useUntil(() => over);
      const before = processorSeconds(pid);
      const flood = must(attacker, [String(port), String(SECONDS), hello, ...sources], { timeoutMs: 60_000 });
      await sleep((SECONDS * 1000) / 2);
      const startMs = performance.now();
      const newcomer = await Device.connect(port, 'newcomer', `127.0.0.${10 + at}`);
      const newcomerMs = performance.now() - startMs;
      const stdout = (await flood).trim();
      const used = processorSeconds(pid) - before;
      over = true;
      await using;
      newcomer.close();
      const [, made = 0, responses = 0] = (/made (\d+) responses (\d+)/.exec(stdout) ?? []).map(Number);
      const waits = `who is served waited ${served.worstMs.toFixed(0)} ms at most, a newcomer ${newcomerMs.toFixed(0)} ms until INIT`;
      const counted = `${made} connections, ${responses} handshakes, ${used.toFixed(2)} s of processor time`;
      t.comment(`${kind}, ${what}, ${SECONDS} s: ${counted}; ${waits}`);
      t.equal(served.ended, false, 'who is served keeps his place');
      if (kind === 'stock') continue;
      const { tls_handshakes_per_address: each, tls_handshakes_per_second: all } = LIMITS;
      const bound = Math.min(
        most(all, SECONDS, all / 4),
        sources.length * most(each, SECONDS, LIMITS.max_clients_per_address),
      );
      t.ok(responses > 0 && responses <= bound, `${responses} of ${bound} at most`);
      t.ok(served.worstMs < WAIT_MS_MAX, waits);
      t.ok(newcomerMs < WAIT_MS_MAX, waits);
    }
    if (kind === 'stock') return;
    t.ok(/TLS handshake of client 127\.0\.0\.66:\d+ has to wait: 20 a second are begun/.test(log()), 'it is logged');
    const lines = log().split('\n').length;
    t.ok(lines < 1000, `${lines} lines of log`);
  });
