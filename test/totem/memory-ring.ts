import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';
import { FrameClass, Group, ProcessGroups, type SrpTimings } from '../../src/totem/index.ts';
import { coreOptions, timings } from './bench.ts';

const REGION_BYTES = 32 << 20;
const FLIGHT_BYTES = 32 << 20;
const EVENTS = 1 << 16;
const TO_ALL_OTHERS = -1;

/**
 * Nodes of a ring in one process and one frame memory, joined by a queue: what the cores cost without a network. The
 * queue makes no garbage, so that what is measured is the cores'.
 */
export class MemoryRing {
  readonly memory: FrameMemory;
  readonly nodes: ProcessGroups[] = [];
  /** Indexes of nodes whose clients are about to send. */
  readonly sendSoon = new Set<number>();
  /** One of two links of this node carries nothing, and nobody knows: what was sent an even number of times before is lost. */
  halfDead = -1;
  delivered = 0;
  deliveredBytes = 0;
  frames = 0;
  nowMs = 0;
  private readonly flightAt: number;
  private flight = 0;
  private readonly to = new Int32Array(EVENTS);
  private readonly offsets = new Int32Array(EVENTS);
  private readonly lengths = new Int32Array(EVENTS);
  private first = 0;
  private last = 0;

  constructor(
    count: number,
    readonly netMtu: number,
    changes: Partial<SrpTimings> = {},
  ) {
    this.memory = frameMemory(new Uint8Array(count * REGION_BYTES + FLIGHT_BYTES));
    this.flightAt = count * REGION_BYTES;
    for (let index = 0; index < count; index++) this.nodes.push(this.makeNode(index, timings(changes)));
    for (const node of this.nodes) node.srp.interfaceChanged();
    for (let i = 0; i < 200_000 && !this.nodes.every((node) => node.srp.members.length === count); i++) this.step();
    for (let i = 0; i < 1000; i++) this.step();
  }

  private makeNode(index: number, parameters: SrpTimings): ProcessGroups {
    const options = coreOptions({
      nodeId: index + 1,
      netMtu: this.netMtu,
      timings: parameters,
      memory: this.memory,
      regionOffset: index * REGION_BYTES,
      regionBytes: REGION_BYTES,
      network: {
        sendToken: (target, offset, length, repeat) => {
          if (this.passes(index, target - 1, repeat)) this.push(target - 1, offset, length);
        },
        multicast: (offset, length, frameClass, repeat) => {
          const at = this.fly(offset, length);
          for (let to = 0; to < this.nodes.length; to++)
            if ((to !== index || frameClass === FrameClass.FLUSH) && this.passes(index, to, repeat))
              this.enqueue(to, at, length);
        },
        resend: (offset, length) => {
          const at = this.fly(offset, length);
          for (let to = 0; to < this.nodes.length; to++) if (to !== index) this.enqueue(to, at, length);
        },
      },
      user: {
        deliver: (_group, _from, _memory, _offset, length) => {
          this.delivered++;
          this.deliveredBytes += length;
        },
        sendsSoon: () => this.sendSoon.has(index),
        tokenSent: () => groups.synchronizationCompleted(),
        reserveRingSeq: (upTo) => groups.srp.ringSeqReserved(upTo),
      },
    });
    const groups = new ProcessGroups(options);
    return groups;
  }

  private passes(from: number, to: number, repeat: number): boolean {
    return from === to || repeat % 2 === 1 || (from !== this.halfDead && to !== this.halfDead);
  }

  private push(to: number, offset: number, length: number): void {
    this.enqueue(to, this.fly(offset, length), length);
  }

  private fly(offset: number, length: number): number {
    if (this.flight + length > FLIGHT_BYTES) this.flight = 0;
    const at = this.flightAt + this.flight;
    this.memory.bytes.copyWithin(at, offset, offset + length);
    this.flight += length;
    return at;
  }

  private enqueue(to: number, at: number, length: number): void {
    const slot = this.last & (EVENTS - 1);
    this.to[slot] = to;
    this.offsets[slot] = at;
    this.lengths[slot] = length;
    this.last++;
    if (this.last - this.first > EVENTS) throw new Error('the queue between the nodes overflows');
  }

  /** Nothing is under way. */
  get still(): boolean {
    return this.first === this.last;
  }

  /** One frame, or the timers if there is none. */
  step(): void {
    if (this.first === this.last) {
      this.nowMs += 10;
      for (let i = 0; i < this.nodes.length; i++) this.nodes[i]!.srp.tick(this.nowMs);
      return;
    }
    const slot = this.first++ & (EVENTS - 1);
    const to = this.to[slot]!;
    if (to === TO_ALL_OTHERS) return;
    this.frames++;
    this.nodes[to]!.srp.receive(this.offsets[slot]!, this.lengths[slot]!);
  }

  /** Every node sends `each` messages from a place in the memory; until all are delivered everywhere. */
  exchange(each: number, payloadAt: number, payloadBytes: number): void {
    const { nodes } = this;
    const end = this.delivered + each * nodes.length * nodes.length;
    const bytes = this.memory.bytes;
    let sent = 0;
    while (this.delivered < end) {
      for (let burst = 0; burst < 64 && sent < each; burst++, sent++) {
        if (nodes[0]!.level >= 2 && nodes[0]!.updateLevel() >= 2) break;
        let refused = false;
        for (let i = 0; i < nodes.length; i++) {
          if (!nodes[i]!.beginMessage(Group.SERVICES, payloadBytes)) {
            refused = true;
            break;
          }
          nodes[i]!.append(bytes, payloadAt, payloadBytes);
          nodes[i]!.endMessage();
        }
        if (refused) throw new Error('refused below the HIGH level');
      }
      for (let i = 0; i < 16; i++) this.step();
      nodes[0]!.updateLevel();
    }
  }
}
