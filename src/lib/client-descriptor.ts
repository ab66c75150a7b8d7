/**
 * A client whose handshake is complete, before anybody serves it. Plain data, so that it can go to another thread (cpg's clients go to the
 * ring thread); the receiver owns the descriptors and the files.
 */
export interface ClientDescriptor {
  readonly id: number;
  /**
   * Connected setup socket, non-blocking; the receiver closes it. Another thread only shuts it down: the main thread, which sees by it that the
   * client is gone, closes it when that thread has reported the end, so there is no moment at which it sees neither.
   */
  readonly fd: number;
  readonly pid: number;
  readonly euid: number;
  readonly egid: number;
  readonly serviceId: number;
  readonly processName: string;
  /** Directory of the connection under /dev/shm with its ring files, open and locked; the receiver removes and closes it. */
  readonly directory: string;
  readonly directoryFd: number;
  /** The part of the files' names that is the service's socket. */
  readonly service: string;
  readonly maxMessageBytes: number;
}
