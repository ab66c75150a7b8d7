import { scratch } from '../../os/arena.ts';
import { Errno, errnoName } from '../../os/errno.ts';
import { NOTIFY_BYTES_MAX, notifyBytesAddress } from '../../os/eventfd.ts';
import { closeFd } from '../../os/fd.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, receiveBytes, sendBytes, shutdownSocket } from '../../os/socket.ts';
import type { ClientLine } from './client-line.ts';

/**
 * The setup socket after the handshake: bytes that say nothing but "look", one per request from the client and one per event to it, and the
 * hang-up that reports the client's end (libqb-ipc.md 3.4, 3.6). Bytes and chunks are accounted for separately: a server that waited for the
 * byte of a request, as stock does, could be stopped by any client.
 */
export class SetupSocket implements ClientLine {
  /** The client is gone. */
  hungUp = false;
  /** An error that is no hang-up. */
  error: string | null = null;
  /** Bytes that the socket did not take yet (libqb's outstanding_notifiers). */
  outstanding = 0;
  /** Bytes that the client has sent or will send for requests already taken; negative: bytes came first. */
  owed = 0;

  constructor(readonly fd: number) {}

  noteRequest(): void {
    this.owed++;
  }

  /** Takes bytes off the socket without waiting for any: how many. */
  drain(): number {
    const received = receiveBytes(this.fd, scratch.address, 4096, MSG_DONTWAIT);
    if (received > 0) {
      this.owed -= received;
      return received;
    }
    if (received === 0 || received === -Errno.ECONNRESET) this.hungUp = true;
    else if (received !== -Errno.EAGAIN && received !== -Errno.EINTR) this.error ??= `receive ${errnoName(received)}`;
    return 0;
  }

  /**
   * Sends `count` bytes more, in writes of at most `writeMax`. What the socket does not take is outstanding, and all of it goes out together
   * later.
   */
  notify(count: number, writeMax = NOTIFY_BYTES_MAX): void {
    this.outstanding += count;
    while (this.outstanding > 0 && !this.hungUp && this.error === null) {
      const bytes = Math.min(this.outstanding, writeMax, NOTIFY_BYTES_MAX);
      const sent = sendBytes(this.fd, notifyBytesAddress, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) this.outstanding -= sent;
      else if (sent === -Errno.EAGAIN) return;
      else if (sent === -Errno.EPIPE || sent === -Errno.ECONNRESET) this.hungUp = true;
      else if (sent !== -Errno.EINTR) this.error ??= `send ${errnoName(sent)}`;
    }
  }

  /** The client sees the end of the stream. */
  shutDown(): void {
    shutdownSocket(this.fd);
  }

  close(): void {
    this.shutDown();
    closeFd(this.fd);
  }
}
