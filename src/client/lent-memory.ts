import type { CpgEvent } from './cpg-events.ts';
import type { GapEvent } from './reconnection.ts';

/** Memory that is kept for the next messages while none uses it. */
const FREE_BYTES_MAX = 2 * 1024 * 1024;
/** Pieces are powers of two from this size on. */
const PIECE_BYTES_MIN = 512;

const log2 = (bytes: number): number => 32 - Math.clz32(Math.max(PIECE_BYTES_MIN, bytes) - 1);

/**
 * Copies of messages that are lent to a reader: when it asks for the next event, the memory of the one before is used again. A copy into memory that
 * was in use just before costs a tenth of one into new memory, whose pages the system has to make, and which the garbage collector has to find.
 */
export class LentMemory {
  /** By the logarithm of the size. */
  private readonly free: ArrayBuffer[][] = [];
  private freeBytes = 0;
  /** Only what was made here comes back: the program has seen the buffers. */
  private readonly lent = new Set<ArrayBufferLike>();

  readonly copy = (source: Uint8Array): Uint8Array => {
    if (source.length > FREE_BYTES_MAX) return new Uint8Array(source); // is not kept
    const size = log2(source.length);
    const reused = this.free[size]?.pop();
    if (reused !== undefined) this.freeBytes -= reused.byteLength;
    const piece = reused ?? Buffer.allocUnsafeSlow(2 ** size).buffer;
    this.lent.add(piece);
    const data = new Uint8Array(piece, 0, source.length);
    data.set(source);
    return data;
  };

  /** A loop whose reader gives back what it was lent when it asks for the next event, or leaves. */
  lending(events: AsyncIterableIterator<CpgEvent | GapEvent>): AsyncIterableIterator<CpgEvent | GapEvent> {
    let before: ArrayBufferLike | null = null;
    const giveBack = (): void => {
      if (before !== null) this.giveBack(before);
      before = null;
    };
    const iterator: AsyncIterableIterator<CpgEvent | GapEvent> = {
      next: async () => {
        giveBack();
        const result = await events.next();
        if (result.done !== true && result.value.type === 'message') before = result.value.data.buffer;
        return result;
      },
      return: async () => {
        giveBack();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** Memory of a copy that is not used any more. One that was transferred to another thread has no bytes here any more. */
  giveBack(piece: ArrayBufferLike): void {
    if (!this.lent.delete(piece) || !(piece instanceof ArrayBuffer)) return;
    if (piece.byteLength === 0 || this.freeBytes + piece.byteLength > FREE_BYTES_MAX) return;
    const size = log2(piece.byteLength);
    this.free[size] ??= [];
    this.free[size].push(piece);
    this.freeBytes += piece.byteLength;
  }
}
