import { TotemDrop, type TotemDropReason } from './drop-reason.ts';
import type { FrameMemory, TotemUser } from './interface.ts';
import { TOTEM_LIMITS } from './limits.ts';
import { GroupHeader, type GroupTable } from './wire/group-header.ts';
import { checkPacket, PG } from './wire/pg-packet.ts';

/** What was received of a message whose end is still to come. */
export interface UnfinishedMessage {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
  readonly lastFragment: number;
}

/** Memory for one unfinished message. */
class AssemblyBuffer {
  constructor(
    public memory: FrameMemory,
    readonly base: number,
    public capacity: number,
    readonly fixed: boolean,
  ) {}

  /** False if the message grows beyond what stock could hold. Heap buffers grow; those in the frame memory are large. */
  reserve(bytes: number): boolean {
    if (bytes <= this.capacity) return true;
    if (this.fixed || bytes > TOTEM_LIMITS.assemblyBytesMax) return false;
    const capacity = Math.min(TOTEM_LIMITS.assemblyBytesMax, Math.max(bytes, 2 * this.capacity));
    const grown = new Uint8Array(capacity);
    grown.set(this.memory.bytes);
    this.memory = { bytes: grown, view: new DataView(grown.buffer) };
    this.capacity = capacity;
    return true;
  }
}

/** One originator's unfinished message (totem.md 5.3). It is kept while idle: a map entry that comes and goes is garbage. */
class Assembly {
  /** Null: no message is unfinished, which is the specification's "no record". */
  buffer: AssemblyBuffer | null = null;
  index = 0;
  lastFragment = 0;
  throwAway = false;

  begin(buffer: AssemblyBuffer): void {
    this.buffer = buffer;
    this.index = 0;
    this.lastFragment = 0;
    this.throwAway = false;
  }
}

const FIRST_HEAP_BYTES = 65_536;

/**
 * Reassembly with the exact throw-away rules (totem.md 5.3): another policy would deliver messages that stock drops.
 * A packet of whole messages is delivered where it lies; only the parts of split messages are copied.
 */
export class Assembler {
  private readonly normal = new Map<number, Assembly>();
  private readonly transitional = new Map<number, Assembly>();
  private current = this.transitional;
  private readonly spare: AssemblyBuffer[] = [];
  private readonly header = new GroupHeader();

  /** `areaOffset`, `areaBytes`: memory for large messages; when it is used up, the heap serves. */
  constructor(
    private readonly memory: FrameMemory,
    private readonly groups: GroupTable,
    areaOffset: number,
    areaBytes: number,
    private readonly deliver: TotemUser['deliver'],
    private readonly dropped: (reason: TotemDropReason) => void,
  ) {
    const buffers = Math.floor(areaBytes / TOTEM_LIMITS.assemblyBytesMax);
    for (let i = buffers - 1; i >= 0; i--) {
      const base = areaOffset + i * TOTEM_LIMITS.assemblyBytesMax;
      this.spare.push(new AssemblyBuffer(memory, base, TOTEM_LIMITS.assemblyBytesMax, true));
    }
  }

  /** Which set serves the packets that follow (totem.md 5.5). */
  useTransitional(on: boolean): void {
    this.current = on ? this.transitional : this.normal;
  }

  /** Nodes left: what they had not finished will never be (totem.md trap 47). */
  forget(nodes: readonly number[]): void {
    for (const node of nodes) {
      for (const set of [this.normal, this.transitional]) {
        this.finish(set.get(node));
        set.delete(node);
      }
    }
  }

  /** What the normal set keeps of a message of `nodeId`, valid until the next packet. */
  unfinishedOf(nodeId: number): UnfinishedMessage | null {
    const assembly = this.unfinished(this.normal, nodeId);
    if (assembly === undefined || assembly.throwAway) return null;
    const { memory, base } = assembly.buffer!;
    return { bytes: memory.bytes, offset: base, length: assembly.index, lastFragment: assembly.lastFragment };
  }

  packet(nodeId: number, at: number, length: number, littleEndian: boolean): void {
    const view = this.memory.view;
    if (checkPacket(view, at, length, littleEndian) < 0) {
      this.dropped(TotemDrop.BAD_PACKET);
      return;
    }
    const set = this.current; // delivering may switch the sets
    const count = view.getUint16(at + PG.msgCount, littleEndian);
    const fragmented = view.getUint8(at + PG.fragmented);
    const continuation = view.getUint8(at + PG.continuation);
    const assembly = this.unfinished(set, nodeId);
    const lastFragment = assembly === undefined ? 0 : assembly.lastFragment;
    let accepted = continuation === lastFragment;
    if (assembly?.throwAway) {
      if (fragmented <= 1) assembly.throwAway = false;
      accepted = false;
    } else if (!accepted && assembly !== undefined) assembly.throwAway = true;
    if (accepted) this.deliverPieces(nodeId, at, count, fragmented, littleEndian, assembly);
    else this.dropped(TotemDrop.THROWN_AWAY);
    if (fragmented === 0) {
      this.finish(assembly);
      return;
    }
    this.keepLast(set, nodeId, at, length, count, littleEndian, assembly, accepted ? fragmented : -1);
  }

