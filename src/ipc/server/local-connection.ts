import type { AttachedClient } from '../../lib/client-descriptor.ts';
import { type LocalMemory, LocalWord } from '../local-memory.ts';
import { ChunkConnection } from './chunk-connection.ts';
import type { ClientLine } from './client-line.ts';
import type { EventBudget } from './event-queue.ts';

/** The ends of a connection within the process: a word each. News travel by `LocalConnection.announce`. */
class LocalLine implements ClientLine {
  readonly fd = -1;
  readonly error = null;
  readonly outstanding = 0;
  readonly owed = 0;
  hungUp = false;

  constructor(
    private readonly memory: LocalMemory,
    private readonly knock: () => void,
  ) {}

  noteRequest(): void {}

  drain(): number {
    if (this.memory.load(LocalWord.CLIENT_CLOSED) !== 0) this.hungUp = true;
    return 0;
  }

  notify(): void {}

  shutDown(): void {
    this.memory.store(LocalWord.SERVER_CLOSED, 1);
    this.knock();
  }

  close(): void {
    this.shutDown();
  }
}

/**
 * A client in this process, on another thread: the same rings as a client's files hold, in memory that both threads share, and neither
 * sockets nor files. Its owner is woken by whoever wakes that thread.
 */
export class LocalConnection extends ChunkConnection {
  constructor(
    private readonly local: LocalMemory,
    client: AttachedClient,
    budget: EventBudget,
    /** The client's thread has something to look at. */
    private readonly knock: () => void,
  ) {
    super(local, local.rings, client, new LocalLine(local, knock), budget);
    this.begin();
  }

  override get inputFd(): number {
    return -1;
  }

  override get roomFd(): number {
    return -1;
  }

  override noteInput(): void {}

  override openRings(): boolean {
    return false;
  }

  override reserveEvent(lengthBytes: number): boolean {
    this.local.store(LocalWord.ROOM_WANTED, 1);
    return super.reserveEvent(lengthBytes);
  }

  override flushQueue(): void {
    super.flushQueue();
    if (!this.queueing) this.local.store(LocalWord.ROOM_WANTED, 0);
  }

  protected override showFlowControl(word: 0 | 1 | 2): void {
    this.local.store(LocalWord.FLOW_CONTROL, word);
  }

  protected override announce(): void {
    this.knock();
  }

  protected override closeChannels(): void {}

  protected override giveMemory(): void {}
}
