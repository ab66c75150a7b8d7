import { chmodSync } from 'node:fs';
import type { ClientDescriptor } from '../../lib/client-descriptor.ts';
import { Arena, scratch } from '../../os/arena.ts';
import { type Credentials, peerCredentials, processName, receiveWithCredentials } from '../../os/credentials.ts';
import { Errno, errnoName, OsError } from '../../os/errno.ts';
import { closeFd, unlinkFile } from '../../os/fd.ts';
import { AF_UNIX } from '../../os/sockaddr.ts';
import {
  acceptSocket,
  bindSocket,
  listenSocket,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_PEEK,
  openSocket,
  receiveBytes,
  SOCK_STREAM,
  SOL_SOCKET,
  SocketOption,
  sendBytes,
  setOptionInt,
} from '../../os/socket.ts';
import { FdWatcher } from '../../os/watch.ts';
import { encodeSocketAddress, SHARED_MEMORY_DIRECTORY, socketDirectory, socketName } from '../names.ts';
import {
  CONNECTION_REQUEST_BYTES,
  CONNECTION_RESPONSE_BYTES,
  ConnectionType,
  decodeConnectionRequest,
  encodeConnectionResponse,
  IPC_LIMITS,
} from '../protocol.ts';
import { createDatagramFiles, datagramNames, datagramRoot } from './datagram-files.ts';
import { type ConnectionFiles, createConnectionFiles, discardConnectionFiles, ringNames } from './files.ts';
import type { Handshakes, SilentClient } from './handshakes.ts';
import type { IpcTransport } from './limits.ts';

export interface ListenerOptions {
  /** Service name of stock: `cmap`. */
  readonly service: string;
  readonly serviceId: number;
  /** Named IPC instance; empty for stock's socket names. */
  readonly instance: string;
  /** How messages travel. */
  readonly transport: IpcTransport;
  /** Unique for the life of the daemon. */
  nextConnectionId(): number;
  /** Shared by all services: whose turn it is. */
  readonly handshakes: Handshakes;
  /** 0, or the errno that the client gets. `fd` is its socket, the lowest descriptor that was free. */
  authorize(client: Credentials, fd: number): number;
  /** Counts a connection that is to be made: 0, or the errno that the client gets. Undone by `release`. */
  reserve(client: Credentials, maxMessageBytes: number): number;
  release(client: Credentials, maxMessageBytes: number): void;
  /**
   * Everything is ready but the response to the client. 0: it is yours. -errno: the client gets that, and this listener cleans up.
   */
  prepare(client: ClientDescriptor): number;
  /** The client has its response (libqb's "created" hook). `client.fd` is no longer watched here. */
  established(client: ClientDescriptor): void;
  /**
   * A handshake that did not become a connection, by reason, for a counter or the log. `missing`: what this host or this daemon did not
   * have for it.
   */
  refused(reason: string, client: Credentials | null, missing?: string): void;
  /** A client was not looked at, because its user wastes this daemon's time. */
  ignored(): void;
}

/** Clients taken off the queue of the socket in one turn of the loop, and the time for that. */
const ACCEPT_MAX = 4096;
const ACCEPT_MS = 3;
/** The clock is looked at after so many. */
const ACCEPT_BATCH = 32;
/** What a connection takes, for the log. */
const RING_NEEDS = `room for ring files in ${SHARED_MEMORY_DIRECTORY}`;
const DATAGRAM_NEEDS = `room for the control file in ${datagramRoot()}, or a descriptor for it and two sockets`;
/** No descriptors left: how long not to listen. */
const PAUSE_MS = 100;

/** A client that has not asked yet. */
interface Silent extends SilentClient {
  readonly watcher: FdWatcher;
}

const REQUEST_AT = 8192;
const response = Arena.map(CONNECTION_RESPONSE_BYTES);

/** The listening socket of one service and the handshakes on it (libqb-ipc.md 1.6). */
export class IpcListener {
  private watcher: FdWatcher;
  private readonly silent = new Map<number, Silent>();
  private closed = false;

