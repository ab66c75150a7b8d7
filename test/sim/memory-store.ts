import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';

const BYTES = 5 << 20;

/** Frame memories that simulated nodes leave behind are used again: making and zeroing them costs more than a short run. */
const spare: FrameMemory[] = [];

export const takeMemory = (): FrameMemory => spare.pop() ?? frameMemory(new Uint8Array(BYTES));
export const giveMemory = (memory: FrameMemory): void => void spare.push(memory);
