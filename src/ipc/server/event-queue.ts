/**
 * Events that wait for room in a client's ring: a FIFO of byte strings in blocks, bounded in bytes and in number. Used for slow clients only;
 * blocks are recycled through one free list per thread.
 */
export const EVENT_QUEUE_LIMITS = {
  /** A client that lets more than this pile up is disconnected, alone. Stock has no limit and grows. */
  bytesMax: 256 * 1024 * 1024,
  eventsMax: 2_000_000,
  blockBytes: 256 * 1024,
  freeBlocksMax: 64,
} as const;

interface Block {
  readonly bytes: Uint8Array;
  readonly data: DataView;
  /** Where the next event is read and written. */
  head: number;
  tail: number;
}

const LENGTH_BYTES = 4;
const freeBlocks: Block[] = [];

export class EventQueue {
  count = 0;
  bytes = 0;
  private readonly blocks: Block[] = [];

  /** Copies an event in; `false`: the limit is reached. */
  push(source: Uint8Array, offset: number, length: number): boolean {
    if (this.count >= EVENT_QUEUE_LIMITS.eventsMax || this.bytes + length > EVENT_QUEUE_LIMITS.bytesMax) return false;
    let block = this.blocks.at(-1);
    if (block === undefined || block.tail + LENGTH_BYTES + length > block.bytes.length) {
      block = takeBlock(length + LENGTH_BYTES);
      this.blocks.push(block);
    }
    block.data.setUint32(block.tail, length);
    block.bytes.set(source.subarray(offset, offset + length), block.tail + LENGTH_BYTES);
    block.tail += LENGTH_BYTES + length;
    this.count++;
    this.bytes += length;
    return true;
  }

  /** Length of the first event, -1 if there is none. */
  headLength(): number {
    const block = this.blocks[0];
    return block === undefined ? -1 : block.data.getUint32(block.head);
  }

  /** Copies the first event out and removes it. */
  shiftInto(target: Uint8Array, offset: number): void {
    const block = this.blocks[0]!;
    const length = block.data.getUint32(block.head);
    const start = block.head + LENGTH_BYTES;
    target.set(block.bytes.subarray(start, start + length), offset);
    block.head = start + length;
    this.count--;
    this.bytes -= length;
    if (block.head === block.tail) {
      this.blocks.shift();
      giveBlock(block);
    }
  }

  clear(): void {
    for (const block of this.blocks) giveBlock(block);
    this.blocks.length = 0;
    this.count = 0;
    this.bytes = 0;
  }
}

function takeBlock(bytes: number): Block {
  if (bytes <= EVENT_QUEUE_LIMITS.blockBytes) {
    const recycled = freeBlocks.pop();
    if (recycled !== undefined) return recycled;
  }
  const memory = new Uint8Array(Math.max(bytes, EVENT_QUEUE_LIMITS.blockBytes));
  return { bytes: memory, data: new DataView(memory.buffer), head: 0, tail: 0 };
}

function giveBlock(block: Block): void {
  if (block.bytes.length !== EVENT_QUEUE_LIMITS.blockBytes || freeBlocks.length >= EVENT_QUEUE_LIMITS.freeBlocksMax)
    return;
  block.head = 0;
  block.tail = 0;
  freeBlocks.push(block);
}
