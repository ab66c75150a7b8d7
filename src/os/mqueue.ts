import { scratch } from './arena.ts';
import { check } from './errno.ts';
import { bind, orErrno } from './libc.ts';

/** POSIX message queues (in the C library since glibc 2.34). A queue descriptor is an ordinary fd on Linux, closed at exec. */
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
const cAttributes = bind<(queue: number, attributes: number) => number>('mq_getattr', 'int', ['int', 'uintptr_t']);
const cUnlink = bind<(name: string) => number>('mq_unlink', 'int', ['str']);
/** struct mq_attr: flags, maxmsg, msgsize, curmsgs, 64 bits each, and as much again in reserve. */
const ATTRIBUTES = 2048;
const ATTRIBUTES_BYTES = 64;
const Attribute = { MESSAGES_MAX: 2, MESSAGE_BYTES_MAX: 4, MESSAGES: 6 } as const;
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
    scratch.u8.fill(0, ATTRIBUTES, ATTRIBUTES + ATTRIBUTES_BYTES);
    scratch.i32[(ATTRIBUTES >> 2) + Attribute.MESSAGES_MAX] = options.messagesMax;
    scratch.i32[(ATTRIBUTES >> 2) + Attribute.MESSAGE_BYTES_MAX] = options.messageBytesMax;
  }
  const fd = cOpen(name, options.flags, options.mode ?? 0o600, sized ? scratch.address + ATTRIBUTES : 0);
  return check(orErrno(fd), `mq_open ${name}`);
}

export interface MessageQueueState {
  readonly messagesMax: number;
  readonly messageBytesMax: number;
  /** Messages that wait in it now. */
  readonly messages: number;
}

/** Throws OsError. */
export function queueState(fd: number): MessageQueueState {
  check(orErrno(cAttributes(fd, scratch.address + ATTRIBUTES)), 'mq_getattr');
  const at = ATTRIBUTES >> 2;
  return {
    messagesMax: scratch.i32[at + Attribute.MESSAGES_MAX]!,
    messageBytesMax: scratch.i32[at + Attribute.MESSAGE_BYTES_MAX]!,
    messages: scratch.i32[at + Attribute.MESSAGES]!,
  };
}

/** 0 or -errno (-EAGAIN: full, if the queue was opened non-blocking). */
export const sendToQueue = (fd: number, address: number, bytes: number, priority: number): number =>
  orErrno(cSend(fd, address, bytes, priority));

/**
 * Takes the oldest message of the highest priority: its length, or -errno (-ETIMEDOUT). `bytes` must be the queue's message size at least.
 * Blocks up to `timeoutMs`, unless the queue was opened non-blocking (-EAGAIN).
 */
export function receiveFromQueue(fd: number, address: number, bytes: number, timeoutMs: number): number {
  const deadline = Date.now() + timeoutMs;
  scratch.u8.fill(0, DEADLINE, DEADLINE + 16);
  scratch.u32[DEADLINE >> 2] = Math.floor(deadline / 1000);
  scratch.i32[(DEADLINE >> 2) + 2] = Math.floor(deadline % 1000) * 1e6;
  return orErrno(cReceive(fd, address, bytes, 0, scratch.address + DEADLINE));
}

export const unlinkQueue = (name: string): number => orErrno(cUnlink(name));
