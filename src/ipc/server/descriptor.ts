/**
 * A client whose handshake is complete, before anybody serves it. Plain data, so that it can go to another thread; the receiver owns
 * the descriptors and the files. Structurally the same as `ClientDescriptor` of the bridge.
 */
export interface ClientDescriptor {
  readonly id: number;
  /** The connected setup socket, non-blocking, not watched by anybody. */
  readonly fd: number;
  readonly pid: number;
  readonly euid: number;
  readonly egid: number;
  readonly serviceId: number;
  readonly processName: string;
  /** The directory with its ring files, open and locked, removed and closed by the receiver: `ConnectionFiles`. */
  readonly directory: string;
  readonly directoryFd: number;
  readonly service: string;
  readonly maxMessageBytes: number;
}
