import { assert } from '../lib/assert.ts';
import { packetsForRequest } from '../lib/packet-charge.ts';
import { keyRecord } from './key-box.ts';
import { type FromRing, RecordKind, type ToRing } from './messages.ts';
import type { RecordReader, RecordWriter } from './record-ring.ts';
import { fromRingReader, type SharedViews, StateWord, sharedViews, toRingWriter } from './shared-layout.ts';

/** What the main thread does with the records of the ring thread. */
export interface MainBridgeHandler {
  message(message: FromRing): void;
  /** A message of the ring for an engine here, in total order. `payload` is valid during the call only. */
  deliver(nodeId: number, payload: Uint8Array): void;
  /** The ring thread has responses, events, or the end for clients in this process. */
  newsForClients?(): void;
}

/** Work for the ring in one turn of the loop, before clients have theirs. */
const TURN_MS = 10;

/**
 * The main thread's end of the bridge. Records go out in the order of the calls; when the ring is full (the ring thread
 * stalls) control messages wait in a queue here, and `mcast` returns `false`.
 */
export class MainBridge {
  readonly views: SharedViews;
  private readonly writer: RecordWriter;
  private readonly reader: RecordReader;
  private readonly waiting: { readonly kind: number; readonly bytes: Uint8Array }[] = [];
  private readonly encoder = new TextEncoder();
  private readonly decoder = new TextDecoder();
  private publishing = false;

  constructor(
    shared: SharedArrayBuffer,
    /** Writes to the ring thread's eventfd; called only when it sleeps. */
    private readonly wakeRing: () => void,
  ) {
    this.views = sharedViews(shared);
    this.writer = toRingWriter(shared);
    this.reader = fromRingReader(shared);
  }

  /** Control message: never lost, in order with the `mcast` calls before and after. */
  send(message: ToRing): void {
    this.waiting.push({ kind: RecordKind.JSON, bytes: this.encoder.encode(JSON.stringify(message)) });
    this.flushWaiting();
    this.knock();
  }

  /** The key for the configuration that is sent next. Every copy of it on the way is overwritten. */
  sendKey(fingerprint: string, key: Uint8Array): void {
    this.waiting.push({ kind: RecordKind.KEY, bytes: keyRecord(fingerprint, key) });
    this.flushWaiting();
    this.knock();
  }

  /**
   * Multicasts a whole service message (16-byte header filled in) in group "a". `false`: the send queue of the ring is
   * as good as full or the ring thread does not follow; nothing was sent, try again later.
   *
   * What is multicast in one go is seen by the ring thread in one go, so that no token comes in between: stock nodes rely on it
   * that a node's own votes and those of its quorum device leave in the same ring (services.md 7.6 step 2 is an assertion there).
   */
  mcast(service: number, fn: number, payload: Uint8Array): boolean {
    if (payload.length > this.writer.payloadBytesMax || !this.roomFor(payload.length)) return false;
    this.flushWaiting();
    if (this.waiting.length > 0) return false; // order: control messages first
    const argument = ((service << 16) | fn) >>> 0;
    if (!this.writer.tryAppend(RecordKind.MCAST, argument, payload, 0, payload.length)) return false;
    if (!this.publishing) {
      this.publishing = true;
      queueMicrotask(() => this.publish());
    }
    return true;
  }

  /** Whether the Totem queue has room for `bytes` now (services.md 2.2 step 1), as the ring thread last reported. */
  roomFor(bytes: number): boolean {
    const { state } = this.views;
    const packetBytes = Atomics.load(state, StateWord.QUEUE_PACKET_BYTES);
    if (packetBytes === 0) return true; // not started: the ring thread queues what engines send at their start
    return Atomics.load(state, StateWord.QUEUE_FREE) >= packetsForRequest(bytes, packetBytes);
  }

  /**
   * Handles waiting records, at most `budget`, and for `TURN_MS`: one of them may be an event to a thousand clients. Call it whenever the
   * doorbell's socket is readable. Returns whether more are waiting (call again soon, for example from setImmediate); if not, the next
   * record rings the doorbell.
   */
  drain(handler: MainBridgeHandler, budget = 256): boolean {
    const { state } = this.views;
    Atomics.store(state, StateWord.MAIN_ASLEEP, 0);
    this.flushWaiting();
    const end = performance.now() + TURN_MS;
    for (let count = 0; count < budget; ) {
      if (this.takeNews()) handler.newsForClients?.();
      if (this.reader.peek()) {
        this.handle(handler);
        count++;
        if (performance.now() >= end) return true;
        continue;
      }
      // Announce the sleep, then look once more: whoever writes after this look sees the flag and rings.
      Atomics.store(state, StateWord.MAIN_ASLEEP, 1);
      if (this.reader.isEmpty() && Atomics.load(state, StateWord.NEWS_FOR_CLIENTS) === 0) return false;
      Atomics.store(state, StateWord.MAIN_ASLEEP, 0);
    }
    return true;
  }

  /** A client in this process has requests, room, or is gone. */
  knockForClients(): void {
    Atomics.store(this.views.state, StateWord.CLIENTS_KNOCKED, 1);
    this.knock();
  }

  private takeNews(): boolean {
    const { state } = this.views;
    if (Atomics.load(state, StateWord.NEWS_FOR_CLIENTS) === 0) return false;
    Atomics.store(state, StateWord.NEWS_FOR_CLIENTS, 0);
    return true;
  }

  private handle(handler: MainBridgeHandler): void {
    const { kind, argument, payloadOffset, payloadLength, bytes } = this.reader;
    const payload = bytes.subarray(payloadOffset, payloadOffset + payloadLength);
    try {
      if (kind === RecordKind.DELIVER) handler.deliver(argument, payload);
      else {
        assert(kind === RecordKind.JSON, 'unknown record from the ring thread');
        handler.message(JSON.parse(this.decoder.decode(payload.slice())) as FromRing);
      }
    } finally {
      this.reader.release(); // also when the handler throws: the record was taken
    }
  }

  private publish(): void {
    this.publishing = false;
    if (this.writer.publish()) this.knock();
  }

  private flushWaiting(): void {
    while (this.waiting.length > 0) {
      const { kind, bytes } = this.waiting[0]!;
      if (!this.writer.tryWrite(kind, 0, bytes, 0, bytes.length)) {
        Atomics.store(this.views.state, StateWord.MAIN_WANTS_ROOM, 1); // the ring thread knocks when it has read some
        return;
      }
      if (kind === RecordKind.KEY) bytes.fill(0);
      this.waiting.shift();
    }
  }

  private knock(): void {
    if (Atomics.compareExchange(this.views.state, StateWord.RING_ASLEEP, 1, 0) === 1) this.wakeRing();
  }
}
