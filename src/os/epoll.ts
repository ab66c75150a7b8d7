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
/** glibc has epoll_pwait2 from 2.35 on; the kernel from 5.11 on, under this number on every machine. */
const cSyscall = bind<
  (n: number, epoll: number, events: number, max: number, timeout: number, mask: number, maskBytes: number) => number
>('syscall', 'int64_t', ['int64_t', 'int', 'uintptr_t', 'int', 'uintptr_t', 'uintptr_t', 'size_t']);
const SYS_EPOLL_PWAIT2 = 441;
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
/** The peer has closed its end, or the socket. */
export const EPOLLRDHUP = 0x2000;
/** One report for each time that the descriptor is woken, whether or not the last one was acted on. */
export const EPOLLET = 0x8000_0000 | 0;

const ADD = 1;
const DELETE = 2;
const MODIFY = 3;
const CLOEXEC = 0o2000000;
const EINTR = 4;
const ENOSYS = 38;
/** Behind the event of `epoll_ctl`: the timespec of `waitExactly`. */
const TIMEOUT_OFFSET = 16;
/** Packed on x86-64: 12 bytes; natural alignment elsewhere: 16. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const DATA_OFFSET = EVENT_BYTES - 8;

/**
 * One epoll set. Events carry a tag of the caller's (a non-negative integer). After `wait` returned n, read `tag(i)` and `events(i)`
 * for i < n. Nothing is allocated per wait.
 */
export class Epoll {
  readonly fd: number;
  private readonly memory: Arena;
  private readonly control: number;
  private exact = true;

  constructor(readonly eventsMax = 64) {
    this.fd = check(orErrno(cCreate(CLOEXEC)), 'epoll_create1');
    this.memory = Arena.map(eventsMax * 16 + PAGE_BYTES);
    this.control = eventsMax * 16;
  }

  /** Returns 0 or -errno. Level-triggered. */
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

  /** The same for at least `timeoutMs`, less than a second, to the microsecond; where the kernel cannot, to the next millisecond. */
  waitExactly(timeoutMs: number): number {
    if (!this.exact) return this.wait(Math.ceil(timeoutMs));
    const timeout = this.control + TIMEOUT_OFFSET;
    this.memory.i32[(timeout >> 2) + 2] = Math.ceil(timeoutMs * 1000) * 1000;
    const { address } = this.memory;
    const count = orErrno(cSyscall(SYS_EPOLL_PWAIT2, this.fd, address, this.eventsMax, address + timeout, 0, 0));
    if (count === -ENOSYS) {
      this.exact = false;
      return this.wait(Math.ceil(timeoutMs));
    }
    if (count === -EINTR) return 0;
    return check(count, 'epoll_pwait2');
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
