import { assert } from '../assert.ts';
import {
  CHUNK_HEADER_BYTES,
  CHUNK_MARGIN_BYTES,
  chunkBytesMax,
  QB_HEADER,
  QB_LAYOUT,
  type RingMemory,
  THREAD_LAYOUT,
} from './layout.ts';

/** A libqb ring whose header file is mapped at `header` and whose data file is mapped twice at `data`. */
export function qbRingMemory(
  u8: Uint8Array,
  i32: Int32Array,
  header: number,
  data: number,
  dataBytes: number,
): RingMemory {
  const words = dataBytes >> 2;
  return { u8, i32, layout: QB_LAYOUT, header, data, words, chunkBytesMax: chunkBytesMax(words) };
}

/** Fills a new header file, all zero before, as libqb's server does (libqb-ipc.md 2.1). */
export function initializeQbHeader(memory: RingMemory, headerPath: string, dataPath: string): void {
  const { i32, u8 } = memory;
  const header = memory.header >> 2;
  const encoder = new TextEncoder();
  const [headerText, dataText] = [encoder.encode(headerPath), encoder.encode(dataPath)];
  assert(headerText.length < QB_HEADER.pathBytes && dataText.length < QB_HEADER.pathBytes, 'length of a path');
  u8.set(headerText, memory.header + QB_HEADER.headerPath);
  u8.set(dataText, memory.header + QB_HEADER.dataPath);
  i32[header + QB_LAYOUT.writeWord] = 0;
  i32[header + QB_LAYOUT.readWord] = 0;
  i32[header + QB_LAYOUT.sizeWord] = memory.words;
  i32[header + QB_LAYOUT.semaphoreWord] = 0;
  i32[header + QB_LAYOUT.waitersWord] = 0;
  i32[header + QB_HEADER.semaphoreScopeWord] = 128; // shared between processes
  i32[header + QB_HEADER.flowControlWord] = 0;
  i32[memory.data >> 2] = 5; // libqb's leftover self-test, visible in dumps
  Atomics.store(i32, header + QB_HEADER.refCountWord, 1);
}

/** Reads the NUL-terminated data path of a header that a server wrote; null if it is not terminated. */
export function qbDataPath(u8: Uint8Array, header: number): string | null {
  const start = header + QB_HEADER.dataPath;
  const field = u8.slice(start, start + QB_HEADER.pathBytes); // a copy: the memory is shared
  const end = field.indexOf(0);
  return end < 0 ? null : new TextDecoder().decode(field.subarray(0, end));
}

/** Memory that a ring between threads takes. `words` is the capacity; the longest chunk is `longestBytes`. */
export const threadRingBytes = (words: number, longestBytes: number): number =>
  THREAD_LAYOUT.headerBytes + words * 4 + CHUNK_HEADER_BYTES + ((longestBytes + 3) & ~3);

/**
 * A ring between two of our threads at `at` (multiple of 128) of some shared memory: a SharedArrayBuffer or an arena.
 * Both sides call this with the same numbers; `fresh` on the side that creates it, before the other one starts.
 */
export function threadRingMemory(
  u8: Uint8Array,
  i32: Int32Array,
  at: number,
  words: number,
  longestBytes: number,
  fresh: boolean,
): RingMemory {
  assert(at % 128 === 0 && at + threadRingBytes(words, longestBytes) <= u8.length, 'place of a ring');
  assert(longestBytes + CHUNK_MARGIN_BYTES <= words * 4, 'the longest chunk fits the ring');
  if (fresh) {
    i32.fill(0, at >> 2, (at + THREAD_LAYOUT.headerBytes) >> 2);
    i32[(at >> 2) + THREAD_LAYOUT.sizeWord] = words;
  }
  return {
    u8,
    i32,
    layout: THREAD_LAYOUT,
    header: at,
    data: at + THREAD_LAYOUT.headerBytes,
    words,
    chunkBytesMax: longestBytes,
  };
}

/** A ring between threads in a SharedArrayBuffer of its own, which is what the other thread needs to be given. */
export function createThreadRing(
  words: number,
  longestBytes: number,
): { readonly shared: SharedArrayBuffer; readonly memory: RingMemory } {
  const shared = new SharedArrayBuffer(threadRingBytes(words, longestBytes));
  return {
    shared,
    memory: threadRingMemory(new Uint8Array(shared), new Int32Array(shared), 0, words, longestBytes, true),
  };
}

/** The other side of `createThreadRing`, with the same numbers. */
export function attachThreadRing(shared: SharedArrayBuffer, words: number, longestBytes: number): RingMemory {
  return threadRingMemory(new Uint8Array(shared), new Int32Array(shared), 0, words, longestBytes, false);
}
