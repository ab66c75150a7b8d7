import { qbDataBytes, type RingMemory } from '../lib/qbring/layout.ts';
import { threadRingBytes, threadRingMemory } from '../lib/qbring/setup.ts';

/** Index of an Int32 in the first words; those that different threads write lie on different cache lines. */
export const LocalWord = {
  /** 1: the client is gone. */
  CLIENT_CLOSED: 0,
  /** 1: the server is. */
  SERVER_CLOSED: 32,
  /** 0: open; 1: closed for all requests; 2: closed for multicasts (libqb-ipc.md 3.3). */
  FLOW_CONTROL: 33,
  /** 1: events wait for room; the client says when it has read a part of its ring. */
  ROOM_WANTED: 34,
} as const;

const WORDS_BYTES = 512;
const SCRATCH_BYTES = 1024;
const RING_ALIGN_BYTES = 128;

/**
 * The memory of a client in the process of its server, one SharedArrayBuffer: both threads keep it as long as they have views of it, whichever
 * ends first. Its rings hold what libqb's files do, chunk by chunk.
 *
 *   0       512              1536
 *   | words | server's own   | request ring | response ring | event ring
 */
export class LocalMemory {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly data: DataView;
  readonly rings: readonly [request: RingMemory, response: RingMemory, event: RingMemory];
  /** Offset of some memory of the server's. */
  readonly scratch = WORDS_BYTES;

  private constructor(
    readonly shared: SharedArrayBuffer,
    maxMessageBytes: number,
    fresh: boolean,
  ) {
    this.u8 = new Uint8Array(shared);
    this.i32 = new Int32Array(shared);
    this.data = new DataView(shared);
    const ring = (index: number): RingMemory => {
      const at = WORDS_BYTES + SCRATCH_BYTES + index * ringBytes(maxMessageBytes);
      return threadRingMemory(this.u8, this.i32, at, qbDataBytes(maxMessageBytes) >> 2, maxMessageBytes, fresh);
    };
    this.rings = [ring(0), ring(1), ring(2)];
  }

  static create(maxMessageBytes: number): LocalMemory {
    const bytes = WORDS_BYTES + SCRATCH_BYTES + 3 * ringBytes(maxMessageBytes);
    return new LocalMemory(new SharedArrayBuffer(bytes), maxMessageBytes, true);
  }

  /** The other thread's views, with the same size. */
  static attach(shared: SharedArrayBuffer, maxMessageBytes: number): LocalMemory {
    return new LocalMemory(shared, maxMessageBytes, false);
  }

  load(word: number): number {
    return Atomics.load(this.i32, word);
  }

  store(word: number, value: number): void {
    Atomics.store(this.i32, word, value);
  }
}

function ringBytes(maxMessageBytes: number): number {
  const bytes = threadRingBytes(qbDataBytes(maxMessageBytes) >> 2, maxMessageBytes);
  return Math.ceil(bytes / RING_ALIGN_BYTES) * RING_ALIGN_BYTES;
}