  private constructor(
    private readonly options: ListenerOptions,
    private readonly fd: number,
    /** Of the socket, where it is a file. */
    private readonly path: string | null,
  ) {
    this.watcher = new FdWatcher(fd, this.onConnect);
  }

  /** Opens the socket. Throws OsError (EADDRINUSE: another daemon of this instance runs). */
  static listen(options: ListenerOptions): IpcListener {
    const name = socketName(options.service, options.instance);
    const directory = socketDirectory();
    const path = directory === null ? null : `${directory}/${name}`;
    const fd = openSocket(AF_UNIX, SOCK_STREAM);
    setOptionInt(fd, SOL_SOCKET, SocketOption.PASSCRED, 1); // accepted sockets inherit it
    if (path !== null) unlinkFile(path);
    const bytes = encodeSocketAddress(scratch.u8, 0, name, directory);
    const bound = bindSocket(fd, scratch.address, bytes);
    const result = bound < 0 ? bound : listenSocket(fd, IPC_LIMITS.backlog);
    if (result < 0) {
      closeFd(fd);
      throw new OsError(
        -result,
        `cannot listen on IPC socket ${name}`,
        result === -Errno.EADDRINUSE ? 'Another daemon uses this IPC instance' : '',
      );
    }
    if (path !== null) chmodSync(path, 0o777);
    return new IpcListener(options, fd, path);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.watcher.stop();
    closeFd(this.fd);
    if (this.path !== null) unlinkFile(this.path);
    for (const fd of [...this.silent.keys()]) this.drop(fd, 'closing', null);
  }

  private readonly onConnect = (): void => {
    const end = performance.now() + ACCEPT_MS;
    for (let i = 1; i <= ACCEPT_MAX; i++) {
      const fd = acceptSocket(this.fd);
      if (fd === -Errno.EAGAIN) return;
      if (fd < 0) {
        this.options.refused(`accept ${errnoName(fd)}`, null, `a descriptor for the socket: ${errnoName(fd)}`);
        this.pause();
        return;
      }
      this.onAccepted(fd);
      if (i % ACCEPT_BATCH === 0 && performance.now() >= end) return; // the rest in the next turn
    }
  };

  /** Who it is comes first: a user who was refused over and over costs no more than this. */
  private onAccepted(fd: number): void {
    const peer = peerCredentials(fd);
    if (peer === null || this.options.handshakes.isTiresome(peer.uid)) {
      closeFd(fd);
      this.options.ignored();
      return;
    }
    if (this.onRequest(fd, peer)) return; // stock clients have sent it by now
    const watcher = new FdWatcher(fd, () => this.onRequest(fd, peer));
    const silent = {
      uid: peer.uid,
      watcher,
      sinceMs: performance.now(),
      drop: (reason: string) => this.drop(fd, reason, peer),
    };
    this.silent.set(fd, silent);
    this.options.handshakes.keep(silent);
  }

  /** Out of descriptors: the socket stays readable, so it must not be watched until some may be free again. */
  private pause(): void {
    this.watcher.stop();
    setTimeout(() => {
      if (!this.closed) this.watcher = new FdWatcher(this.fd, this.onConnect);
    }, PAUSE_MS);
  }

  /** Something came from a client that is to ask; `false`: not yet. */
  private onRequest(fd: number, peer: Credentials): boolean {
    const { bytes, credentials } = receiveWithCredentials(fd, scratch.address + REQUEST_AT, CONNECTION_REQUEST_BYTES);
    if (bytes === -Errno.EAGAIN || bytes === -Errno.EINTR) return false;
    this.forget(fd); // whatever it is, it is decided now, or waits for its turn
    if (bytes !== CONNECTION_REQUEST_BYTES) this.drop(fd, bytes === 0 ? 'hangUp' : 'shortRequest', peer);
    else if (credentials === null) this.drop(fd, 'noCredentials', null);
    else this.onAsked(fd, credentials, decodeConnectionRequest(scratch.data, REQUEST_AT));
    return true;
  }

