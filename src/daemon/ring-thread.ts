import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { MainBridge, type MainBridgeHandler } from '../bridge/main-bridge.ts';
import type { ToRing } from '../bridge/messages.ts';
import { RING_WORKER_DATA_VERSION, type RingWorkerData, type RingWorkerOptions } from '../bridge/ring-worker-data.ts';
import { allocateShared, type SharedViews, StateWord } from '../bridge/shared-layout.ts';
import { closeEventfd, openEventfd, signalEventfd } from '../os/eventfd.ts';
import { closeFd } from '../os/fd.ts';
import { openSocketPair } from '../os/socket.ts';
import { HangWatch } from './hang-watch.ts';

const WORKER = new URL('../../workers/ring.js', import.meta.url);
/** How often the memory between the threads is looked at without a doorbell: a lost one must not cost more than this. */
const SAFETY_POLL_MS = 250;

/** What becomes of the ring thread. */
export interface RingThreadHandler extends MainBridgeHandler {
  /** The loop of the ring thread did not turn for so many seconds: told again at each doubling. */
  hangs(seconds: number): void;
  /** The worker is gone; `error` when it was not told to end. */
  exited(error: Error | null): void;
}

/** The ring thread as the main thread has it: start, messages both ways, doorbells, end. */
export class RingThread {
  private readonly bridge: MainBridge;
  private readonly worker: Worker;
  private readonly doorbell: Socket;
  private readonly ringFd: number;
  private readonly ringEndOfDoorbellFd: number;
  private readonly safety: NodeJS.Timeout;
  private failure: Error | null = null;
  private draining = false;
  private ended = false;

  constructor(
    options: RingWorkerOptions,
    private readonly handler: RingThreadHandler,
  ) {
    const shared = allocateShared();
    this.ringFd = openEventfd();
    const [mainFd, ringEndFd] = openSocketPair();
    this.ringEndOfDoorbellFd = ringEndFd;
    this.bridge = new MainBridge(shared, () => signalEventfd(this.ringFd));
    this.doorbell = new Socket({ fd: mainFd, readable: true, writable: false });
    this.doorbell.on('data', () => this.drain());
    this.doorbell.on('error', () => {}); // the other end closed with the worker
    const workerData: RingWorkerData = {
      version: RING_WORKER_DATA_VERSION,
      shared,
      ringDoorbellFd: this.ringFd,
      mainDoorbellFd: ringEndFd,
      options,
    };
    this.worker = new Worker(WORKER, { workerData, name: 'ring', stdout: false, stderr: false });
    this.worker.once('error', (error) => {
      this.failure = error instanceof Error ? error : new Error(String(error));
    });
    this.worker.once('exit', (code) => this.exited(code));
    const watch = new HangWatch(SAFETY_POLL_MS, (seconds) => handler.hangs(seconds));
    this.safety = setInterval(() => {
      this.drain();
      watch.tick(Atomics.load(this.bridge.views.state, StateWord.LOOP_TURNS));
    }, SAFETY_POLL_MS);
    this.drain(); // announces the sleep, so that the first record rings
  }

  get views(): SharedViews {
    return this.bridge.views;
  }

  send(message: ToRing): void {
    if (!this.ended) this.bridge.send(message);
  }

  /** Sends a key ahead of the configuration that needs it. */
  sendKey(fingerprint: string, key: Uint8Array): void {
    if (!this.ended) this.bridge.sendKey(fingerprint, key);
  }

  mcast(serviceId: number, fn: number, message: Uint8Array): boolean {
    return !this.ended && this.bridge.mcast(serviceId, fn, message);
  }

  private drain(): void {
    if (this.draining) return;
    this.draining = true;
    try {
      if (this.bridge.drain(this.handler)) setImmediate(() => this.drain());
    } finally {
      this.draining = false;
    }
  }

  private exited(code: number): void {
    while (this.bridge.drain(this.handler)); // all that it said last, before the news of its end
    this.ended = true;
    clearInterval(this.safety);
    this.doorbell.destroy();
    closeFd(this.ringEndOfDoorbellFd);
    closeEventfd(this.ringFd);
    this.handler.exited(this.failure ?? (code === 0 ? null : new Error(`the ring thread ended with status ${code}`)));
  }
}
