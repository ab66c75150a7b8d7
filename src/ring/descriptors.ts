import { assert } from '../lib/assert.ts';
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, Epoll } from '../os/epoll.ts';
import { check } from '../os/errno.ts';

const EVENTS_MAX = 64;
const ROUNDS_MAX = 8;

/** Called when its descriptor is readable (or closed by its peer: `hungUp`). */
export type DescriptorHandler = (hungUp: boolean) => void;

/** The descriptors that wake the ring thread: one epoll set, handlers by small tags. */
export class Descriptors {
  private readonly epoll = new Epoll(EVENTS_MAX);
  private readonly handlers: (DescriptorHandler | null)[] = [];
  private readonly tagOf = new Map<number, number>();

  add(fd: number, handler: DescriptorHandler): void {
    check(this.tryAdd(fd, handler), 'epoll_ctl');
  }

  /** 0, or -errno: the system's limit of watches is reached. For descriptors that somebody else can do without. */
  tryAdd(fd: number, handler: DescriptorHandler): number {
    return this.watch(fd, EPOLLIN, handler);
  }

  /** The same for one that is not read at once: its handler is called for what arrives, not for what is there. */
  tryAddEdges(fd: number, handler: DescriptorHandler): number {
    return this.watch(fd, EPOLLIN | EPOLLET, handler);
  }

  private watch(fd: number, events: number, handler: DescriptorHandler): number {
    assert(!this.tagOf.has(fd), 'descriptor added twice');
    let tag = this.handlers.indexOf(null);
    if (tag < 0) tag = this.handlers.length;
    const added = this.epoll.add(fd, events, tag);
    if (added < 0) return added;
    this.handlers[tag] = handler;
    this.tagOf.set(fd, tag);
    return 0;
  }

  /** A muted descriptor wakes nobody when it is readable, only when its peer has closed it. */
  mute(fd: number, muted: boolean): void {
    const tag = this.tagOf.get(fd);
    if (tag !== undefined) check(this.epoll.modify(fd, muted ? 0 : EPOLLIN, tag), 'epoll_ctl');
  }

  /** Before the descriptor is closed. */
  remove(fd: number): void {
    const tag = this.tagOf.get(fd);
    if (tag === undefined) return;
    this.epoll.remove(fd);
    this.tagOf.delete(fd);
    this.handlers[tag] = null;
  }

  /** Waits at most `timeoutMs`, to the microsecond if it has a fraction (and is less than a second), and runs the handlers of what is ready; returns how many. */
  wait(timeoutMs: number): number {
    let total = 0;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const limitMs = round === 0 ? timeoutMs : 0;
      const count = Number.isInteger(limitMs) ? this.epoll.wait(limitMs) : this.epoll.waitExactly(limitMs);
      for (let index = 0; index < count; index++) {
        // A handler may remove descriptors whose events are still in this batch.
        const handler = this.handlers[this.epoll.tag(index)];
        if (handler != null) handler((this.epoll.events(index) & (EPOLLHUP | EPOLLERR)) !== 0);
      }
      total += count;
      if (count < EVENTS_MAX) break;
    }
    return total;
  }

  close(): void {
    this.epoll.close();
  }
}