  private onAsked(fd: number, credentials: Credentials, maxMessageBytes: number | null): void {
    const { handshakes } = this.options;
    if (maxMessageBytes === null) {
      this.drop(fd, 'notARequest', credentials);
      return;
    }
    const tooLarge = maxMessageBytes > IPC_LIMITS.messageBytesMax;
    const errno = tooLarge ? Errno.EMSGSIZE : this.options.authorize(credentials, fd);
    if (errno !== 0) this.refuse(fd, errno, credentials);
    else if (!handshakes.enqueue(credentials.uid, () => this.admit(fd, credentials, maxMessageBytes)))
      this.refuse(fd, Errno.EAGAIN, credentials);
  }

  /** The client's turn has come. */
  private admit(fd: number, credentials: Credentials, maxMessageBytes: number): void {
    if (this.closed || receiveBytes(fd, scratch.address, 1, MSG_PEEK | MSG_DONTWAIT) === 0) {
      this.drop(fd, this.closed ? 'closing' : 'hangUp', credentials);
      return;
    }
    setOptionInt(fd, SOL_SOCKET, SocketOption.PASSCRED, 0);
    const reserved = this.options.reserve(credentials, maxMessageBytes);
    if (reserved !== 0) {
      this.refuse(fd, reserved, credentials, 'a connection that is free');
      return;
    }
    const name = socketName(this.options.service, this.options.instance);
    const create = this.usesDatagrams ? createDatagramFiles : createConnectionFiles;
    const files = create(name, fd, credentials, maxMessageBytes);
    const result = typeof files === 'number' ? files : this.establish(fd, credentials, files, maxMessageBytes);
    if (result >= 0) return;
    this.options.release(credentials, maxMessageBytes);
    this.refuse(fd, -result, credentials, `${this.usesDatagrams ? DATAGRAM_NEEDS : RING_NEEDS}: ${errnoName(result)}`);
  }

  private establish(fd: number, peer: Credentials, files: ConnectionFiles, maxMessageBytes: number): number {
    const client: ClientDescriptor = {
      id: this.options.nextConnectionId(),
      fd,
      pid: peer.pid,
      euid: peer.uid,
      egid: peer.gid,
      serviceId: this.options.serviceId,
      processName: processName(peer.pid),
      ...files,
      maxMessageBytes,
    };
    const prepared = this.options.prepare(client);
    if (prepared < 0) {
      discardConnectionFiles(files);
      return prepared;
    }
    encodeConnectionResponse(
      response.u8,
      0,
      this.usesDatagrams
        ? { error: 0, type: ConnectionType.SOCKET, maxMessageBytes, rings: datagramNames(files) }
        : { error: 0, type: ConnectionType.SHARED_MEMORY, maxMessageBytes, rings: ringNames(files) },
      client.id,
    );
    // One write (libqb-ipc.md trap 2). It fits an empty socket; if the client is gone already, the owner learns it from the socket.
    sendBytes(fd, response.address, CONNECTION_RESPONSE_BYTES, MSG_NOSIGNAL);
    this.options.established(client);
    return 0;
  }

  private get usesDatagrams(): boolean {
    return this.options.transport === 'socket';
  }

  private refuse(fd: number, errno: number, credentials: Credentials, missing?: string): void {
    encodeConnectionResponse(response.u8, 0, { error: errno }, 0);
    sendBytes(fd, response.address, CONNECTION_RESPONSE_BYTES, MSG_NOSIGNAL);
    this.drop(fd, errnoName(errno), credentials, missing);
  }

  private drop(fd: number, reason: string, credentials: Credentials | null, missing?: string): void {
    this.forget(fd);
    if (credentials !== null && (reason === 'hangUp' || reason === 'EACCES'))
      this.options.handshakes.countWaste(credentials.uid);
    closeFd(fd);
    this.options.refused(reason, credentials, missing);
  }

  private forget(fd: number): void {
    const silent = this.silent.get(fd);
    if (silent === undefined) return;
    this.silent.delete(fd);
    silent.watcher.stop(); // before anybody else watches it
    this.options.handshakes.forget(silent);
  }
}
