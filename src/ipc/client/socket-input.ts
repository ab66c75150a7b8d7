import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';

/** Bytes of one read of the socket at most: each stands for an event. */
const NOTICES_MAX = 64 * 1024;

/**
 * What a client reads from its socket: the response to the set-up, then one byte for each event.
 *
 * A daemon whose event ring is full waits for bytes to be read, because that is all it sees of a reader. So no more bytes are read at a time than belong
 * to a small part of the ring: when the next ones are read, the events of the ones before have been taken, and there is room.
 */
export class SocketInput {
  private readonly notices = new Uint8Array(NOTICES_MAX);
  private readonly response: Uint8Array;
  private haveBytes = 0;
  private share = NOTICES_MAX;

  /** The response to the set-up has come. */
  onResponse: (response: Uint8Array) => void = () => {};

  /** Events have come; `false`: no further bytes are read until `resume()`. */
  onNotices: (count: number) => boolean = () => true;

  constructor(responseBytes: number) {
    this.response = new Uint8Array(responseBytes);
  }

  /** The option of sockets that hands their bytes to this. */
  get onread(): OnReadOpts {
    return { buffer: this.buffer, callback: this.take };
  }

  /** A socket of a descriptor that is connected. */
  socket(fd: number): Socket {
    const options: SocketConstructorOpts & { readonly onread: OnReadOpts } = { fd, onread: this.onread };
    return new Socket(options);
  }

  private get isSetUp(): boolean {
    return this.haveBytes === this.response.length;
  }

  /** Where the next bytes go. */
  private readonly buffer = (): Uint8Array =>
    this.isSetUp ? this.notices.subarray(0, this.share) : this.response.subarray(this.haveBytes);

  private readonly take = (count: number): boolean => {
    if (this.isSetUp) return this.onNotices(count);
    this.haveBytes += count;
    if (!this.isSetUp) return true;
    this.onResponse(this.response);
    return false;
  };

  /** Events are about so long, and bytes for so much of the ring are read at a time. */
  setShare(shareBytes: number, eventBytes: number): void {
    this.share = Math.max(1, Math.min(NOTICES_MAX, Math.floor(shareBytes / Math.max(1, eventBytes))));
  }
}
