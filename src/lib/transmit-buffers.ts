/** All memory of the ring thread and its transmit threads but the arena, as the main thread hands it to each of them (transport/knet/transmit/shared.ts). */
export interface TransmitBuffers {
  readonly threads: number;
  readonly control: SharedArrayBuffer;
  readonly ends: SharedArrayBuffer;
  readonly troubles: SharedArrayBuffer;
  readonly key: SharedArrayBuffer;
  /** One for each queue. */
  readonly queues: readonly SharedArrayBuffer[];
}
