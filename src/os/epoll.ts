import { Arena, PAGE_BYTES } from './arena.ts';
import { check } from './errno.ts';
import { closeFd } from './fd.ts';
import { bind, orErrno } from './libc.ts';

const cCreate = bind<(flags: number) => number>('epoll_create1', 'int', ['int']);
const cControl = bind<(epoll: number, op: number, fd: number, event: number) => number>('epoll_ctl', 'int', [
  'int',
  'int',
  'int',
  'uintptr_t',
]);
const cWait = bind<(epoll: number, events: number, max: number, timeoutMs: number) => number>('epoll_wait', 'int', [
  'int',
  'uintptr_t',
  'int',
  'int',
]);

export const EPOLLIN = 0x001;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;

const ADD = 1;
const DELETE = 2;
const MODIFY = 3;
const CLOEXEC = 0o2000000;
const EINTR = 4;
/** Packed on x86-64: 12 bytes; natural alignment elsewhere: 16. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const DATA_OFFSET = EVENT_BYTES - 8;

/**
 * One epoll set. Events carry a tag of the caller's (a non-negative integer). After `wait` answered n, read `tag(i)` and `events(i)`
 * for i < n. Nothing is allocated per wait.
 */
export class Epoll {
  readonly fd: number;
  private readonly memory: Arena;
  private readonly control: number;

  constructor(readonly eventsMax = 64) {
    this.fd = check(orErrno(cCreate(CLOEXEC)), 'epoll_create1');
    this.memory = Arena.map(eventsMax * EVENT_BYTES + PAGE_BYTES);
    this.control = eventsMax * 16;
    if (this.control + 16 > this.memory.byteLength) this.control = this.memory.byteLength - 16;
  }

  /** Answers 0 or -errno. Level-triggered. */
  add(fd: number, events: number, tag: number): number {
    return this.change(ADD, fd, events, tag);
  }

  modify(fd: number, events: number, tag: number): number {
    return this.change(MODIFY, fd, events, tag);
  }

  remove(fd: number): number {
    return this.change(DELETE, fd, 0, 0);
  }

  /** Number of events, 0 at the timeout or a signal. `timeoutMs` -1 waits for ever. */
  wait(timeoutMs: number): number {
    const count = orErrno(cWait(this.fd, this.memory.address, this.eventsMax, timeoutMs));
    if (count === -EINTR) return 0;
    return check(count, 'epoll_wait');
  }

  events(index: number): number {
    return this.memory.i32[(index * EVENT_BYTES) >> 2]!;
  }

  tag(index: number): number {
    return this.memory.i32[(index * EVENT_BYTES + DATA_OFFSET) >> 2]!;
  }

  close(): void {
    closeFd(this.fd);
    this.memory.unmap();
  }

  private change(op: number, fd: number, events: number, tag: number): number {
    const word = this.control >> 2;
    this.memory.i32[word] = events;
    this.memory.i32[(this.control + DATA_OFFSET) >> 2] = tag;
    this.memory.i32[((this.control + DATA_OFFSET) >> 2) + 1] = 0;
    return orErrno(cControl(this.fd, op, fd, this.memory.address + this.control));
  }
}
