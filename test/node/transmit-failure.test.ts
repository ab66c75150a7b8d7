import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { configText, findPort } from '../../src/cli/demo/generate.ts';
import { DAEMON_ENTRY, until } from '../daemon/loopback-cluster.ts';

t.setTimeout(170_000);

const FATAL = 15;
const NODE_ENTRY = fileURLToPath(new URL('../../src/node/index.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'rondo-transmit-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
const planted = join(directory, 'planted');
const preload = join(directory, 'preload.cjs');
/** The first transmit thread fails at its next wait, which it looks up from each second, once the file is there. */
writeFileSync(
  preload,
  `const threads = require('node:worker_threads');
   const { existsSync } = require('node:fs');
   const wait = Atomics.wait;
   Atomics.wait = (...of) => {
     const { isMainThread, workerData } = threads;
     const fails = !isMainThread && workerData?.buffers !== undefined && workerData.index === 0;
     if (fails && existsSync(${JSON.stringify(planted)})) throw new Error('a planted failure');
     return wait(...of);
   };`,
);

const port = await findPort(['127.0.0.1'], Math.random);
const node = {
  nodeId: 1,
  name: 'node1',
  address: '127.0.0.1',
  instance: `rondo-transmit-${process.pid}`,
  configFile: join(directory, 'corosync.conf'),
  stateDirectory: directory,
  lockFile: join(directory, 'rondod.pid'),
  logFile: join(directory, 'corosync.log'),
  page: null,
};
const keyFile = join(directory, 'authkey');
writeFileSync(keyFile, randomBytes(256), { mode: 0o400 });
const config = `${configText([node], node, 'knet', port, keyFile)}\nsystem {\n  transmit_threads: 2\n}\n`;
writeFileSync(node.configFile, config);

function started(...args: readonly string[]) {
  const child = spawn(process.execPath, ['--require', preload, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const result = { out: '', errors: '', code: new Promise<number | null>((resolve) => child.once('close', resolve)) };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    result.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    result.errors += text;
  });
  t.teardown(() => child.kill('SIGKILL'));
  return result;
}

t.test('a daemon of which a transmit thread fails ends with its status at once, and says why', async (t) => {
  rmSync(planted, { force: true });
  const places = ['--state-dir', directory, '--node', node.name];
  const daemon = started(
    ...[DAEMON_ENTRY, '-f', '-c', node.configFile, '-l', node.lockFile, '--ipc-instance', node.instance],
    ...places,
  );
  const log = (): string => {
    try {
      return readFileSync(node.logFile, 'utf8');
    } catch {
      return '';
    }
  };
  await until(() => /ready to provide service/.test(log()), 'the daemon');
  writeFileSync(planted, '');
  const code = await Promise.race([daemon.code, delay(60_000, 'it lives')]);
  t.equal(code, FATAL);
  t.match(log(), /transmit thread 0 failed: a planted failure/);
});

/** Opens files all the while: what closes a descriptor that it does not have any more closes one of them. */
const PROGRAM = `
import { fstatSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
const { createNode } = await import(process.argv[2]);
const [stateDir, config, planted] = process.argv.slice(3);
const descriptors = () => readdirSync('/proc/self/fd').length;
const lines = [];
const start = () => createNode({ config, stateDir, node: 'node1', log: (_level, _subsystem, line) => lines.push(line) });
await (await start()).close();
const before = descriptors();
const node = await start();
const own = [];
const opening = setInterval(() => own.push(openSync(process.argv[2], 'r')), 5);
writeFileSync(planted, '');
const end = await node.ended;
clearInterval(opening);
const { ino } = fstatSync(own[0]);
const lost = own.filter((fd) => { try { return fstatSync(fd).ino !== ino; } catch { return true; } }).length;
const left = descriptors() - before - own.length;
rmSync(planted);
const next = await start();
await next.close();
console.log(JSON.stringify({ end, lost, left, next: await next.ended, lines }));
`;

t.test('a node in a program fails, reports it, and leaves the descriptors of the program alone', async (t) => {
  rmSync(planted, { force: true });
  const file = join(directory, 'program.mjs');
  writeFileSync(file, PROGRAM);
  const program = started(file, NODE_ENTRY, directory, config, planted);
  t.equal(await program.code, 0, program.errors);
  const { lines, ...figures } = JSON.parse(program.out || '{}') as { readonly lines?: readonly string[] };
  t.same(figures, { end: 'failed', lost: 0, left: 0, next: 'closed' });
  t.match(lines?.join('\n'), /transmit thread 0 failed: a planted failure/);
});
