import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { configText, findPort } from '../../src/cli/demo/generate.ts';
import { FLIGHT_FILE, readFlight } from '../../src/observe/flight/index.ts';
import { DAEMON_ENTRY, READY_MS, until } from './loopback-cluster.ts';

t.setTimeout(300_000); // the machine may be busy

/**
 * An exception that nobody expected, planted in one part of a running daemon: the process ends at once with a status and its reason, and nothing of it
 * stays behind. What is thrown by an engine in the main thread is in failures.slow.test.ts.
 */
const SOURCES = new URL('../../src/', import.meta.url).href;
const directory = mkdtempSync(join(tmpdir(), 'rondo-containment-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

const FATAL = 15;
interface Plant {
  readonly part: string;
  readonly module: string;
  readonly method: string;
  readonly afterMs: number;
  /** So many go well first. */
  readonly calls?: number;
}

/** After so long, so that the daemon serves; 0 for what happens once. */
const LATER_MS = 3000;
const PLANTS: readonly Plant[] = [
  {
    part: 'the start, before anybody is served',
    module: 'daemon/daemon.js',
    method: 'Daemon.prototype.run',
    afterMs: 0,
  },
  { part: 'the ring thread', module: 'totem/index.js', method: 'TotemSrp.prototype.tick', afterMs: LATER_MS },
  {
    part: 'a view that is handed over',
    module: 'totem/index.js',
    method: 'ProcessGroups.prototype.synchronizationCompleted',
    afterMs: 0,
  },
  {
    part: 'the records from the ring thread',
    module: 'bridge/main-bridge.js',
    method: 'MainBridge.prototype.drain',
    afterMs: LATER_MS,
  },
  // A daemon at rest logs nothing: in the middle of the lines of its start.
  {
    part: 'a log sink',
    module: 'observe/log/line-writer.js',
    method: 'LineWriter.prototype.write',
    afterMs: 0,
    calls: 8,
  },
];

/** Loaded by each thread before anything else. The program runs from its modules: its bundle has copies of its own. */
const plant = ({ module, method, afterMs, calls = 0 }: Plant): string => `
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import * as m from ${JSON.stringify(SOURCES + module)};
const { openSync } = fs;
fs.openSync = (path, ...words) => {
  if (String(path).includes('/bundle/')) throw new Error('no bundle');
  return openSync(path, ...words);
};
syncBuiltinESMExports();
let left = ${calls};
const original = m.${method};
const fromMs = performance.now() + ${afterMs};
m.${method} = function (...words) {
  if (performance.now() > fromMs && left-- <= 0) throw new Error('planted');
  return original.apply(this, words);
};
`;

for (const one of PLANTS) {
  t.test(`an exception in ${one.part}`, async (t) => {
    const port = await findPort(['127.0.0.1'], Math.random);
    const node = {
      nodeId: 1,
      name: 'node1',
      address: '127.0.0.1',
      instance: `rondo-containment-${process.pid}`,
      configFile: join(directory, 'corosync.conf'),
      stateDirectory: directory,
      lockFile: join(directory, 'rondod.pid'),
      logFile: join(directory, 'corosync.log'),
      page: null,
    };
    for (const file of readdirSync(directory)) if (/^fdata|^flight|log$/.test(file)) rmSync(join(directory, file));
    writeFileSync(node.configFile, configText([node], node, 'udpu', port, ''));
    const preload = join(directory, 'plant.mjs');
    writeFileSync(preload, plant(one));
    const words = ['--import', preload, DAEMON_ENTRY, '-f', '-c', node.configFile, '-l', node.lockFile];
    const places = ['--ipc-instance', node.instance, '--state-dir', directory, '--node', node.name];
    const child = spawn(process.execPath, [...words, ...places], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    t.teardown(() => child.kill('SIGKILL'));
    await until(() => child.exitCode !== null || child.signalCode !== null, `the end, ${READY_MS} ms`);
    const status = await ended;
    const log = existsSync(node.logFile) ? readFileSync(node.logFile, 'latin1') : '';
    t.equal(status, FATAL, `${child.signalCode}`);
    t.match(log + stderr, /planted/, 'the reason is told');
    t.notMatch(log + stderr, /^\s+at /m, 'no stack');
    t.ok(existsSync(join(directory, 'fdata')), 'flight data');
    const records = readFlight(readFileSync(join(directory, FLIGHT_FILE)))?.records ?? [];
    if (one.part !== 'the ring thread')
      t.match(records.at(-1), { kind: 'end', reason: /planted/ }, 'the recorder has the reason');
    const refused = await new Promise((resolve) => {
      connect({ path: `\0${node.instance}-cmap` })
        .once('error', () => resolve(true))
        .once('connect', () => resolve(false));
    });
    t.ok(refused, 'nobody listens');
    t.comment(
      `${status} | ${log
        .split('\n')
        .filter((line) => /planted|exiting/.test(line))
        .join(' | ')} | ${stderr.slice(0, 200)}`,
    );
  });
}
