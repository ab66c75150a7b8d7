import { workerData } from 'node:worker_threads';
import type { RingWorkerData } from '../src/bridge/ring-worker-data.ts';
import { loadProgram } from '../src/os/program.ts';

const { main } = await loadProgram<typeof import('../src/ring/run.ts')>('ring', 'src/ring/run.js');
main.runRingThread(workerData as RingWorkerData);
