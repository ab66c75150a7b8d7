import type { ClientDescriptor } from '../../lib/client-descriptor.ts';
import { QB_HEADER, QB_LAYOUT, type RingMemory } from '../../lib/qbring/layout.ts';
import type { RingWriter } from '../../lib/qbring/writer.ts';
import { errnoName } from '../../os/errno.ts';
import { closeFd, fillHoles, forbidShrinking, OpenFlag, openFileIn, unlinkFileIn } from '../../os/fd.ts';
import { futexWake } from '../../os/futex.ts';
import { fileBytes } from '../../os/stat.ts';
import { ChunkConnection, type ConnectionRings } from './chunk-connection.ts';
import { removeConnectionFiles, ringFileNames } from './files.ts';
import { type RingPool, type Slot, slotRing } from './pool.ts';
import { SetupSocket } from './setup-socket.ts';

/**
 * A client in shared memory: three rings, and a byte on the setup socket for each request and event (libqb-ipc.md 2, 3).
 *
 * The client is hostile. What it can do to the rings is checked by the ring classes. It could also make the files shorter or punch holes
 * in them, and an access to what is not there is a SIGBUS. So nothing is mapped before the client's first byte shows that it has opened
 * the files. Then they are made unshrinkable, their sizes are compared, holes are filled, and their names are removed (nothing is left behind
 * if we are killed). Where the kernel does not offer that (`shrinkProtection`), the protection is the same as stock's: none.
 *
 * A request can change while it is looked at: read each field once, or copy it first.
 */
export class RingConnection extends ChunkConnection {
  /** It has sent a byte. */
  private heard = false;
  private hasFiles = true;

  constructor(
    private readonly pool: RingPool,
    private readonly slot: Slot,
    private readonly descriptor: ClientDescriptor,
  ) {
    const { maxMessageBytes } = descriptor;
    const rings = [
      slotRing(slot, 0, maxMessageBytes),
      slotRing(slot, 1, maxMessageBytes),
      slotRing(slot, 2, maxMessageBytes),
    ] as const;
    super(slot.arena, rings, descriptor, new SetupSocket(descriptor.fd), pool.events);
  }

  override get inputFd(): number {
    return this.fd;
  }

  override get roomFd(): number {
    return this.fd;
  }

  override noteInput(): void {
    this.heard = true;
  }

  override openRings(): boolean {
    if (!this.isToBeOpened()) return false;
    if (this.hasFiles) this.open();
    else this.begin();
    return true;
  }

  /**
   * Of a client of the warm-up, which is on this thread: its rings are the arena's own memory, opened at its first byte as all are. A chunk that
   * crosses the end of one reaches into the second half of its room, for both sides.
   */
  withoutFiles(): ConnectionRings {
    this.hasFiles = false;
    return this.rings;
  }

  private isToBeOpened(): boolean {
    return this.heard && !this.live && this.fault === null;
  }

  private open(): void {
    const { directoryFd, service } = this.descriptor;
    const { rings } = this;
    this.slot.mapped = true;
    ringFileNames(service).forEach((name, i) => {
      const fd = openFileIn(directoryFd, name, OpenFlag.RDWR | OpenFlag.NONBLOCK);
      unlinkFileIn(directoryFd, name); // an append-only file keeps its name
      const ring = rings[i >> 1]!;
      const result = fd < 0 ? fd : i % 2 === 0 ? this.mapHeader(ring, fd) : this.mapData(ring, fd);
      if (fd >= 0) closeFd(fd);
      if (result < 0) this.fail(`ring file ${errnoName(result)}`);
    });
    this.removeFiles();
    if (this.fault !== null) return;
    this.begin();
  }

  /** Clients cut 4 bytes off two of the header files. */
  private mapHeader(ring: RingMemory, fd: number): number {
    const mapped = this.slot.arena.mapFile(ring.header, QB_HEADER.mappedBytes, fd);
    return mapped < 0 ? mapped : this.secure(fd, QB_LAYOUT.headerBytes);
  }

  private mapData(ring: RingMemory, fd: number): number {
    const bytes = ring.words * 4;
    const mapped = this.slot.arena.mapFileTwice(ring.data, bytes, fd);
    return mapped < 0 ? mapped : this.secure(fd, bytes);
  }

  /**
   * From here on the first `bytes` of the file are there for good, whatever the client does: 0, or -errno. The file is mapped already, because
   * the kernel maps no append-only file for writing, but nothing of it has been touched.
   */
  private secure(fd: number, bytes: number): number {
    forbidShrinking(fd); // whether this host can: `shrinkProtection`
    if (fileBytes(fd) < bytes) {
      this.fail('shrunkFile');
      return 0;
    }
    return fillHoles(fd, bytes);
  }

  /** One is taken for granted when the rings are still to be opened. */
  override requestsAvailable(): number {
    return this.isToBeOpened() ? 1 : super.requestsAvailable();
  }

  // ---- flow control and end ------------------------------------------------------------------------------------------

  protected override showFlowControl(word: 0 | 1 | 2): void {
    if (this.live) Atomics.store(this.i32, (this.rings[0].header >> 2) + QB_HEADER.flowControlWord, word);
  }

  protected override closeChannels(): void {
    if (this.live) {
      for (const ring of this.rings) {
        Atomics.store(this.i32, (ring.header >> 2) + QB_HEADER.refCountWord, 0);
      }
    }
    this.removeFiles();
  }

  private removeFiles(): void {
    if (this.hasFiles) removeConnectionFiles(this.descriptor);
    this.hasFiles = false;
  }

  protected override giveMemory(): void {
    this.pool.give(this.slot);
  }

  protected override announce(writer: RingWriter, count: number): void {
    if (writer.readerSleeps()) futexWake(this.slot.arena.address + writer.semaphoreAt, count);
  }
}
