import type { RingMemory } from '../../../src/lib/qbring/layout.ts';
import { initializeQbHeader, qbRingMemory } from '../../../src/lib/qbring/setup.ts';

/** A libqb ring in ordinary memory. The contiguous classes treat the second half as a tail, which is enough for a pair of them. */
export function qbMemory(dataBytes: number): RingMemory {
  const buffer = new SharedArrayBuffer(12288 + 2 * dataBytes);
  const memory = qbRingMemory(new Uint8Array(buffer), new Int32Array(buffer), 0, 12288, dataBytes);
  initializeQbHeader(memory, '/dev/shm/x/qb-request-cpg-header', '/dev/shm/x/qb-request-cpg-data');
  return memory;
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
