import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { configText, findPort } from '../../src/cli/demo/generate.ts';
import { Cmap, Cpg, Quorum } from '../../src/client/index.ts';
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

interface PlantedDaemon {
  readonly instance: string;
  /** Its status when it has ended. */
  readonly ended: Promise<number | null>;
  readonly over: () => boolean;
  /** Log and standard error so far. */
  readonly words: () => string;
  readonly stop: (signal: NodeJS.Signals) => void;
}

/** A daemon alone in its ring with a fault in it. */
async function startPlanted(one: Plant): Promise<PlantedDaemon> {
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
  return {
    instance: node.instance,
    ended: new Promise<number | null>((resolve) => child.once('close', resolve)),
    over: () => child.exitCode !== null || child.signalCode !== null,
    words: () => (existsSync(node.logFile) ? readFileSync(node.logFile, 'latin1') : '') + stderr,
    stop: (signal) => child.kill(signal),
  };
}

const nobodyListens = (instance: string): Promise<boolean> =>
  new Promise((resolve) => {
    connect({ path: `\0${instance}-cmap` })
      .once('error', () => resolve(true))
      .once('connect', () => resolve(false));
  });

for (const one of PLANTS) {
  t.test(`an exception in ${one.part}`, async (t) => {
    const daemon = await startPlanted(one);
    t.teardown(() => daemon.stop('SIGKILL'));
    await until(daemon.over, `the end, ${READY_MS} ms`);
    t.equal(await daemon.ended, FATAL);
    const words = daemon.words();
    t.match(words, /planted/, 'the reason is told');
    t.notMatch(words, /^\s+at /m, 'no stack');
    t.ok(existsSync(join(directory, 'fdata')), 'flight data');
    const records = readFlight(readFileSync(join(directory, FLIGHT_FILE)))?.records ?? [];
    if (one.part !== 'the ring thread')
      t.match(records.at(-1), { kind: 'end', reason: /planted/ }, 'the recorder has the reason');
    t.ok(await nobodyListens(daemon.instance), 'nobody listens');
  });
}

t.test('an exception in the request of a client stops that service, not the daemon', async (t) => {
  const daemon = await startPlanted({
    part: 'a request of cmap',
    module: 'services/cmap/library.js',
    method: 'CmapLibrary.prototype.set',
    afterMs: 0,
  });
  t.teardown(() => daemon.stop('SIGKILL'));
  const options = { instance: daemon.instance, waitReadyMs: READY_MS };
  const [attacker, bystander] = [await Cmap.connect(options), await Cmap.connect(options)];
  const quorum = await Quorum.connect(options);
  const cpg = await Cpg.connect(options);
  await t.rejects(attacker.set('containment.key', 'u32', 1), 'the request fails');
  await t.rejects(bystander.get('totem.version'), 'the service has ended for all its clients');
  t.equal(await quorum.isQuorate(), true, 'other services go on');
  await cpg.join('group');
  const after = await Quorum.connect(options);
  t.equal(await after.isQuorate(), true, 'for new clients, too');
  t.match(daemon.words(), /Service engine \S+ failed and was stopped: .*planted/);
  t.notOk(daemon.over(), 'it lives');
  for (const client of [quorum, cpg, after]) await client.close();
  daemon.stop('SIGTERM');
  t.equal(await daemon.ended, 0, 'and ends in order');
});

t.test('an exception in a cpg request of a client ends the daemon: the ring thread served it', async (t) => {
  const daemon = await startPlanted({
    part: 'a request of cpg',
    module: 'services/cpg/cpg-core.js',
    method: 'CpgCore.prototype.request',
    afterMs: 0,
  });
  t.teardown(() => daemon.stop('SIGKILL'));
  const cpg = await Cpg.connect({ instance: daemon.instance, waitReadyMs: READY_MS }).catch(() => null);
  await t.rejects(async () => {
    if (cpg === null) throw new Error('its first request failed');
    await cpg.join('group');
  }, 'the request fails');
  t.equal(await daemon.ended, FATAL);
  t.match(daemon.words(), /planted/, 'the reason is logged');
  t.ok(await nobodyListens(daemon.instance), 'nobody listens');
});
