/** Bytes of a file, front to back. */
export interface ByteSource {
  /** Of the file, for errors. */
  readonly name: string;
  /** The next `count` bytes, fewer at the end of the file; valid until the next call. */
  take(count: number): Uint8Array;
}

/** No capture program takes more of a packet; what claims to be longer is damaged. */
export const CAPTURED_BYTES_MAX = 262_144;

/** One packet of a capture file. `bytes` is valid until the next one is read. */
export interface CapturedPacket {
  /** From 1, as capture programs number them. */
  readonly index: number;
  /** Since 1970, with a fraction. */
  readonly timeMs: number;
  /** LINKTYPE_ of its interface. */
  readonly link: number;
  readonly bytes: Uint8Array;
  /** How long it was on the wire: more than `bytes` when the capture has cut it. */
  readonly wireBytes: number;
}

export type PacketSource = Generator<CapturedPacket, void, undefined>;

/** What became of the end of the file. */
export interface CaptureRest {
  /** `null`: it ends where a packet ends. */
  problem: string | null;
}

/** The first bytes of what is no capture, for a message. */
export const printableFormat = (head: Uint8Array): string => Buffer.from(head.subarray(0, 4)).toString('hex');
