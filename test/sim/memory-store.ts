import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';

const BYTES = 5 << 20;

/** Frame memories that simulated nodes leave behind are used again: making and zeroing them costs more than a short run. */
const spare: FrameMemory[] = [];

/** A larger one than usual is made for the purpose and not kept. */
export const takeMemory = (bytes: number): FrameMemory =>
  bytes > BYTES ? frameMemory(new Uint8Array(bytes)) : (spare.pop() ?? frameMemory(new Uint8Array(BYTES)));

export const giveMemory = (memory: FrameMemory): void => {
  if (memory.bytes.length === BYTES) spare.push(memory);
};
