import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DaemonProcess } from '../src/cli/demo/daemon-process.ts';
import { findPort, writeLayout } from '../src/cli/demo/generate.ts';
import { Cmap, Cpg } from '../src/client/index.ts';
import { type CpuProfile, flameGraph, framesOf } from './flame-graph.ts';

/**
 * Where the time of one message and of one request goes: a node of its own over udpu, profiled while one client sends messages one after
 * the other and then asks for a key of the map. `node dist/perf/flame.js` writes docs/flame.svg. Needs no root.
 */
const ENTRY = fileURLToPath(new URL('../src/daemon/entry.js', import.meta.url));
const TARGET = fileURLToPath(new URL('../../docs/flame.svg', import.meta.url));
const RUNS = 10_000;
const WARM_UP = 10_000;
const READY_MS = 60_000;
/** Waits of the threads: epoll and spinning of the ring thread, libuv of the main thread. */
const ASLEEP = new Set(['wait', 'waitExactly', '(idle)', 'sleep', 'yieldCpu']);

interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

async function repeat(run: () => Promise<void>): Promise<Span> {
  for (let at = 0; at < WARM_UP; at++) await run();
  const fromUs = nowUs();
  for (let at = 0; at < RUNS; at++) await run();
  return { fromUs, toUs: nowUs() };
}

async function messages(options: Parameters<typeof Cpg.connect>[0]): Promise<Span> {
  const cpg = await Cpg.connect(options);
  await cpg.join('flame');
  const events = cpg.events()[Symbol.asyncIterator]();
  const data = new Uint8Array(64);
  const span = await repeat(async () => {
    await cpg.send(data);
    for (let type = ''; type !== 'message'; ) type = (await events.next()).value?.type ?? 'message';
  });
  await cpg.close();
  return span;
}

async function requests(options: Parameters<typeof Cmap.connect>[0]): Promise<Span> {
  const cmap = await Cmap.connect(options);
  const span = await repeat(async () => {
    await cmap.get('totem.cluster_name');
  });
  cmap.close();
  return span;
}

const directory = mkdtempSync(join(tmpdir(), 'rondo-flame-'));
try {
  const port = await findPort(['127.0.0.1'], Math.random);
  const layout = writeLayout(directory, 1, 'udpu', port, `rondo-flame-${process.pid}`);
  const node = layout.nodes[0]!;
  const profiling = ['--cpu-prof', `--cpu-prof-dir=${directory}`, '--cpu-prof-interval=100'];
  const daemon = new DaemonProcess(node, ENTRY, () => {}, profiling);
  daemon.start();
  const options = { instance: node.instance, waitReadyMs: READY_MS };
  const message = await messages(options);
  const request = await requests(options);
  daemon.stop();
  await daemon.gone(READY_MS);
  const profiles = readdirSync(directory)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) => JSON.parse(readFileSync(join(directory, name), 'utf8')) as CpuProfile);
  const ring = profiles.find(({ nodes }) => nodes.some(({ callFrame }) => callFrame.functionName === 'runRingThread'));
  const main = profiles.find((profile) => profile !== ring);
  if (ring === undefined || main === undefined) throw new Error(`${profiles.length} profiles instead of two`);
  const graphs = [
    { title: 'ring thread, one message of 64 B', profile: ring, span: message },
    { title: 'main thread, one cmap_get', profile: main, span: request },
  ];
  writeFileSync(
    TARGET,
    flameGraph(
      graphs.map(({ title, profile, span }) => ({
        title,
        root: framesOf(profile, span.fromUs, span.toUs, ASLEEP),
        runs: RUNS,
      })),
    ),
  );
  console.log(`${TARGET}: two of ${RUNS} runs each`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
