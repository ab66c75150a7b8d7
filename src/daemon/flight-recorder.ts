import { closeSync, fdatasync, fdatasyncSync, write, writeSync } from 'node:fs';
import type { FlightMemory } from '../bridge/ring-worker-data.ts';
import type { Icmap } from '../config/icmap/index.ts';
import { defaultNumber } from '../config/options/index.ts';
import type { LogFunction } from '../lib/log.ts';
import {
  type FlightLog,
  type FlightPart,
  type FlightRecord,
  FlightWriter,
  NO_FLIGHT_LOG,
  readFlight,
} from '../observe/flight/index.ts';
import { monotonicMs } from '../os/clock.ts';
import { type CopyRun, copyRuns } from './flight-copy.ts';
import { FlightStore, flightHeaderOf } from './flight-store.ts';
import { type LiveFlight, openLiveFlight, sweepLiveFlights } from './live-flight.ts';
import { ticks } from './ticks.ts';

/** How often new records are copied into the file. */
const COPY_MS = 500;
/** The disk is waited for (by libuv's threads) at most this often. */
const SYNC_MS = 1000;

/** Part of the recorder that the daemon's parts get. */
export interface FlightRecorder {
  /** Of the main thread. */
  readonly main: FlightLog;
  readonly clients: FlightLog;
  /** What the ring thread writes into; `null`: no recorder. */
  readonly memory: FlightMemory | null;
  /** The file; `null`: there is none. */
  readonly path: string | null;
  start(): void;
  /** Everything up to here is written and, as far as the system can, on the disk. For a process that is about to end. */
  flush(): void;
  /** An end in order: the live memory is not needed any more. */
  close(): void;
  /** Latest records of this life, in order; no more than a few thousand. */
  recent(): readonly FlightRecord[];
}

export const NO_FLIGHT_RECORDER: FlightRecorder = {
  main: NO_FLIGHT_LOG,
  clients: NO_FLIGHT_LOG,
  memory: null,
  path: null,
  start: () => {},
  flush: () => {},
  close: () => {},
  recent: () => [],
};

export interface FlightRecorderOptions {
  readonly stateDirectory: string;
  /** Of the file. */
  readonly bytes: number;
  readonly nodeId: number;
  readonly log: LogFunction;
}

/** Smaller ones hold too little to explain anything; larger ones take a start too long. */
const FILE_BYTES_MIN = 1 << 18;
const FILE_BYTES_MAX = 1 << 28;
const FILE_BYTES_DEFAULT = defaultNumber('system', 'flight_size');

/** Size of the recorder's file as configured; 0: no recorder. */
export function flightBytes(map: Pick<Icmap, 'getU32'>): number {
  const wanted = map.getU32('system.flight_size') ?? FILE_BYTES_DEFAULT;
  return wanted === 0 ? 0 : Math.min(Math.max(wanted, FILE_BYTES_MIN), FILE_BYTES_MAX);
}

/** Opens the recorder; whatever is missing is logged, and the daemon goes on with what there is. */
export function openFlightRecorder(options: FlightRecorderOptions): FlightRecorder {
  const { log, bytes } = options;
  if (bytes === 0) return NO_FLIGHT_RECORDER;
  try {
    const store = FlightStore.open(options);
    const live = openLiveFlight(store);
    if (live.missing !== null) {
      const lost = `what happens in the last ${COPY_MS} ms before a kill is lost`;
      log('warning', 'MAIN', `The flight recorder has no memory in /dev/shm (${live.missing}): ${lost}`);
    }
    store.setLive(live.path);
    sweepLiveFlights(flightHeaderOf);
    return new Recorder(store, live, options);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log('warning', 'MAIN', `There is no flight recorder: ${why}. 'rondo why' will have nothing to go by`);
    return NO_FLIGHT_RECORDER;
  }
}

/**
 * Both threads write into memory that survives the process (a file in /dev/shm), never into the file itself: a page of a file on a disk
 * that is being written back makes whoever stores into it wait for the disk, for seconds on a busy one. The main thread copies what is new into the
 * file and lets libuv's threads wait for it.
 */
class Recorder implements FlightRecorder {
  readonly main: FlightLog;
  readonly clients: FlightLog;
  readonly memory: FlightMemory;
  readonly path: string;
  private readonly copied: Record<FlightPart, number>;
  private stopCopies: (() => void) | null = null;
  private busy = false;
  private unsynced = false;
  private syncedMs = 0;
  private failed = false;
  private open = true;

  constructor(
    private readonly store: FlightStore,
    private readonly live: LiveFlight,
    private readonly options: FlightRecorderOptions,
  ) {
    const { life, last } = store;
    const writer = (part: FlightPart): FlightWriter =>
      new FlightWriter(live.bytes, {
        part,
        layout: live.layout,
        life,
        lastSequence: last[part],
        clock: CLOCK,
      });
    this.main = writer('main');
    this.clients = writer('clients');
    this.copied = { ...last };
    this.path = store.path;
    const { address, byteLength } = live;
    const records = live.layout.parts.map((part) => part.records);
    this.memory = { address, byteLength, records, life, lastSequence: last.ring };
  }

  start(): void {
    this.stopCopies = ticks.every(COPY_MS, () => this.copy());
  }

  recent(): readonly FlightRecord[] {
    return readFlight(this.live.bytes)?.records ?? [];
  }

  flush(): void {
    if (!this.open) return;
    try {
      for (const run of this.runs()) {
        writeSync(this.store.fd, this.live.bytes, run.from, run.bytes, run.to);
        this.copied[run.part] = run.last;
      }
      fdatasyncSync(this.store.fd);
    } catch (error) {
      this.note(error);
    }
  }

  close(): void {
    if (!this.open) return;
    this.stopCopies?.();
    this.flush();
    this.open = false;
    try {
      this.store.setLive('');
      this.live.remove();
    } catch (error) {
      this.note(error);
    }
    if (!this.busy) closeSync(this.store.fd);
  }

  /** One after the other, each by libuv's threads. */
  private copy(): void {
    if (this.busy || !this.open) return;
    const run = this.runs()[0];
    if (run === undefined) {
      this.sync();
      return;
    }
    this.busy = true;
    write(this.store.fd, this.live.bytes, run.from, run.bytes, run.to, (error) => {
      this.busy = false;
      if (!this.open) closeSync(this.store.fd);
      if (error === null) {
        this.copied[run.part] = run.last;
        this.unsynced ||= run.part !== 'clients';
        this.failed = false;
        this.copy();
      } else this.note(error);
    });
  }

  private sync(): void {
    const nowMs = monotonicMs();
    if (!this.unsynced || nowMs - this.syncedMs < SYNC_MS) return;
    this.unsynced = false;
    this.busy = true;
    this.syncedMs = nowMs;
    fdatasync(this.store.fd, (error) => {
      this.busy = false;
      if (!this.open) closeSync(this.store.fd);
      if (error !== null) this.note(error);
    });
  }

  private note(error: unknown): void {
    if (this.failed) return;
    this.failed = true;
    const why = error instanceof Error ? error.message : String(error);
    this.options.log('warning', 'MAIN', `The flight recorder's file ${this.path} cannot be written: ${why}`);
  }

  /** Ranges of the live memory that the file does not have yet. */
  private runs(): readonly CopyRun[] {
    return this.live.layout.parts.flatMap((from, index) => {
      const to = this.store.layout.parts[index];
      if (to === undefined) return [];
      return copyRuns(from, to, this.copied[from.part], this.live.cursor(from.part));
    });
  }
}

const CLOCK = { monotonicMs, wallMs: () => Date.now() };
