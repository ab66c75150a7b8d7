import type { MessagePort } from 'node:worker_threads';
import type { TransmitBuffers } from '../lib/transmit-buffers.ts';

/**
 * Start of the ring thread: what the main thread hands over, and who does what.
 *
 *   main thread                                                     ring thread (workers/ring.ts)
 *   ───────────                                                     ─────────────────────────────
 *   const shared = allocateShared();
 *   const ringFd = eventfd(0, NONBLOCK)
 *   const [mainFd, toMainFd] = socketpair(STREAM, NONBLOCK)
 *   new Worker('workers/ring.js', { workerData: RingWorkerData })
 *   bridge = new MainBridge(shared, () => write(ringFd, 1))
 *   new net.Socket({ fd: mainFd }).on('data', () => bridge.drain(handler))
 *                                        <── JSON ready ─────────── loop runs, nothing opened yet
 *   bridge.send({ op: 'start', … })      ─────────────────────────> sockets opened, 100 ms later:
 *                                        <── JSON interfaceUp ───── (main loads the services now, services.md 11.1)
 *   bridge.send({ op: 'servicesLoaded' }) ────────────────────────> the ring forms
 *                                        <── configurationChange, sync, DELIVER, …
 *   bridge.send({ op: 'stop' })          ─────────────────────────> drains, sends LEAVE, closes
 *                                        <── JSON stopped ───────── and the worker exits by itself
 *
 * * Both descriptors given here belong to the main thread, which closes them after the worker's 'exit'. Descriptors in
 *   `clientAttach` belong to the ring thread from the moment the record is sent.
 * * The worker never returns to libuv, so `worker.terminate()` may not stop it and `postMessage` does not reach it:
 *   only `stop` does. An error it throws ends the process's ring: 'error' and 'exit' events, treat as fatal.
 * * A process in which `start` is refused (no such interface, port in use) gets `fatal` with a code, then 'exit'.
 */
export const RING_WORKER_DATA_VERSION = 3;

export interface RingWorkerData {
  readonly version: typeof RING_WORKER_DATA_VERSION;
  /** From `allocateShared()`: state words, statistics, the two record rings (shared-layout.ts). */
  readonly shared: SharedArrayBuffer;
  /** eventfd, non-blocking; the main thread writes to it when the ring thread sleeps. */
  readonly ringDoorbellFd: number;
  /** The ring thread's end of a non-blocking stream socketpair; it writes one byte when the main thread sleeps. */
  readonly mainDoorbellFd: number;
  /** Brings the memory of clients in this process, a SharedArrayBuffer each, in the order of the `localAttach` records; `null`: there are none. */
  readonly localMemory: MessagePort | null;
  /** What the ring thread shares with transmit threads; `null`: there are none. */
  readonly transmit: TransmitBuffers | null;
  readonly options: RingWorkerOptions;
}

/** Where the ring thread writes what the flight recorder keeps (observe/flight): memory that the main thread has mapped for good. */
export interface FlightMemory {
  readonly address: number;
  readonly byteLength: number;
  /** Records of each part. */
  readonly records: readonly number[];
  readonly life: number;
  /** Sequence number of the last record of the ring thread's part. */
  readonly lastSequence: number;
}

/** Settings of the loop itself; `DEFAULT_RING_WORKER_OPTIONS` suits every machine. */
export interface RingWorkerOptions {
  /** How long the loop polls without sleeping after the last work, microseconds; 0 never spins. */
  readonly spinUs: number;
  /** Real-time round-robin scheduling of this thread as stock: maximum priority, or none (`system.sched_rr`). */
  readonly schedRr: boolean;
  /** SCHED_RR priority; 0 = the maximum (`system.priority: max`). */
  readonly schedPriority: number;
  /** Keeps the frames' memory from being swapped, page by page as it is used. */
  readonly lockMemory: boolean;
  /** `null`: no flight recorder. */
  readonly flight: FlightMemory | null;
  /** Threads that encrypt and send for the ring thread (knet): 0, 1, 2 or 4. */
  readonly transmitThreads: number;
  /** The code of a message's way is compiled before the first one comes (ring/warm-up). */
  readonly warmUp: boolean;
}

export const DEFAULT_RING_WORKER_OPTIONS: RingWorkerOptions = {
  spinUs: 50,
  schedRr: false,
  schedPriority: 0,
  lockMemory: false,
  flight: null,
  transmitThreads: 0,
  warmUp: false,
};
