import type { Arena } from '../../os/arena.ts';
import { IOVEC_BYTES, MMSGHDR_BYTES, writeIovec, writeMessageHeader } from '../../os/message.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, sendMessage } from '../../os/socket.ts';
import type { ErrorQueue } from './error-queue.ts';
import type { LinkEnds } from './transmit/link-ends.ts';

const EMSGSIZE = -90;
const ENTRIES_MAX = 64;
const TRIES = 3;

/**
 * Probes of the path MTU, one at a time. Fragmentation is forbidden on the socket; a probe larger than the interface is
 * refused at once, and the socket's error queue then holds the number that would pass.
 */
export class ProbeSender {
  private readonly header: number;
  private readonly iovec: number;

  constructor(
    private readonly arena: Arena,
    private readonly errors: ErrorQueue,
    /** For entries of the queue that are not about this probe. */
    private readonly other: (fd: number) => void,
  ) {
    this.header = arena.allocate(MMSGHDR_BYTES, 64);
    this.iovec = arena.allocate(IOVEC_BYTES, 64);
  }

  /** 0 when it left, the MTU (> 0) or a negative number when it was refused: what the core expects of `probe`. */
  send(ends: LinkEnds, link: number, offset: number, length: number): number {
    const fd = ends.fd[link]!;
    if (fd < 0) return -1;
    const { arena } = this;
    writeIovec(arena, this.iovec, offset, length);
    writeMessageHeader(arena, this.header, ends.nameAt(link), ends.nameBytes[link]!, this.iovec, 1);
    for (let tries = 0; tries < TRIES; tries++) {
      const result = sendMessage(fd, arena.address + this.header, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (result >= 0) return 0;
      const mtu = this.readErrors(fd);
      if (result === EMSGSIZE && mtu > 0) return mtu;
      // Anything else may be the echo of an earlier packet's ICMP message, true or forged, which is read now: once more.
    }
    return -1;
  }

  private readErrors(fd: number): number {
    let mtu = 0;
    for (let i = 0; i < ENTRIES_MAX && this.errors.next(fd); i++) {
      if (this.errors.tooBig && this.errors.local) mtu = this.errors.mtu;
      else this.other(fd);
    }
    return mtu;
  }
}
