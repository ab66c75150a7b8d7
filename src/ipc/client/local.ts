import { RondoError } from '../../lib/errors.ts';
import { Peek, type PeekResult, RingReader } from '../../lib/qbring/reader.ts';
import { RingWriter } from '../../lib/qbring/writer.ts';
import { type LocalMemory, LocalWord } from '../local-memory.ts';
import type { ClientChannels, MessageReader } from './channels.ts';
import type { ClientWire, WireListener } from './wire.ts';

/** Of the event ring: when so much of it was read, a server whose events wait for room hears of it. */
const ROOM_SHARES = 4;
/** Events are not counted by anybody: taken until there are none. */
const UNCOUNTED = 2 ** 30;

/** Reads the event ring, and knocks when there is room that the server waits for. */
class LocalEvents implements MessageReader {
  readonly u8: Uint8Array;
  private readonly reader: RingReader;
  private readonly shareBytes: number;
  private readBytes = 0;

  constructor(
    private readonly memory: LocalMemory,
    private readonly knock: () => void,
  ) {
    const [, , event] = memory.rings;
    this.reader = new RingReader(event);
    this.u8 = event.u8;
    this.shareBytes = (event.words * 4) / ROOM_SHARES;
  }

  get offset(): number {
    return this.reader.offset;
  }

  get length(): number {
    return this.reader.length;
  }

  get fault(): string | null {
    return this.reader.fault;
  }

  peek(): PeekResult {
    const found = this.reader.peek();
    if (found === Peek.EMPTY && this.readBytes > 0) this.giveRoom();
    return found;
  }

  reclaim(): void {
    this.readBytes += this.reader.length;
    this.reader.reclaim();
  }

  release(): number {
    const count = this.reader.release();
    if (this.readBytes >= this.shareBytes) this.giveRoom();
    return count;
  }

  private giveRoom(): void {
    this.readBytes = 0;
    if (this.memory.load(LocalWord.ROOM_WANTED) !== 0) this.knock();
  }
}

/** The rings of a client in the process of its server, seen from the client's thread (`LocalConnection` is the other side). */
export class LocalChannels implements ClientChannels {
  readonly response: RingReader;
  readonly event: MessageReader;
  readonly eventBytes: number;
  private readonly request: RingWriter;

  constructor(
    private readonly memory: LocalMemory,
    knock: () => void,
  ) {
    const [request, response, event] = memory.rings;
    this.request = new RingWriter(request);
    this.response = new RingReader(response);
    this.event = new LocalEvents(memory, knock);
    this.eventBytes = event.words * 4;
  }

  flowControl(): number {
    return this.memory.load(LocalWord.FLOW_CONTROL);
  }

  trySend(request: Uint8Array, tail: Uint8Array): boolean {
    if (!this.request.tryWrite(request, tail)) return false;
    this.request.publish();
    return true;
  }

  onEvents(): void {} // the wire reports them

  waitForEvents(): void {}

  keepAlive(): void {}

  close(): void {}
}

/** Words in memory and the doorbell of each thread: nothing of a client in this process passes the kernel but the wake-up of one who sleeps. */
export class LocalWire implements ClientWire {
  readonly announcesResponses = true;
  private listener: WireListener | null = null;
  private open = true;

  constructor(
    private readonly memory: LocalMemory,
    /** Wakes the server's thread. */
    private readonly knock: () => void,
    /** Whether the server itself is gone, and not only this connection. */
    private readonly serverIsGone: () => boolean,
  ) {}

  listen(listener: WireListener): void {
    this.listener = listener;
  }

  /** The server's thread has news for somebody here. */
  look(): void {
    const { listener } = this;
    if (listener === null || !this.open) return;
    listener.response();
    listener.events(UNCOUNTED);
    if (this.memory.load(LocalWord.SERVER_CLOSED) !== 0) listener.gone(null);
  }

  /** The server's thread is gone without a word. */
  cut(): void {
    this.listener?.gone(null);
  }

  resume(): void {}

  requestSent(): void {
    this.knock();
  }

  setShare(): void {}

  keepAlive(): void {} // the node does

  hangUpReason(held: boolean): RondoError {
    if (this.serverIsGone()) return new RondoError('RONDO_IPC_HANGUP', 'the node of this program ended');
    const hint = held
      ? 'This program did not read its events, and the node keeps a limited number of them'
      : "The node's log has the reason; programs that do not read their events are cut, for example";
    return new RondoError('RONDO_IPC_HANGUP', 'the node of this program cut this connection', hint);
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.memory.store(LocalWord.CLIENT_CLOSED, 1);
    this.knock();
  }
}
