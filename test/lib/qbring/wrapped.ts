import {
  CHUNK_MARGIN_BYTES,
  chunkWords,
  Magic,
  type RingFault,
  type RingMemory,
} from '../../../src/lib/qbring/layout.ts';

/** Copies between a ring that wraps at its end and contiguous memory, in at most two parts. */
function copyOut(memory: RingMemory, word: number, target: Uint8Array, length: number): void {
  const from = (word % memory.words) * 4;
  const first = Math.min(length, memory.words * 4 - from);
  target.set(memory.u8.subarray(memory.data + from, memory.data + from + first));
  if (first < length) target.set(memory.u8.subarray(memory.data, memory.data + length - first), first);
}

function copyIn(memory: RingMemory, word: number, source: Uint8Array): void {
  const to = (word % memory.words) * 4;
  const first = Math.min(source.length, memory.words * 4 - to);
  memory.u8.set(source.subarray(0, first), memory.data + to);
  if (first < source.length) memory.u8.set(source.subarray(first), memory.data);
}

/** Reads a ring whose memory is mapped once and has no tail, by copying. For peers that cannot map twice; not for hot paths. */
export class WrappedRingReader {
  fault: RingFault | null = null;
  constructor(private readonly memory: RingMemory) {}

  /** Copies the next chunk into `target` and consumes it: its length, -1 if there is none or the ring is broken, -2 if it does not fit. */
  read(target: Uint8Array): number {
    const { i32, layout, words } = this.memory;
    const header = this.memory.header >> 2;
    const data = this.memory.data >> 2;
    if (this.fault !== null) return -1;
    const value = Atomics.load(i32, header + layout.semaphoreWord);
    if (value === 0) return -1;
    const at = Atomics.load(i32, header + layout.readWord);
    if (at < 0 || at >= words) return this.fail('badIndex');
    if (value < 0 || value > words) return this.fail('badSemaphore');
    const magic = data + ((at + 1) % words);
    if (Atomics.load(i32, magic) !== Magic.COMMITTED) return this.fail('badMagic');
    const length = i32[data + at]!;
    if (length < 0 || length > this.memory.chunkBytesMax) return this.fail('badLength');
    if (length > target.length) return -2;
    copyOut(this.memory, at + 2, target, length);
    i32[data + at] = 0;
    Atomics.store(i32, magic, Magic.CONSUMED);
    Atomics.sub(i32, header + layout.semaphoreWord, 1);
    Atomics.store(i32, header + layout.readWord, (at + chunkWords(length)) % words);
    return length;
  }

  private fail(fault: RingFault): -1 {
    this.fault = fault;
    return -1;
  }
}

/** Writes a ring whose memory is mapped once and has no tail, by copying; each chunk is published at once. */
export class WrappedRingWriter {
  fault: RingFault | null = null;
  constructor(private readonly memory: RingMemory) {}

  /** `false`: full now, longer than the ring takes, or broken (`fault`). */
  tryWrite(message: Uint8Array): boolean {
    const { i32, layout, words } = this.memory;
    const header = this.memory.header >> 2;
    const data = this.memory.data >> 2;
    const write = Atomics.load(i32, header + layout.writeWord);
    const read = Atomics.load(i32, header + layout.readWord);
    if (write < 0 || write >= words || read < 0 || read >= words) this.fault = 'badIndex';
    if (this.fault !== null || message.length > this.memory.chunkBytesMax) return false;
    const empty = write === read && Atomics.load(i32, header + layout.semaphoreWord) === 0;
    const distance = (read - write + words) % words;
    const free = empty ? words : distance - 1;
    if (free * 4 < message.length + CHUNK_MARGIN_BYTES) return false;
    const magic = data + ((write + 1) % words);
    i32[data + write] = 0;
    Atomics.store(i32, magic, Magic.ALLOCATED);
    copyIn(this.memory, write + 2, message);
    i32[data + write] = message.length;
    Atomics.store(i32, header + layout.writeWord, (write + chunkWords(message.length)) % words);
    Atomics.store(i32, magic, Magic.COMMITTED);
    Atomics.add(i32, header + layout.semaphoreWord, 1);
    return true;
  }
}
