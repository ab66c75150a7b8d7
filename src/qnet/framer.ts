import { QNET_MESSAGE_TYPES, ReplyError } from './ids.ts';
import { QNET_HEADER_BYTES } from './messages.ts';

/** What came out of a stream: a message, or the reason why one was skipped. */
export type Framed =
  | { readonly message: Uint8Array; readonly error: null }
  | { readonly message: null; readonly error: number; readonly type: number; readonly bytes: number };

const TYPES: ReadonlySet<number> = new Set(QNET_MESSAGE_TYPES);

/**
 * Cuts a stream into messages. No more than the largest message is kept; one that is longer, or of a type that does not exist, is skipped
 * as a whole, and reported once it is over (qnet.md 1.2).
 */
export class QnetFramer {
  private buffer = new Uint8Array(QNET_HEADER_BYTES);
  private filled = 0;
  /** Bytes of the current message that are not here yet; before the header is whole, those of the header. */
  private missing = QNET_HEADER_BYTES;
  private skipping: { readonly error: number; readonly type: number; readonly bytes: number } | null = null;

  /** `bytesMax`: of a message with its header. */
  constructor(private bytesMax: number) {}

  setBytesMax(bytesMax: number): void {
    this.bytesMax = bytesMax;
  }

  /**
   * The next message that `chunk` completes, from offset `from` on; `null`: it completes none. `from` of the following call is `next`, so
   * that what follows a message can go elsewhere: to TLS.
   */
  take(chunk: Uint8Array, from: number): { readonly framed: Framed; readonly next: number } | null {
    let at = from;
    for (;;) {
      const bytes = Math.min(this.missing, chunk.length - at);
      if (this.skipping === null) {
        this.buffer.set(chunk.subarray(at, at + bytes), this.filled);
        this.filled += bytes;
      }
      at += bytes;
      this.missing -= bytes;
      if (this.missing > 0) return null;
      if (this.skipping === null && this.filled === QNET_HEADER_BYTES) {
        this.begin();
        if (this.missing > 0) continue;
      }
      return { framed: this.finish(), next: at };
    }
  }

  private begin(): void {
    const view = new DataView(this.buffer.buffer);
    const type = view.getUint16(0);
    const bytes = view.getUint32(2);
    this.missing = bytes;
    if (!TYPES.has(type)) this.skipping = { error: ReplyError.UNSUPPORTED_MESSAGE, type, bytes };
    else if (QNET_HEADER_BYTES + bytes > this.bytesMax)
      this.skipping = { error: ReplyError.MESSAGE_TOO_LONG, type, bytes };
    else {
      const whole = new Uint8Array(QNET_HEADER_BYTES + bytes);
      whole.set(this.buffer);
      this.buffer = whole;
    }
  }

  private finish(): Framed {
    const { buffer, skipping } = this;
    this.buffer = new Uint8Array(QNET_HEADER_BYTES);
    this.filled = 0;
    this.missing = QNET_HEADER_BYTES;
    this.skipping = null;
    return skipping === null ? { message: buffer, error: null } : { message: null, ...skipping };
  }
}
