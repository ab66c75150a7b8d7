import { scratch } from './arena.ts';
import { check } from './errno.ts';
import { bind, orErrno } from './libc.ts';

/** POSIX message queues (in the C library since glibc 2.34). A queue descriptor is an ordinary fd on Linux. */
const cOpen = bind<(name: string, flags: number, mode: number, attributes: number) => number>('mq_open', 'int', [
  'str',
  'int',
  'uint32_t',
  'uintptr_t',
]);
const cSend = bind<(queue: number, address: number, bytes: number, priority: number) => number>('mq_send', 'int', [
  'int',
  'uintptr_t',
  'size_t',
  'uint32_t',
]);
const cReceive = bind<(queue: number, address: number, bytes: number, priority: number, deadline: number) => number>(
  'mq_timedreceive',
  'int64_t',
  ['int', 'uintptr_t', 'size_t', 'uintptr_t', 'uintptr_t'],
);
const cUnlink = bind<(name: string) => number>('mq_unlink', 'int', ['str']);
const ATTRIBUTES = 2048;
const DEADLINE = 2304;

export interface QueueOptions {
  readonly flags: number;
  readonly mode?: number;
  /** Only with O_CREAT; both or none. */
  readonly messagesMax?: number;
  readonly messageBytesMax?: number;
}

/** `name` starts with a slash. Throws OsError. */
export function openQueue(name: string, options: QueueOptions): number {
  const sized = options.messagesMax !== undefined && options.messageBytesMax !== undefined;
  if (sized) {
    // struct mq_attr: flags, maxmsg, msgsize, curmsgs, 64 bits each.
    scratch.u8.fill(0, ATTRIBUTES, ATTRIBUTES + 64);
    scratch.i32[(ATTRIBUTES >> 2) + 2] = options.messagesMax;
    scratch.i32[(ATTRIBUTES >> 2) + 4] = options.messageBytesMax;
  }
  const fd = cOpen(name, options.flags, options.mode ?? 0o600, sized ? scratch.address + ATTRIBUTES : 0);
  return check(orErrno(fd), `mq_open ${name}`);
}

/** 0 or -errno (-EAGAIN: full, if the queue was opened non-blocking). */
export const sendToQueue = (fd: number, address: number, bytes: number, priority: number): number =>
  orErrno(cSend(fd, address, bytes, priority));

/** Length of a message, or -errno (-ETIMEDOUT). `bytes` must be the queue's message size at least. Blocks up to `timeoutMs`. */
export function receiveFromQueue(fd: number, address: number, bytes: number, timeoutMs: number): number {
  const deadline = Date.now() + timeoutMs;
  scratch.u8.fill(0, DEADLINE, DEADLINE + 16);
  scratch.u32[DEADLINE >> 2] = Math.floor(deadline / 1000);
  scratch.i32[(DEADLINE >> 2) + 2] = Math.floor(deadline % 1000) * 1e6;
  return orErrno(cReceive(fd, address, bytes, 0, scratch.address + DEADLINE));
}

export const unlinkQueue = (name: string): number => orErrno(cUnlink(name));
