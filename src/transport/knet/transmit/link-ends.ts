import { SOCKADDR_BYTES_MAX } from '../../../os/sockaddr.ts';

/** Links of a ring: members times links. */
export const LINK_ENDS_MAX = 384 * 8;

/**
 * Where packets of a link go out, and to which address, by the core's index of the link: in memory that transmit threads see.
 *
 *   | descriptor, -1: none | length of the address |      and the addresses one behind the other in the arena
 */
export class LinkEnds {
  static readonly BYTES = 2 * LINK_ENDS_MAX * Int32Array.BYTES_PER_ELEMENT;
  readonly fd: Int32Array;
  readonly nameBytes: Int32Array;

  constructor(
    /** Offset of the addresses in the arena: LINK_ENDS_MAX times SOCKADDR_BYTES_MAX. */
    private readonly namesAt: number,
    shared: SharedArrayBuffer = new SharedArrayBuffer(LinkEnds.BYTES),
    at = 0,
  ) {
    this.fd = new Int32Array(shared, at, LINK_ENDS_MAX);
    this.nameBytes = new Int32Array(shared, at + this.fd.byteLength, LINK_ENDS_MAX);
  }

  /** Nothing goes out anywhere. */
  clear(): void {
    this.fd.fill(-1);
  }

  /** The address at `nameAt` is written already. */
  set(link: number, fd: number, nameBytes: number): void {
    this.fd[link] = fd;
    this.nameBytes[link] = nameBytes;
  }

  nameAt(link: number): number {
    return this.namesAt + link * SOCKADDR_BYTES_MAX;
  }
}
