import { assert } from '../lib/assert.ts';
import { counted } from '../lib/counted.ts';
import { LineLimit } from '../lib/line-limit.ts';
import type { LogFunction, LogLevel, LogSubsystem } from '../lib/log.ts';
import { type FromRing, RecordKind } from './messages.ts';
import type { RecordReader, RecordWriter } from './record-ring.ts';
import { fromRingWriter, type SharedViews, StateWord, sharedViews, toRingReader } from './shared-layout.ts';

/** Bytes of records that may wait here for a main thread that does not read, before the ring stalls. */
const WAITING_BYTES_MAX = 32 << 20;
/** What a waiting record takes on the heap besides its bytes, roughly. */
const WAITING_OVERHEAD_BYTES = 200;
/** Records that are gone are cut off the list in pieces: cutting each off a long list would cost its whole length. */
const WAITING_CUT = 4096;

/**
 * The ring thread's end of the bridge. It never blocks, and never loses a record that changes state:
 *
 * * The ring to main is full: records queue here, in order, up to `WAITING_BYTES_MAX`. Log records are not queued, they
 *   are dropped and counted.
 * * Beyond that bound `isSaturated()` turns true and the loop *stalls*: it handles neither tokens nor other input
 *   nor timers until the main thread has caught up, as a stopped process would. The other nodes then form a ring without
 *   this one, which is what they do about a stock daemon whose only thread hangs. Losing a message instead would break
 *   the common order of the engines on the main thread. At normal rates (some messages a second) that takes hours.
 */
export class RingBridge {
  readonly views: SharedViews;
  readonly reader: RecordReader;
  private readonly writer: RecordWriter;
  private readonly waiting: { kind: number; argument: number; bytes: Uint8Array }[] = [];
  /** The first one that is still to be written. */
  private waitingAt = 0;
  private waitingBytes = 0;
  private readonly encoder = new TextEncoder();
  /** Bounds the lines of this thread before they cost anything; `report()` is called by the loop. */
  readonly limit: LineLimit;
  readonly log: LogFunction;
  /** Log records that found the ring full. */
  logsDropped = 0;
  private logsDroppedReported = 0;

  constructor(
    shared: SharedArrayBuffer,
    /** Writes one byte into the main thread's socketpair; called only when it sleeps. */
    private readonly wakeMain: () => void,
    nowMs: () => number = () => performance.now(),
  ) {
    this.limit = new LineLimit((level, subsystem, message) => this.writeLog(level, subsystem, message), nowMs);
    this.log = this.limit.log;
    this.views = sharedViews(shared);
    this.reader = toRingReader(shared);
    this.writer = fromRingWriter(shared);
  }

  send(message: FromRing): void {
    const bytes = this.encoder.encode(JSON.stringify(message));
    if (message.op === 'queryResult' && message.value !== null && bytes.length > this.writer.payloadBytesMax) {
      this.send({ ...message, value: null }); // a list as long as clients or peers make it: whoever asked can do without
      return;
    }
    this.write(RecordKind.JSON, 0, bytes, 0, bytes.length);
  }

  /** A message for the engines on the main thread, in total order. Copied. */
  deliver(nodeId: number, memory: Uint8Array, offset: number, length: number): void {
    this.write(RecordKind.DELIVER, nodeId, memory, offset, length);
  }

  private writeLog(level: LogLevel, subsystem: LogSubsystem, message: string): void {
    if (this.waiting.length > 0) {
      this.logsDropped++;
      return;
    }
    if (this.logsDropped > this.logsDroppedReported) this.reportDropped();
    if (!this.tryLog(level, subsystem, message)) this.logsDropped++;
  }

  private reportDropped(): void {
    const count = this.logsDropped - this.logsDroppedReported;
    const text = `${counted(count, 'message')} of the ring thread not logged: the main thread did not keep up`;
    if (this.tryLog('warning', 'MAIN', text)) this.logsDroppedReported = this.logsDropped;
  }

  private tryLog(level: LogLevel, subsystem: LogSubsystem, message: string): boolean {
    const bytes = this.encoder.encode(JSON.stringify({ op: 'log', level, subsystem, message } satisfies FromRing));
    const written = this.writer.tryWrite(RecordKind.JSON, 0, bytes, 0, bytes.length);
    if (written) this.knock();
    return written;
  }

  isSaturated(): boolean {
    return this.waitingBytes > WAITING_BYTES_MAX;
  }

  /** Moves waiting records into the ring; call once a turn. Returns whether all are gone. */
  flush(): boolean {
    for (let next = this.waiting[this.waitingAt]; next !== undefined; next = this.waiting[this.waitingAt]) {
      const { kind, argument, bytes } = next;
      if (!this.writer.tryWrite(kind, argument, bytes, 0, bytes.length)) return false;
      this.waitingAt++;
      this.waitingBytes -= bytes.length + WAITING_OVERHEAD_BYTES;
      assert(this.waitingBytes >= 0, 'what leaves had come to wait');
      if (this.waitingAt === WAITING_CUT || this.waitingAt === this.waiting.length) {
        this.waiting.splice(0, this.waitingAt);
        this.waitingAt = 0;
      }
      this.knock();
    }
    return true;
  }

  /** Call after records of `reader` were released. */
  recordsRead(): void {
    const { state } = this.views;
    if (Atomics.load(state, StateWord.MAIN_WANTS_ROOM) === 0) return;
    Atomics.store(state, StateWord.MAIN_WANTS_ROOM, 0);
    Atomics.store(state, StateWord.MAIN_ASLEEP, 0);
    this.wakeMain();
  }

  /** Whether clients in this process have knocked since the last look. */
  takeKnock(): boolean {
    const { state } = this.views;
    if (Atomics.load(state, StateWord.CLIENTS_KNOCKED) === 0) return false;
    Atomics.store(state, StateWord.CLIENTS_KNOCKED, 0);
    return true;
  }

  /** There is something for clients in this process. */
  notifyClients(): void {
    Atomics.store(this.views.state, StateWord.NEWS_FOR_CLIENTS, 1);
    this.knock();
  }

  /** Announces that this thread is about to sleep. `false`: do not, records or clients are waiting. */
  prepareSleep(): boolean {
    const { state } = this.views;
    Atomics.store(state, StateWord.RING_ASLEEP, 1);
    if (this.reader.isEmpty() && Atomics.load(state, StateWord.CLIENTS_KNOCKED) === 0) return true;
    Atomics.store(state, StateWord.RING_ASLEEP, 0);
    return false;
  }

  awake(): void {
    Atomics.store(this.views.state, StateWord.RING_ASLEEP, 0);
  }

  private write(kind: number, argument: number, from: Uint8Array, offset: number, length: number): void {
    if (this.waiting.length === 0 && this.writer.tryWrite(kind, argument, from, offset, length)) {
      this.knock();
      return;
    }
    this.waiting.push({ kind, argument, bytes: from.slice(offset, offset + length) });
    this.waitingBytes += length + WAITING_OVERHEAD_BYTES;
  }

  private knock(): void {
    if (Atomics.compareExchange(this.views.state, StateWord.MAIN_ASLEEP, 1, 0) === 1) this.wakeMain();
  }
}
