import { chmodSync } from 'node:fs';
import { Arena, scratch } from '../../os/arena.ts';
import { type Credentials, processName, receiveWithCredentials } from '../../os/credentials.ts';
import { Errno, errnoName, OsError } from '../../os/errno.ts';
import { closeFd, unlinkFile } from '../../os/fd.ts';
import { AF_UNIX } from '../../os/sockaddr.ts';
import {
  acceptSocket,
  bindSocket,
  listenSocket,
  MSG_NOSIGNAL,
  openSocket,
  SOCK_STREAM,
  SOL_SOCKET,
  SocketOption,
  sendBytes,
  setOptionInt,
} from '../../os/socket.ts';
import { FdWatcher } from '../../os/watch.ts';
import { encodeSocketAddress, socketDirectory, socketName } from '../names.ts';
import {
  CONNECTION_REQUEST_BYTES,
  CONNECTION_RESPONSE_BYTES,
  ConnectionType,
  decodeConnectionRequest,
  encodeConnectionResponse,
  IPC_LIMITS,
} from '../protocol.ts';
import type { ClientDescriptor } from './descriptor.ts';
import { type ConnectionFiles, createConnectionFiles, removeConnectionFiles, ringNames } from './files.ts';

export interface ListenerOptions {
  /** Service name of stock: `cmap`. */
  readonly service: string;
  readonly serviceId: number;
  /** Named IPC instance; empty for stock's socket names. */
  readonly instance: string;
  /** Unique for the life of the daemon. */
  nextConnectionId(): number;
  /** 0, or the errno that the client gets. */
  authorize(client: Credentials): number;
  /**
   * Everything is ready but the answer to the client. 0: it is yours. -errno: the client gets that, and this listener cleans up.
   */
  prepare(client: ClientDescriptor): number;
  /** The client has its answer (libqb's "created" hook). `client.fd` is no longer watched here. */
  established(client: ClientDescriptor): void;
  /** A handshake that did not become a connection, by reason, for a counter or the log. */
  refused(reason: string, client: Credentials | null): void;
}

export const HANDSHAKE_LIMITS = {
  acceptPerWakeMax: 16,
  /** Connected and silent. Stock keeps such descriptors for ever. */
  pendingMax: 256,
  silentMs: 30_000,
  /** No descriptors left: how long not to listen. */
  pauseMs: 100,
} as const;

interface Pending {
  readonly fd: number;
  readonly watcher: FdWatcher;
  readonly sinceMs: number;
}

const REQUEST_AT = 8192;
const response = Arena.map(CONNECTION_RESPONSE_BYTES);

/** The listening socket of one service and the handshakes on it (libqb-ipc.md 1.6). */
export class IpcListener {
  private readonly fd: number;
  private readonly path: string | null;
  private watcher: FdWatcher;
  private readonly pending = new Map<number, Pending>();
  private timer: NodeJS.Timeout | null = null;
  private closed = false;

  /** Throws OsError (EADDRINUSE: another daemon of this instance runs). */
  constructor(private readonly options: ListenerOptions) {
    const name = socketName(options.service, options.instance);
    const directory = socketDirectory();
    this.path = directory === null ? null : `${directory}/${name}`;
    this.fd = openSocket(AF_UNIX, SOCK_STREAM);
    setOptionInt(this.fd, SOL_SOCKET, SocketOption.PASSCRED, 1); // accepted sockets inherit it
    if (this.path !== null) unlinkFile(this.path);
    const bytes = encodeSocketAddress(scratch.u8, 0, name, directory);
    const bound = bindSocket(this.fd, scratch.address, bytes);
    const result = bound < 0 ? bound : listenSocket(this.fd, IPC_LIMITS.backlog);
    if (result < 0) {
      closeFd(this.fd);
      throw new OsError(
        -result,
        `cannot listen on IPC socket ${name}`,
        result === -Errno.EADDRINUSE ? 'Another daemon uses this IPC instance' : '',
      );
    }
    if (this.path !== null) chmodSync(this.path, 0o777);
    this.watcher = new FdWatcher(this.fd, this.onConnect);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.watcher.stop();
    closeFd(this.fd);
    if (this.path !== null) unlinkFile(this.path);
    for (const fd of this.pending.keys()) this.drop(fd, 'closing', null);
  }

