import { EPOLLET, EPOLLRDHUP, Epoll } from '../../os/epoll.ts';

const EVENTS_MAX = 64;

/**
 * Which clients that another thread serves have ended, on either side: seen at once by whoever has to know, without waiting for that thread,
 * because nobody but this one closes their sockets.
 */
export class HangUps {
  private readonly epoll = new Epoll(EVENTS_MAX);

  /** Once the client's socket has ended, `take` returns the id; until it is closed. A socket that cannot be watched is not. */
  watch(fd: number, id: number): void {
    this.epoll.add(fd, EPOLLRDHUP | EPOLLET, id);
  }

  /** Clients that have hung up since the last call. */
  *take(): Generator<number> {
    for (let count = EVENTS_MAX; count === EVENTS_MAX; ) {
      count = this.epoll.wait(0);
      const ids = Array.from({ length: count }, (_, index) => this.epoll.tag(index));
      yield* ids;
    }
  }

  close(): void {
    this.epoll.close();
  }
}
