import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { configText, findPort } from '../../src/cli/demo/generate.ts';
import { failureText } from '../../src/lib/failure.ts';
import { DAEMON_ENTRY, READY_MS, until } from './loopback-cluster.ts';

const SLOW = { timeout: 120_000 };
const FATAL = 15;
/** What the start may end with, by what it could not open first, as with stock (which aborts after it): ring thread, sockets (15), services (20), ring id (21). */
const KNOWN: readonly number[] = [FATAL, 20, 21];
const LAUNCHER = fileURLToPath(new URL('../../../bin/rondod', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'rondo-failures-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

const port = await findPort(['127.0.0.1'], Math.random);
const node = {
  nodeId: 1,
  name: 'node1',
  address: '127.0.0.1',
  instance: `rondo-failures-${process.pid}`,
  configFile: join(directory, 'corosync.conf'),
  stateDirectory: directory,
  lockFile: join(directory, 'rondod.pid'),
  logFile: join(directory, 'corosync.log'),
  page: null,
};
const good = configText([node], node, 'udpu', port, '');

interface Started {
  readonly ended: Promise<number | null>;
  stderr: string;
  stop(): void;
}

/** The daemon with so many descriptors. */
function start(descriptors: number, configuration = good): Started {
  writeFileSync(node.configFile, configuration);
  rmSync(node.logFile, { force: true });
  const options = ['-f', '-c', node.configFile, '-l', node.lockFile, '--ipc-instance', node.instance];
  const places = ['--state-dir', directory, '--node', node.name];
  const script = `ulimit -n ${descriptors}; exec "$@"`;
  const command = [process.execPath, '--single-threaded', DAEMON_ENTRY, ...options, ...places];
  const child = spawn('sh', ['-c', script, 'sh', ...command], { stdio: ['ignore', 'ignore', 'pipe'] });
  const started: Started = {
    ended: new Promise((resolve) => child.once('close', resolve)),
    stderr: '',
    stop: () => child.kill('SIGTERM'),
  };
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    started.stderr += text;
  });
  return started;
}

function log(): string {
  try {
    return readFileSync(node.logFile, 'latin1');
  } catch {
    return '';
  }
}

t.test('64 descriptors are enough for the program itself to start with, as for stock', SLOW, async (t) => {
  const daemon = start(64);
  await until(() => /ready to provide service/.test(log()) || daemon.stderr !== '', `${READY_MS} ms`);
  t.match(log(), /ready to provide service/);
  t.equal(daemon.stderr, '');
  daemon.stop();
  t.equal(await daemon.ended, 0);
});

/** `bin/rondod` asked for its version with 64 descriptors, by a root that has the capability to raise them, or by one that has not. */
function launch(mayRaise: boolean): { readonly status: number | null; readonly stderr: string } {
  const without = mayRaise || process.geteuid?.() !== 0 ? [] : ['setpriv', '--bounding-set=-sys_resource'];
  const command = [...without, LAUNCHER, '-v'];
  return spawnSync('sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...command], { encoding: 'utf8' });
}

t.test('the launcher without CAP_SYS_RESOURCE refuses 64 descriptors, and says how many are needed', SLOW, (t) => {
  const { status, stderr } = launch(false);
  t.equal(status, 1);
  t.match(stderr, /^rondod: the limit of open files is 64, and 256 are needed \(.*\)\n$/);
  t.end();
});

const mayRaise = spawnSync('sh', ['-c', 'ulimit -n 64; ulimit -n 256']).status === 0;
t.test(
  'the launcher with CAP_SYS_RESOURCE raises 64 descriptors',
  { ...SLOW, skip: mayRaise ? false : 'no CAP_SYS_RESOURCE here' },
  (t) => {
    t.equal(launch(true).status, 0);
    t.end();
  },
);

t.test('too few of them: one line that reports it, and a status', SLOW, async (t) => {
  for (const descriptors of [22, 28]) {
    const daemon = start(descriptors);
    const status = await daemon.ended;
    t.ok(KNOWN.includes(status ?? -1), `${descriptors}: status ${status}, ${daemon.stderr}`);
    t.match(daemon.stderr + log(), /EMFILE/);
    t.notMatch(daemon.stderr + log(), /^\s+at /m, 'no stack');
  }
});

t.test('an error that nobody expected: one line, the stack only at debug level', SLOW, async (t) => {
  for (const [how, throws] of [
    ['thrown', 'setTimeout(() => { throw new Error("boom\\nand more"); }, 1500);'],
    ['rejected', 'setTimeout(() => { void Promise.reject(new Error("boom")); }, 1500);'],
  ] as const) {
    const path = join(directory, `${how}.mjs`);
    writeFileSync(
      path,
      `export const interfaceVersion = 1;
export function createEngine() {
  ${throws}
  return { serviceId: 40, name: 'bad', description: 'bad', unloadPriority: 1, allowInquorate: true, library: [], exec: [], start() {} };
}
`,
    );
    const daemon = start(1024, `${good}\nservice {\n  name: bad\n  path: ${path}\n}\n`);
    t.equal(await daemon.ended, FATAL, daemon.stderr);
    t.match(log(), /Unexpected error: boom\n/, how);
    t.match(log(), /exiting with status 15/);
    t.notMatch(daemon.stderr + log(), /^\s+at /m, 'no stack');
  }
});

t.test('what the system refused comes with advice', async (t) => {
  const refused = (code: string): Error => Object.assign(new Error(`${code}: refused, open '/x'`), { code });
  t.match(failureText(refused('EMFILE')), /open '\/x': raise the limit of open files/);
  t.match(failureText(refused('ENOSPC')), /make room/);
  t.equal(failureText(refused('EWHAT')), "EWHAT: refused, open '/x'");
  t.equal(failureText(new Error('one\ntwo')), 'one');
  t.equal(failureText('text'), 'text');
});