  private readonly onConnect = (): void => {
    for (let i = 0; i < HANDSHAKE_LIMITS.acceptPerWakeMax; i++) {
      const fd = acceptSocket(this.fd);
      if (fd === -Errno.EAGAIN) return;
      if (fd < 0) {
        this.options.refused(`accept ${errnoName(fd)}`, null);
        this.pause();
        return;
      }
      if (this.pending.size >= HANDSHAKE_LIMITS.pendingMax) {
        const [oldest] = this.pending.keys();
        this.drop(oldest!, 'tooManyPending', null);
      }
      this.pending.set(fd, { fd, watcher: new FdWatcher(fd, () => this.onRequest(fd)), sinceMs: performance.now() });
      this.startTimer();
      this.onRequest(fd); // stock clients have sent it by now
    }
  };

  /** Out of descriptors: the socket stays readable, so it must not be watched until some may be free again. */
  private pause(): void {
    this.watcher.stop();
    setTimeout(() => {
      if (!this.closed) this.watcher = new FdWatcher(this.fd, this.onConnect);
    }, HANDSHAKE_LIMITS.pauseMs);
  }

  private startTimer(): void {
    if (this.timer !== null || this.pending.size === 0) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      const limit = performance.now() - HANDSHAKE_LIMITS.silentMs;
      for (const { fd, sinceMs } of this.pending.values()) if (sinceMs <= limit) this.drop(fd, 'silent', null);
      this.startTimer();
    }, HANDSHAKE_LIMITS.silentMs);
    this.timer.unref();
  }

  private onRequest(fd: number): void {
    const { bytes, credentials } = receiveWithCredentials(fd, scratch.address + REQUEST_AT, CONNECTION_REQUEST_BYTES);
    if (bytes === -Errno.EAGAIN || bytes === -Errno.EINTR) return;
    if (bytes !== CONNECTION_REQUEST_BYTES) {
      this.drop(fd, bytes === 0 ? 'hangUp' : 'shortRequest', credentials);
      return;
    }
    if (credentials === null) {
      this.drop(fd, 'noCredentials', null);
      return;
    }
    const maxMessageBytes = decodeConnectionRequest(scratch.data, REQUEST_AT);
    if (maxMessageBytes === null) {
      this.drop(fd, 'notARequest', credentials);
      return;
    }
    setOptionInt(fd, SOL_SOCKET, SocketOption.PASSCRED, 0);
    const errno = maxMessageBytes > IPC_LIMITS.messageBytesMax ? Errno.EMSGSIZE : this.options.authorize(credentials);
    if (errno !== 0) {
      this.refuse(fd, errno, credentials);
      return;
    }
    const files = createConnectionFiles(
      socketName(this.options.service, this.options.instance),
      fd,
      credentials,
      maxMessageBytes,
    );
    if (typeof files === 'number') {
      this.refuse(fd, -files, credentials);
      return;
    }
    this.establish(fd, credentials, files, maxMessageBytes);
  }

  private establish(fd: number, credentials: Credentials, files: ConnectionFiles, maxMessageBytes: number): void {
    const client: ClientDescriptor = {
      id: this.options.nextConnectionId(),
      fd,
      pid: credentials.pid,
      euid: credentials.uid,
      egid: credentials.gid,
      serviceId: this.options.serviceId,
      processName: processName(credentials.pid),
      ...files,
      maxMessageBytes,
    };
    this.forget(fd); // before anybody else watches it
    const prepared = this.options.prepare(client);
    if (prepared < 0) {
      removeConnectionFiles(files);
      this.refuse(fd, -prepared, credentials);
      return;
    }
    encodeConnectionResponse(
      response.u8,
      0,
      { error: 0, type: ConnectionType.SHARED_MEMORY, maxMessageBytes, rings: ringNames(files) },
      client.id,
    );
    // One write (libqb-ipc.md trap 2). It fits an empty socket; if the client is gone already, the owner learns it from the socket.
    sendBytes(fd, response.address, CONNECTION_RESPONSE_BYTES, MSG_NOSIGNAL);
    this.options.established(client);
  }

  private refuse(fd: number, errno: number, credentials: Credentials): void {
    encodeConnectionResponse(response.u8, 0, { error: errno }, 0);
    sendBytes(fd, response.address, CONNECTION_RESPONSE_BYTES, MSG_NOSIGNAL);
    this.drop(fd, errnoName(errno), credentials);
  }

  private drop(fd: number, reason: string, credentials: Credentials | null): void {
    this.forget(fd);
    closeFd(fd);
    this.options.refused(reason, credentials);
  }

  private forget(fd: number): void {
    this.pending.get(fd)?.watcher.stop();
    this.pending.delete(fd);
  }
}
