import { workerData } from 'node:worker_threads';
import type { RingWorkerData } from '../src/bridge/ring-worker-data.ts';
import { importInTurn } from '../src/os/import-in-turn.ts';

const module = new URL('../src/ring/run.js', import.meta.url);
const { runRingThread } = await importInTurn<typeof import('../src/ring/run.ts')>(module);
runRingThread(workerData as RingWorkerData);
