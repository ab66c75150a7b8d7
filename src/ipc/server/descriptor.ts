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
  readonly directory: string;
  /** Paths without `-header`/`-data`. */
  readonly requestRing: string;
  readonly responseRing: string;
  readonly eventRing: string;
  /** Open files: header and data of request, response, event; closed by the receiver. */
  readonly ringFds: readonly number[];
  readonly maxMessageBytes: number;
}
