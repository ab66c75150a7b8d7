import { workerData } from 'node:worker_threads';
import type { RingWorkerData } from '../src/bridge/ring-worker-data.ts';
import { runRingThread } from '../src/ring/run.ts';

runRingThread(workerData as RingWorkerData);
