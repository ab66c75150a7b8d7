import { RING_WORKER_DATA_VERSION, type RingWorkerData } from '../bridge/ring-worker-data.ts';
import { assert } from '../lib/assert.ts';
import { RingThread } from './ring-thread.ts';

/** Runs the ring thread until it is told to stop. The worker ends after that; an error ends it with `fatal` first. */
export function runRingThread(data: RingWorkerData): void {
  assert(data.version === RING_WORKER_DATA_VERSION, 'worker data of another version');
  const thread = new RingThread(data);
  try {
    thread.run();
  } catch (error) {
    thread.fail(error);
    throw error;
  }
}