  private deliverPieces(
    nodeId: number,
    at: number,
    count: number,
    fragmented: number,
    littleEndian: boolean,
    assembly: Assembly | undefined,
  ): void {
    const view = this.memory.view;
    const complete = fragmented === 0 ? count : count - 1;
    let piece = at + PG.lengths + 2 * count;
    for (let i = 0; i < complete; i++) {
      const bytes = view.getUint16(at + PG.lengths + 2 * i, littleEndian);
      if (i > 0 || assembly === undefined || assembly.index === 0)
        this.message(nodeId, this.memory, piece, bytes, littleEndian);
      else if (this.keep(assembly, piece, bytes)) {
        const total = assembly.index;
        assembly.index = 0;
        const { memory, base } = assembly.buffer!;
        this.message(nodeId, memory, base, total, littleEndian);
      } else {
        this.dropped(TotemDrop.BAD_MESSAGE); // longer than any node could hold: stock aborts (totem.md trap 45)
        assembly.index = 0;
      }
      piece += bytes;
    }
  }

  /** The last piece of the packet begins, or continues, an unfinished message. */
  private keepLast(
    set: Map<number, Assembly>,
    nodeId: number,
    at: number,
    length: number,
    count: number,
    littleEndian: boolean,
    known: Assembly | undefined,
    fragment: number,
  ): void {
    const bytes = this.memory.view.getUint16(at + PG.lengths + 2 * (count - 1), littleEndian);
    const assembly = known ?? this.create(set, nodeId);
    if (fragment >= 0) assembly.lastFragment = fragment;
    else if (known === undefined) assembly.throwAway = true;
    if (count > 1) assembly.index = 0;
    if (!this.keep(assembly, at + length - bytes, bytes)) {
      this.dropped(TotemDrop.BAD_MESSAGE);
      assembly.index = 0;
      assembly.throwAway = true;
    }
  }

  private keep(assembly: Assembly, at: number, bytes: number): boolean {
    const buffer = assembly.buffer!;
    if (!buffer.reserve(assembly.index + bytes)) return false;
    const to = buffer.base + assembly.index;
    if (buffer.fixed) this.memory.bytes.copyWithin(to, at, at + bytes);
    else buffer.memory.bytes.set(this.memory.bytes.subarray(at, at + bytes), to);
    assembly.index += bytes;
    return true;
  }

  private unfinished(set: Map<number, Assembly>, nodeId: number): Assembly | undefined {
    const assembly = set.get(nodeId);
    return assembly === undefined || assembly.buffer === null ? undefined : assembly;
  }

  private create(set: Map<number, Assembly>, nodeId: number): Assembly {
    let assembly = set.get(nodeId);
    if (assembly === undefined) {
      assembly = new Assembly();
      set.set(nodeId, assembly);
    }
    assembly.begin(this.spare.pop() ?? this.heapBuffer());
    return assembly;
  }

  private finish(assembly: Assembly | undefined): void {
    if (assembly === undefined || assembly.buffer === null) return;
    this.spare.push(assembly.buffer);
    assembly.buffer = null;
  }

  private heapBuffer(): AssemblyBuffer {
    const bytes = new Uint8Array(FIRST_HEAP_BYTES);
    return new AssemblyBuffer({ bytes, view: new DataView(bytes.buffer) }, 0, FIRST_HEAP_BYTES, false);
  }

  /** Hands a message to the groups that it names, in the order of their registration: the sync group first (totem.md 5.4). */
  private message(nodeId: number, memory: FrameMemory, at: number, length: number, littleEndian: boolean): void {
    const { header, groups } = this;
    if (!groups.read(memory.bytes, at, length, littleEndian, header)) {
      this.dropped(TotemDrop.BAD_MESSAGE);
      return;
    }
    const { addressed, bytes } = header;
    for (let group = 0; group < groups.count; group++) {
      if (addressed & (1 << group)) this.deliver(group, nodeId, memory, at + bytes, length - bytes, !littleEndian);
    }
  }
}
