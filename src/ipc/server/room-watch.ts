import { assert } from '../../lib/assert.ts';
import { EPOLLET, EPOLLOUT, Epoll } from '../../os/epoll.ts';
import { errnoName } from '../../os/errno.ts';

const EVENTS_MAX = 64;
const ROUNDS_MAX = 8;

/**
 * Reports when clients read. A client of libqb says nothing when it has taken an event off its ring, but it takes a byte off its socket, and
 * a sender that asks for edges is woken each time that all bytes of one of its writes are gone. So whoever cuts the notification bytes
 * of a full ring into a few writes (`ServerConnection.flushEvents`) hears of it when a part of the ring has become free.
 *
 * The set has a descriptor of its own, which is readable when something was read; it is to be waited for level-triggered. That keeps
 * the edges apart from what the loop waits for at the same sockets.
 */
export class RoomWatch {
  private readonly epoll = new Epoll(EVENTS_MAX);
  private readonly watched = new Set<number>();

  /** Readable when one of the watched clients has read. */
  get fd(): number {
    return this.epoll.fd;
  }

  /** Starts to watch the socket of a client. Where the system's limit of watches is reached, timers have to do. */
  begin(fd: number): void {
    if (fd < 0 || this.watched.has(fd)) return; // a client in this process says it by itself
    if (this.epoll.add(fd, EPOLLOUT | EPOLLET, 0) === 0) this.watched.add(fd);
  }

  /** Before the descriptor is closed, or when nothing waits for room any more. */
  end(fd: number): void {
    if (!this.watched.delete(fd)) return;
    const removed = this.epoll.remove(fd);
    assert(removed === 0, `a watched socket is open: ${errnoName(removed)}`);
  }

  /** Takes the reports, so that `fd` is not readable any more; returns how many there were. */
  take(): number {
    if (this.watched.size === 0) return 0;
    let total = 0;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const count = this.epoll.wait(0);
      total += count;
      if (count < EVENTS_MAX) break;
    }
    return total;
  }

  close(): void {
    this.epoll.close();
  }
}
