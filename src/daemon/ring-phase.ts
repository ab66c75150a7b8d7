import type { ToRing } from '../bridge/messages.ts';
import { failureText, stackOf } from '../lib/failure.ts';
import type { LogFunction } from '../lib/log.ts';
import { Deferred, settlesWithin } from './deferred.ts';
import { DaemonExit, ExitCode } from './exit-codes.ts';
import type { Phase } from './phases.ts';
import type { RingHandle, RingThreadHandler } from './ring-handle.ts';
import type { RingIdStore } from './ring-id-store.ts';

/** How long each step of the orderly stop may take before the daemon goes on without it. */
export const STOP_STEP_MS_MAX = 5_000;
/** A ring thread that stalls this long will not come back. */
const HANG_END_SECONDS = 30;

export interface RingPhasePorts {
  readonly log: LogFunction;
  readonly ringIds: Pick<RingIdStore, 'close'>;
  readonly thread: Pick<RingHandle, 'start' | 'send'>;
  /** The messages of the thread, while it runs. */
  readonly messages: Pick<RingThreadHandler, 'message' | 'deliver' | 'newsForClients'>;
  dumpFlightData(): void;
  /** An orderly exit would wait for the thread: the process aborts, or its program learns that the node is lost. */
  aborts(reason: string): void;
  /** The thread is gone: whoever waits for something from it must not wait any longer. */
  gone(): void;
  /** It ended by itself. */
  failed(error: unknown): void;
}

/** The ring thread's life: started first, stopped last, watched in between. */
export class RingPhase implements Phase {
  readonly name = 'ring thread';
  private readonly stopped = new Deferred<void>();
  private readonly exited = new Deferred<void>();
  private readonly unloading = new Map<number, Deferred<void>>();
  private isGone = false;
  private isEnding = false;
  /** As the ring thread reported when it stopped; 0: it did not. */
  private ringSeqUsed = 0;

  constructor(private readonly ports: RingPhasePorts) {}

  /** Resolves when the thread has ended. */
  get whenGone(): Promise<void> {
    return this.exited.promise;
  }

  begin(): void {
    this.ports.thread.start({
      ...this.ports.messages,
      hangs: (seconds, started) => this.hangs(seconds, started),
      exited: (error) => this.ended(error),
    });
  }

  /** Leaves the ring in an orderly way, and gives back the ring ids that were not used. */
  async end(): Promise<void> {
    const { log, ringIds } = this.ports;
    this.isEnding = true;
    this.send({ op: 'stop' });
    const stopped = await settlesWithin(STOP_STEP_MS_MAX, Promise.all([this.stopped.promise, this.exited.promise]));
    const kept = this.ringSeqUsed > 0 ? ringIds.close(this.ringSeqUsed) : null;
    if (kept !== null) log('warning', 'TOTEM', `The reserved ring ids stay reserved: ${kept}`);
    if (!stopped) log('warning', 'TOTEM', `The ring thread did not stop in ${STOP_STEP_MS_MAX} ms`);
  }

  /** Unloads an engine that runs there; resolves when that is done, or cannot be. */
  async unload(serviceId: number): Promise<void> {
    if (this.isGone) return; // and its clients with it
    const unloaded = new Deferred<void>();
    this.unloading.set(serviceId, unloaded);
    this.send({ op: 'unloadService', serviceId });
    await settlesWithin(STOP_STEP_MS_MAX, unloaded.promise);
  }

  noteUnloaded(serviceId: number): void {
    this.unloading.get(serviceId)?.resolve();
  }

  noteStopped(ringSeqUsed: number): void {
    this.ringSeqUsed = ringSeqUsed;
    this.stopped.resolve();
  }

  private send(message: ToRing): void {
    this.ports.thread.send(message);
  }

  /** The other nodes have gone on without this one by then; what is left is to log why, and to make room for a restart. */
  private hangs(seconds: number, started: boolean): void {
    const { log, dumpFlightData, aborts } = this.ports;
    if (!started) {
      log('notice', 'MAIN', `The ring thread has not started for ${seconds} s: this machine is busy`);
      return;
    }
    const text = `The ring thread has not run for ${seconds} s`;
    log('crit', 'MAIN', `${text}: this node takes no part in the ring`);
    if (seconds < HANG_END_SECONDS) return;
    log('emerg', 'MAIN', `${text}: the daemon aborts`);
    dumpFlightData();
    aborts(text);
  }

  private ended(error: Error | null): void {
    const { log, gone, failed } = this.ports;
    this.isGone = true;
    this.stopped.resolve();
    this.exited.resolve();
    for (const unloaded of this.unloading.values()) unloaded.resolve();
    gone();
    if (error === null) return;
    const text = `The ring thread failed: ${failureText(error)}`;
    log('debug', 'MAIN', stackOf(error));
    if (this.isEnding)
      log('debug', 'MAIN', text); // it has logged why already
    else failed(new DaemonExit(ExitCode.FATAL, text, { cause: error }));
  }
}
