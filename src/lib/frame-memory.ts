/**
 * One block of memory that holds frames; an (offset, length) pair names one. A transport that knows its machine address
 * sends from it without a copy.
 */
export interface FrameMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Both views over the same bytes. */
export const frameMemory = (bytes: Uint8Array): FrameMemory => ({
  bytes,
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
});
