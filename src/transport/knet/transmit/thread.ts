import type { CryptoSuite } from '../../../knet/crypto.ts';
import { TxPackets } from '../../../knet/tx-queue.ts';
import { assert } from '../../../lib/assert.ts';
import type { TransmitBuffers } from '../../../lib/transmit-buffers.ts';
import { Arena } from '../../../os/arena.ts';
import { monotonicMs } from '../../../os/clock.ts';
import { roundRobinPriorityMax, setRoundRobin } from '../../../os/schedule.ts';
import { MessageBatch } from '../../message-batch.ts';
import { OpensslProvider } from '../crypto-provider.ts';
import { KnetSender, MESSAGES_MAX } from '../knet-sender.ts';
import { LinkEnds } from './link-ends.ts';
import { JobKind, type TransmitJob, TransmitShared } from './shared.ts';

const NS_PER_MS = 1e6;

/** What the main thread gives to a transmit thread. */
export interface TransmitThreadData {
  readonly buffers: TransmitBuffers;
  /** Which of them this is. */
  readonly index: number;
  /** As the ring thread's (`RingWorkerOptions`). */
  readonly schedRr: boolean;
  readonly schedPriority: number;
}

/** Room in the arena that a transmit thread allocates for itself. */
export const TRANSMIT_ROOM_BYTES = MessageBatch.bytesFor(MESSAGES_MAX, MESSAGES_MAX);

/** Runs a transmit thread until the ring thread stops it. */
export function runTransmitThread(data: TransmitThreadData): void {
  if (data.schedRr) setRoundRobin(data.schedPriority > 0 ? data.schedPriority : roundRobinPriorityMax());
  new TransmitThread(data).run();
}

/** Seals and sends what the ring thread has queued, job by job (shared.ts). It owns no socket: descriptors and addresses are the ring thread's. */
class TransmitThread {
  private readonly shared: TransmitShared;
  private readonly queues: readonly TxPackets[];
  private readonly suites = new Map<number, CryptoSuite>();
  private sender: KnetSender | null = null;
  private provider: OpensslProvider | null = null;
  private readonly index: number;
  private readonly buffers: TransmitBuffers;

  constructor({ buffers, index }: TransmitThreadData) {
    this.index = index;
    this.buffers = buffers;
    this.shared = new TransmitShared(buffers);
    this.queues = buffers.queues.map((shared) => new TxPackets(shared));
  }

  run(): void {
    const { shared } = this;
    const job: TransmitJob = { kind: 0, queue: 0, packets: 0, runs: 0, suite: 0 };
    for (let n = this.index; shared.take(n, job); n = (n + shared.threads) | 0) {
      this.attach();
      if (job.kind === JobKind.SEND) {
        this.send(n, job);
        continue;
      }
      if (!shared.awaitDone(n)) break;
      if (job.kind === JobKind.LOAD) this.load(job.suite);
      if (job.kind === JobKind.FORGET) this.forget(job.suite);
      shared.finish(n, 0);
      if (job.kind === JobKind.STOP) break;
    }
    for (const suite of this.suites.keys()) this.forget(suite);
  }

  /** The arena is there when the first job is. */
  private attach(): void {
    if (this.sender !== null) return;
    const { shared } = this;
    const { address, byteLength, namesAt, roomAt, roomBytes } = shared.place;
    const arena = Arena.attach(address, byteLength, roomAt + this.index * roomBytes, roomBytes);
    this.provider = new OpensslProvider(arena);
    this.sender = new KnetSender(arena, new LinkEnds(namesAt, this.buffers.ends), {
      tooBig: (link) => shared.noteTooBig(link),
      unreachable: (link) => shared.noteUnreachable(link),
      pendingError: () => shared.notePendingError(),
      failed: (link, kind, packets) => shared.noteFailed(link, kind, packets),
      retried: (link, kind) => shared.noteRetried(link, kind),
    });
  }

  private send(n: number, job: TransmitJob): void {
    const queue = this.queues[job.queue]!;
    queue.packetCount = job.packets;
    queue.runs = job.runs;
    let ns = 0;
    if (job.suite !== 0) {
      const suite = this.suites.get(job.suite);
      assert(suite !== undefined, 'a suite is loaded before packets are sealed with it');
      const startMs = monotonicMs();
      queue.seal(suite);
      ns = (monotonicMs() - startMs) * NS_PER_MS;
    }
    if (!this.shared.awaitDone(n)) return;
    this.sender?.transmit(queue);
    this.shared.finish(n, ns);
  }

  private load(id: number): void {
    const { provider } = this;
    assert(provider !== null, 'attached');
    this.suites.set(
      id,
      this.shared.withKey((cipher, hash, key) => provider.load(cipher, hash, key)),
    );
  }

  private forget(id: number): void {
    this.suites.get(id)?.wipe();
    this.suites.delete(id);
  }
}
