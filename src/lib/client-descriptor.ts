/** What the daemon has open for a client that uses datagrams (libqb-ipc.md 3.9). */
export interface ClientDatagramSockets {
  /** Requests come in and responses go out here. */
  readonly request: number;
  /** Events go out here. */
  readonly event: number;
  /** File with the word of flow control. */
  readonly control: number;
}

/** Who a client is, and what it may send: all that is known of one that is in this process. */
export interface AttachedClient {
  readonly id: number;
  readonly pid: number;
  readonly euid: number;
  readonly egid: number;
  readonly serviceId: number;
  readonly processName: string;
  readonly maxMessageBytes: number;
}

/**
 * A client whose handshake is complete, before anybody serves it. Plain data, so that it can go to another thread (cpg's clients go to the
 * ring thread); the receiver owns the descriptors and the files.
 */
export interface ClientDescriptor extends AttachedClient {
  /**
   * Connected setup socket, non-blocking; the receiver closes it. Another thread only shuts it down: the main thread, which sees by it that the
   * client is gone, closes it when that thread has reported the end, so there is no moment at which it sees neither.
   */
  readonly fd: number;
  /** Directory of the connection, with the files of its rings or the control file, open and locked; the receiver removes and closes it. */
  readonly directory: string;
  readonly directoryFd: number;
  /** The part of the files' names that is the service's socket. */
  readonly service: string;
  /** Open, and the receiver's to close; `null`: the client uses shared memory. */
  readonly datagrams: ClientDatagramSockets | null;
}
