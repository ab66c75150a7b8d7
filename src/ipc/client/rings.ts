import { QB_HEADER, QB_LAYOUT, qbDataBytes, type RingMemory } from '../../lib/qbring/layout.ts';
import { RingReader } from '../../lib/qbring/reader.ts';
import { qbDataPath, qbRingMemory } from '../../lib/qbring/setup.ts';
import { RingWriter } from '../../lib/qbring/writer.ts';
import { Arena, PAGE_BYTES } from '../../os/arena.ts';
import { Errno, OsError } from '../../os/errno.ts';
import { closeFd } from '../../os/fd.ts';
import { futexWake } from '../../os/futex.ts';
import type { Accepted } from '../protocol.ts';
import type { ClientChannels } from './channels.ts';
import { openConnectionFile } from './ring-files.ts';

/** Arenas of closed connections, by size: address space with views on it is never given back (libqb-ipc.md 7.3). */
const idleArenas: Arena[] = [];

/** The three rings of a connection, mapped from the client's side (libqb-ipc.md 1.9). */
export class ClientRings implements ClientChannels {
  readonly request: RingWriter;
  readonly response: RingReader;
  readonly event: RingReader;
  private readonly arena: Arena;
  private readonly dataBytes: number;
  private readonly memories: readonly [RingMemory, RingMemory, RingMemory];
  private open = true;

  /** `serverUid`: the user that the kernel says listens there. */
  constructor(
    setup: Accepted,
    private readonly serverUid: number,
  ) {
    this.dataBytes = qbDataBytes(setup.maxMessageBytes);
    const bytes = PAGE_BYTES + 3 * (QB_HEADER.mappedBytes + 2 * this.dataBytes);
    const reusable = idleArenas.findIndex((arena) => arena.byteLength === bytes);
    this.arena = reusable >= 0 ? idleArenas.splice(reusable, 1)[0]! : Arena.map(bytes);
    try {
      const [request, response, event] = setup.rings;
      this.memories = [this.map(0, request), this.map(1, response), this.map(2, event)];
    } catch (error) {
      this.release();
      throw error;
    }
    // The server sees from the count that its client has come (libqb-ipc.md 3.3); nothing may fail from here on.
    for (const memory of this.memories) this.addReference(memory, 1);
    this.request = new RingWriter(this.memories[0]);
    this.response = new RingReader(this.memories[1]);
    this.event = new RingReader(this.memories[2]);
  }

  /** Visible to the server at once; the byte on the setup socket has to follow in the same run. */
  trySend(request: Uint8Array, tail: Uint8Array): boolean {
    if (!this.request.tryWrite(request, tail)) return false;
    this.request.publish();
    const { header, layout } = this.memories[0];
    if (this.request.readerSleeps()) futexWake(this.arena.address + header + layout.semaphoreWord * 4, 1);
    return true;
  }

  onEvents(): void {} // bytes on the setup socket announce them

  waitForEvents(): void {}

  keepAlive(): void {}

  /** 0: open; 1: closed for all requests; 2: closed for multicasts (libqb-ipc.md 3.3). */
  flowControl(): number {
    const { header, i32 } = this.memories[0];
    return Atomics.load(i32, (header >> 2) + QB_HEADER.flowControlWord);
  }

  /** Size of the event ring. */
  get eventBytes(): number {
    return this.dataBytes;
  }

  /** Gives the mappings up; the arena is kept for the next connection. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    for (const memory of this.memories) this.addReference(memory, -1);
    this.release();
  }

  private addReference(memory: RingMemory, change: number): void {
    Atomics.add(memory.i32, (memory.header >> 2) + QB_HEADER.refCountWord, change);
  }

  private release(): void {
    this.arena.unmapFile(PAGE_BYTES, this.arena.byteLength - PAGE_BYTES);
    idleArenas.push(this.arena);
  }

  private map(index: number, base: string): RingMemory {
    const header = PAGE_BYTES + index * QB_HEADER.mappedBytes;
    const data = PAGE_BYTES + 3 * QB_HEADER.mappedBytes + index * 2 * this.dataBytes;
    this.mapping(`${base}-header`, QB_LAYOUT.headerBytes, (fd) =>
      this.arena.mapFile(header, QB_HEADER.mappedBytes, fd),
    );
    const dataPath = qbDataPath(this.arena.u8, header);
    if (dataPath === null) throw new OsError(Errno.EPROTO, `${base}-header names no data file`);
    this.mapping(dataPath, this.dataBytes, (fd) => this.arena.mapFileTwice(data, this.dataBytes, fd));
    return qbRingMemory(this.arena.u8, this.arena.i32, header, data, this.dataBytes);
  }

  private mapping(path: string, bytesMin: number, map: (fd: number) => number): void {
    const fd = openConnectionFile(path, bytesMin, this.serverUid);
    const result = map(fd);
    closeFd(fd);
    if (result < 0) throw new OsError(-result, `mapping ${path}`);
  }
}
