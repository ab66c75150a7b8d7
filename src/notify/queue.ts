import { readFileSync } from 'node:fs';
import { counted } from '../lib/counted.ts';
import { failureText } from '../lib/failure.ts';
import { scratch } from '../os/arena.ts';
import { Errno, errnoName } from '../os/errno.ts';
import { closeFd, OpenFlag } from '../os/fd.ts';
import { type MessageQueueState, openQueue, queueState, receiveFromQueue, sendToQueue } from '../os/mqueue.ts';
import { statusOf } from '../os/stat.ts';
import { boundedNoticeJson, type Notice, PRIORITY } from './notice.ts';
import type { Complain, NoticeReceiver } from './receiver.ts';
import type { Target } from './target.ts';

/** Of a queue that we make: messages in it at most, if the system allows so many, and bytes of each. */
export const QUEUE_MESSAGES = 64;
export const QUEUE_MESSAGE_BYTES = 4096;
/** Where in `scratch` a message lies while it is sent. */
const MESSAGE = 8192;
/** A queue that could not be opened is tried again with the first notice after this time. */
const RETRY_MS = 5_000;
/** What any process may make (fs.mqueue.msg_max, msgsize_max), unless the machine says otherwise. */
const SYSTEM_MESSAGES = 10;
const SYSTEM_MESSAGE_BYTES = 8192;

/**
 * How much of a queue notices of a priority may fill: each kind leaves room for the more urgent ones, so that a reader that is slow finds the
 * loss of quorum in it, and not a hundred clients that came and went. What is in the queue is never taken out for that: the daemon may end at
 * any moment.
 */
export function roomFor(priority: number, messagesMax: number): number {
  const reserve = Math.max(1, Math.floor(messagesMax / 4));
  if (priority >= PRIORITY['daemon.found']) return messagesMax;
  const steps = priority >= PRIORITY['node.joined'] ? 1 : priority >= PRIORITY['link.up'] ? 2 : 3;
  return Math.max(1, messagesMax - steps * reserve);
}

/**
 * A POSIX message queue: the notice is in the kernel when `notify` returns, whatever happens to this process then. It is opened at once, so
 * that readers find it, and never waited for.
 */
export class QueueReceiver implements NoticeReceiver {
  private fd = -1;
  private triedMs = Number.NEGATIVE_INFINITY;
  /** Notices that found no room. */
  dropped = 0;

  constructor(
    private readonly target: Extract<Target, { readonly kind: 'queue' }>,
    private readonly complain: Complain,
    private readonly nowMs: () => number,
  ) {
    this.open();
  }

  get name(): string {
    return `mq:${this.target.name}`;
  }

  notify(notice: Notice): void {
    if (this.fd < 0 && this.nowMs() - this.triedMs >= RETRY_MS) this.open();
    if (this.fd < 0) {
      this.dropped += 1;
      return;
    }
    try {
      this.send(notice, queueState(this.fd));
    } catch (error) {
      this.drop(failureText(error));
    }
  }

  close(): void {
    if (this.fd >= 0) closeFd(this.fd);
    this.fd = -1;
    this.triedMs = Number.POSITIVE_INFINITY; // for good
  }

  private send(notice: Notice, { messages, messagesMax, messageBytesMax }: MessageQueueState): void {
    const { priority } = notice;
    if (messages >= roomFor(priority, messagesMax)) {
      if (messages < messagesMax || priority < PRIORITY['quorum.gained']) {
        this.drop(`it is full (${messages} of ${counted(messagesMax, 'message')})`);
        return;
      }
      // Full of what is as urgent: the state that the oldest of them reports is over.
      receiveFromQueue(this.fd, scratch.address + MESSAGE, scratch.byteLength - MESSAGE, 0);
      this.dropped += 1;
    }
    const text = boundedNoticeJson(notice, this.dropped, Math.min(messageBytesMax, scratch.byteLength - MESSAGE));
    if (text === null) {
      this.drop(`its messages are too small (${messageBytesMax} bytes)`);
      return;
    }
    const bytes = Buffer.from(text);
    scratch.u8.set(bytes, MESSAGE);
    const result = sendToQueue(this.fd, scratch.address + MESSAGE, bytes.length, priority);
    if (result < 0) this.drop(errnoName(result));
  }

  private drop(why: string): void {
    this.dropped += 1;
    this.complain(`${why}: ${counted(this.dropped, 'notice')} dropped so far`);
  }

  private open(): void {
    this.triedMs = this.nowMs();
    try {
      this.fd = this.openOrMake();
    } catch (error) {
      this.complain(`${failureText(error)}; notices for it are lost meanwhile`);
    }
  }

  /** Readers may have made it, with other sizes; but only who could change our own may have: others would read what is not for them. */
  private openOrMake(): number {
    const { name, mode } = this.target;
    const flags = OpenFlag.RDWR | OpenFlag.NONBLOCK;
    const fd = found(() => openQueue(name, { flags })) ?? this.make(name, flags, mode);
    const owner = statusOf(fd)?.uid;
    if (owner === 0 || owner === process.geteuid?.()) return fd;
    closeFd(fd);
    throw new Error(`the queue ${name} belongs to user ${owner}: remove it (rm /dev/mqueue${name})`);
  }

  private make(name: string, flags: number, mode: number): number {
    const messagesMax = Math.min(QUEUE_MESSAGES, systemLimit('msg_max', SYSTEM_MESSAGES));
    const messageBytesMax = Math.min(QUEUE_MESSAGE_BYTES, systemLimit('msgsize_max', SYSTEM_MESSAGE_BYTES));
    const create = flags | OpenFlag.CREAT | OpenFlag.EXCL;
    return openQueue(name, { flags: create, mode, messagesMax, messageBytesMax });
  }
}

/** `null`: there is none. */
function found(open: () => number): number | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof Error && 'errnoNumber' in error && error.errnoNumber === Errno.ENOENT) return null;
    throw error;
  }
}

function systemLimit(name: string, otherwise: number): number {
  try {
    const value = Number(readFileSync(`/proc/sys/fs/mqueue/${name}`, 'latin1'));
    return Number.isInteger(value) && value > 0 ? value : otherwise;
  } catch {
    return otherwise;
  }
}
