import { Socket } from 'node:net';
import { MessageChannel, Worker } from 'node:worker_threads';
import { MainBridge, type MainBridgeHandler } from '../bridge/main-bridge.ts';
import type { ToRing } from '../bridge/messages.ts';
import { RING_WORKER_DATA_VERSION, type RingWorkerData, type RingWorkerOptions } from '../bridge/ring-worker-data.ts';
import { allocateShared, type SharedViews, StateWord } from '../bridge/shared-layout.ts';
import type { AttachedClient } from '../lib/client-descriptor.ts';
import { failureText } from '../lib/failure.ts';
import type { TransmitBuffers } from '../lib/transmit-buffers.ts';
import { closeEventfd, openEventfd, signalEventfd } from '../os/eventfd.ts';
import { closeFd } from '../os/fd.ts';
import { openSocketPair } from '../os/socket.ts';
import { allocateTransmit, TransmitShared } from '../transport/knet/transmit/shared.ts';
import type { TransmitThreadData } from '../transport/knet/transmit/thread.ts';
import { HangWatch } from './hang-watch.ts';
import { ticks } from './ticks.ts';

const WORKER = new URL('../../workers/ring.js', import.meta.url);
const TRANSMIT_WORKER = new URL('../../workers/transmit.js', import.meta.url);
/** How often the memory between the threads is looked at without a doorbell: a lost one must not cost more than this. */
const SAFETY_POLL_MS = 500;

/** What becomes of the ring thread. */
export interface RingThreadHandler extends MainBridgeHandler {
  /** The loop of the ring thread did not turn for so many seconds: reported again at each doubling. `started`: it has turned before. */
  hangs(seconds: number, started: boolean): void;
  /** The worker is gone; `error` when it was not told to end. */
  exited(error: Error | null): void;
}

/** What the thread's two ends are joined by, while it runs. */
interface Running {
  readonly handler: RingThreadHandler;
  /** Rung for the ring thread. */
  readonly ringFd: number;
  readonly ringEndOfDoorbellFd: number;
  readonly doorbell: Socket;
  stopSafety: (() => void) | null;
}

/** The ring thread as the main thread has it: start, messages both ways, doorbells, end. What is sent before the start waits for it. */
export class RingHandle {
  private readonly shared = allocateShared();
  private readonly bridge = new MainBridge(this.shared, () => {
    if (this.running !== null) signalEventfd(this.running.ringFd);
  });
  /** Brings the memory of clients in this process to the ring thread. */
  private readonly localMemory = new MessageChannel();
  private running: Running | null = null;
  private failure: Error | null = null;
  private readonly transmitThreads: Worker[] = [];
  private draining = false;
  private ended = false;

  constructor(private readonly options: RingWorkerOptions) {}

  /** Starts the worker. Throws when there is no descriptor or thread to be had, with nothing left open. */
  start(handler: RingThreadHandler): void {
    const ringFd = openEventfd();
    let pair: readonly [number, number] | null = null;
    try {
      pair = openSocketPair();
      this.startWorker(ringFd, pair[1]);
    } catch (error) {
      for (const fd of pair ?? []) closeFd(fd);
      closeEventfd(ringFd);
      throw error;
    }
    const doorbell = new Socket({ fd: pair[0], readable: true, writable: false });
    doorbell.on('data', () => this.drain());
    doorbell.on('error', () => {}); // the other end closed with the worker
    const running: Running = { handler, ringFd, ringEndOfDoorbellFd: pair[1], doorbell, stopSafety: null };
    this.running = running;
    const watch = new HangWatch(SAFETY_POLL_MS, (seconds, started) => handler.hangs(seconds, started));
    running.stopSafety = ticks.every(SAFETY_POLL_MS, () => {
      this.drain();
      watch.tick(Atomics.load(this.bridge.views.state, StateWord.LOOP_TURNS));
    });
    this.drain(); // announces the sleep, so that the first record rings
  }

  private startWorker(ringDoorbellFd: number, mainDoorbellFd: number): void {
    const { shared, options } = this;
    const version = RING_WORKER_DATA_VERSION;
    const localMemory = this.localMemory.port2;
    const transmit = options.transmitThreads > 0 ? allocateTransmit(options.transmitThreads) : null;
    const workerData: RingWorkerData = {
      version,
      shared,
      ringDoorbellFd,
      mainDoorbellFd,
      localMemory,
      transmit,
      options,
    };
    const transferList = [localMemory];
    const worker = new Worker(WORKER, { workerData, transferList, name: 'ring', stdout: false, stderr: false });
    worker.once('error', (error) => this.noteFailure(error));
    worker.once('exit', (code) => this.exited(code));
    if (transmit !== null) this.startTransmit(transmit);
  }

  /** They end when the ring thread tells them to; one that fails takes the ring with it, whose end is reported with what that one threw. */
  private startTransmit(buffers: TransmitBuffers): void {
    const { schedRr, schedPriority } = this.options;
    const transmit = new TransmitShared(buffers);
    for (let index = 0; index < buffers.threads; index++) {
      const workerData: TransmitThreadData = { buffers, index, schedRr, schedPriority };
      const worker = new Worker(TRANSMIT_WORKER, {
        workerData,
        name: `transmit-${index}`,
        stdout: false,
        stderr: false,
      });
      worker.once('error', (error) => {
        this.noteFailure(new Error(`transmit thread ${index} failed: ${failureText(error)}`, { cause: error }));
        transmit.fail();
        this.send({ op: 'die' }); // descriptors are closed when it has ended, not before
      });
      worker.once('exit', () => transmit.noteEnded());
      this.transmitThreads.push(worker);
    }
  }

  private noteFailure(error: unknown): void {
    this.failure ??= error instanceof Error ? error : new Error(String(error));
  }

  get views(): SharedViews {
    return this.bridge.views;
  }

  send(message: ToRing): void {
    if (!this.ended) this.bridge.send(message);
  }

  /** The ring thread serves a client in this process from now on, whose messages travel in `shared`. */
  attachLocal(client: AttachedClient, shared: SharedArrayBuffer): void {
    if (this.ended) return;
    this.localMemory.port1.postMessage(shared);
    this.bridge.send({ op: 'localAttach', client });
  }

  /** Such a client has requests, room for events, or is gone. */
  knockForClients(): void {
    if (!this.ended) this.bridge.knockForClients();
  }

  /** Sends a key ahead of the configuration that needs it. */
  sendKey(fingerprint: string, key: Uint8Array): void {
    if (!this.ended) this.bridge.sendKey(fingerprint, key);
  }

  mcast(serviceId: number, fn: number, message: Uint8Array): boolean {
    return !this.ended && this.bridge.mcast(serviceId, fn, message);
  }

  private drain(): void {
    const { running } = this;
    if (this.draining || running === null) return;
    this.draining = true;
    try {
      if (this.bridge.drain(running.handler)) setImmediate(() => this.drain());
    } finally {
      this.draining = false;
    }
  }

  private exited(code: number): void {
    const { running } = this;
    if (running === null) return;
    const { handler, ringFd, ringEndOfDoorbellFd, doorbell, stopSafety } = running;
    while (this.bridge.drain(handler)); // its last messages, before the news of its end
    this.ended = true;
    this.running = null;
    this.localMemory.port1.close();
    for (const thread of this.transmitThreads) void thread.terminate(); // those that nobody has stopped
    stopSafety?.();
    doorbell.destroy();
    closeFd(ringEndOfDoorbellFd);
    closeEventfd(ringFd);
    handler.exited(this.failure ?? (code === 0 ? null : new Error(`the ring thread ended with status ${code}`)));
  }
}
