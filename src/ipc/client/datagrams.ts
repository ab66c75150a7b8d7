import { readSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { Peek, type PeekResult } from '../../lib/qbring/reader.ts';
import { Arena, scratch } from '../../os/arena.ts';
import { Errno, errnoName, OsError } from '../../os/errno.ts';
import { closeFd } from '../../os/fd.ts';
import { AF_UNIX } from '../../os/sockaddr.ts';
import {
  bindSocket,
  connectSocket,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  openSocket,
  receiveBytes,
  SOCK_DGRAM,
  SOL_SOCKET,
  SocketOption,
  sendBytes,
  setOptionInt,
} from '../../os/socket.ts';
import { FdWatcher } from '../../os/watch.ts';
import { encodeSocketAddress } from '../names.ts';
import { type Accepted, CONTROL_BYTES, CONTROL_FLOW_AT, DatagramName } from '../protocol.ts';
import type { ClientChannels, MessageReader } from './channels.ts';
import { isConnectionPlace, openConnectionFile } from './ring-files.ts';

/** Memory of closed connections, by size: address space with views on it is never given back (libqb-ipc.md 7.3). */
const idleArenas: Arena[] = [];
const BASE_NAME = /^qb-[A-Za-z0-9._-]+$/;

/** Receives one datagram at a time into its part of the memory. */
class DatagramReader implements MessageReader {
  readonly u8: Uint8Array;
  length = -1;
  fault: string | null = null;

  constructor(
    private readonly fd: number,
    private readonly arena: Arena,
    readonly offset: number,
    private readonly bytesMax: number,
  ) {
    this.u8 = arena.u8;
  }

  peek(): PeekResult {
    if (this.length >= 0) return Peek.CHUNK;
    if (this.fault !== null) return Peek.FAULT;
    const bytes = receiveBytes(this.fd, this.arena.address + this.offset, this.bytesMax, MSG_DONTWAIT | MSG_TRUNC);
    if (bytes === -Errno.EAGAIN || bytes === -Errno.EINTR) return Peek.EMPTY;
    if (bytes < 0) this.fault = errnoName(bytes);
    else if (bytes > this.bytesMax) this.fault = `a message of ${bytes} bytes`;
    if (this.fault !== null) return Peek.FAULT;
    this.length = bytes;
    return Peek.CHUNK;
  }

  reclaim(): void {
    this.length = -1;
  }

  release(): number {
    return 0;
  }
}

/** The client's two datagram sockets (libqb-ipc.md 3.9). */
export class ClientDatagrams implements ClientChannels {
  readonly response: DatagramReader;
  readonly event: DatagramReader;
  readonly eventBytes: number;
  private readonly arena: Arena;
  private readonly requestAt = 0;
  private readonly fds: number[] = [];
  private readonly flow = new Int32Array(1);
  private watcher: FdWatcher | null = null;
  private waiting = true;
  private open = true;

  /** `serverUid`: the user that the kernel says listens there. */
  constructor(setup: Accepted, serverUid: number) {
    const [control, base] = setup.rings;
    const bytes = setup.maxMessageBytes;
    this.eventBytes = bytes;
    if (!isConnectionPlace(dirname(base)) || !BASE_NAME.test(basename(base)))
      throw new OsError(Errno.EPROTO, `${JSON.stringify(base)} is not a name for the sockets of a connection`);
    const reusable = idleArenas.findIndex(({ byteLength }) => byteLength >= 3 * bytes);
    this.arena = reusable >= 0 ? idleArenas.splice(reusable, 1)[0]! : Arena.map(3 * bytes);
    try {
      this.fds.push(openConnectionFile(control, CONTROL_BYTES, serverUid));
      this.fds.push(this.socket(base + DatagramName.RESPONSES_IN, base + DatagramName.REQUESTS_IN, bytes));
      this.fds.push(this.socket(base + DatagramName.EVENTS_IN, base + DatagramName.EVENTS_OUT, bytes));
    } catch (error) {
      this.release();
      throw error;
    }
    this.response = new DatagramReader(this.fds[1]!, this.arena, bytes, bytes);
    this.event = new DatagramReader(this.fds[2]!, this.arena, 2 * bytes, bytes);
  }

  /** The file is read, not mapped: whoever cuts it off harms nobody. */
  flowControl(): number {
    const bytes = readSync(this.fds[0]!, this.flow, 0, 4, CONTROL_FLOW_AT);
    return bytes === 4 ? this.flow[0]! : 0;
  }

  /** A message that the kernel does not take at all is an error of the connection, which `response` reports. */
  trySend(request: Uint8Array, tail: Uint8Array): boolean {
    this.arena.u8.set(request, this.requestAt);
    this.arena.u8.set(tail, this.requestAt + request.length);
    const address = this.arena.address + this.requestAt;
    const bytes = request.length + tail.length;
    const sent = sendBytes(this.fds[1]!, address, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return true;
    if (sent === -Errno.EAGAIN || sent === -Errno.ENOBUFS || sent === -Errno.EINTR) return false;
    if (sent === -Errno.EMSGSIZE) {
      this.response.fault ??= `a request of ${bytes} bytes is more than net.core.wmem_max allows`;
    }
    return true; // the end of the daemon is seen at the setup socket
  }

  onEvents(come: () => void): void {
    this.watcher = new FdWatcher(this.fds[2]!, come);
  }

  waitForEvents(on: boolean): void {
    if (on === this.waiting) return;
    this.waiting = on;
    this.watcher?.watch(on, false);
  }

  keepAlive(on: boolean): void {
    if (on) this.watcher?.ref();
    else this.watcher?.unref();
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.watcher?.stop();
    this.release();
  }

  private release(): void {
    for (const fd of this.fds) closeFd(fd);
    this.arena.unmapFile(0, this.arena.byteLength);
    idleArenas.push(this.arena);
  }

  /** Connected first: once it has a name others could send to it, had it no peer yet. */
  private socket(name: string, peer: string, maxMessageBytes: number): number {
    const fd = openSocket(AF_UNIX, SOCK_DGRAM);
    setOptionInt(fd, SOL_SOCKET, SocketOption.SNDBUF, maxMessageBytes);
    const connected = connectSocket(fd, scratch.address, encodeSocketAddress(scratch.u8, 0, peer, null));
    const result =
      connected < 0 ? connected : bindSocket(fd, scratch.address, encodeSocketAddress(scratch.u8, 0, name, null));
    if (result >= 0) return fd;
    closeFd(fd);
    throw new OsError(-result, `the connection's socket ${name}`);
  }
}
