import type { Socket } from 'node:net';
import type { RondoError } from '../../lib/errors.ts';
import { notifyBytesAddress } from '../../os/eventfd.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, sendBytes } from '../../os/socket.ts';
import { hangUpReason, type Peer } from './hang-up.ts';
import { printableError } from './setup.ts';
import type { SocketInput } from './socket-input.ts';

/** What a client hears besides its messages. */
export interface WireListener {
  /** So many events have come; `false`: no further news are wanted until `resume()`. */
  events(count: number): boolean;
  /** A response may have come. */
  response(): void;
  /** The server is gone; `cause`: an error that came with it. */
  gone(cause: Error | null): void;
}

/** What there is between a client and its server besides the messages (`ClientChannels`): news of them, and the end. */
export interface ClientWire {
  /** Whether `response` is called for each response; else they are to be looked for. */
  readonly announcesResponses: boolean;
  listen(listener: WireListener): void;
  resume(): void;
  /** A request is in the ring. */
  requestSent(): void;
  /** Events are about so long, and news of so much of the ring are wanted at a time. */
  setShare(shareBytes: number, eventBytes: number): void;
  /** Whether it keeps the process alive. */
  keepAlive(on: boolean): void;
  /** Why the connection ended without a `close()` of this side. `held`: the program did not read its events. */
  hangUpReason(held: boolean, cause: Error | null): RondoError;
  close(): void;
}

/** The setup socket: a byte for each request and each event, where the messages are not datagrams. */
export class SocketWire implements ClientWire {
  readonly announcesResponses = false;

  constructor(
    private readonly socket: Socket,
    /** The socket's, as long as that is not destroyed. */
    private readonly fd: number,
    private readonly input: SocketInput,
    private readonly peer: Peer,
    private readonly hasBytes: boolean,
  ) {}

  listen({ events, gone }: WireListener): void {
    if (this.hasBytes) this.input.onNotices = events;
    // ECONNRESET: the server closed while bytes of ours were unread.
    this.socket.on('error', (cause) => gone(printableError(cause)));
    this.socket.on('close', () => gone(null));
    this.socket.resume(); // paused by the set-up
  }

  resume(): void {
    this.socket.resume();
  }

  /** The byte must follow the chunk in the same run; its content means nothing. Past the stream, which costs more than all the rest of a request. */
  requestSent(): void {
    if (!this.hasBytes || this.socket.destroyed) return;
    const sent = sendBytes(this.fd, notifyBytesAddress, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) this.socket.write('r'); // when there is room for it; or finds that the server is gone
  }

  setShare(shareBytes: number, eventBytes: number): void {
    this.input.setShare(shareBytes, eventBytes);
  }

  keepAlive(on: boolean): void {
    if (on) this.socket.ref();
    else this.socket.unref();
  }

  hangUpReason(held: boolean, cause: Error | null): RondoError {
    return hangUpReason(this.peer, held, cause);
  }

  close(): void {
    this.socket.destroy();
  }
}
