import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';
import { Group, ProcessGroups } from '../../src/totem/index.ts';
import { checkInvariants } from '../../src/totem/invariants.ts';
import { coreOptions, timings } from '../totem/bench.ts';

const REGION = 4 << 20;
const INPUT_BYTES = 70_000;

/**
 * Two nodes that talk to each other, so that the core under fire reaches all its states; the fuzzer throws frames at node
 * 1. Everything that they send is kept as material for mutation.
 */
export class FuzzTarget {
  readonly nodes: readonly FuzzNode[];
  readonly material: Uint8Array[] = [];
  nowMs = 0;
  private queue: { readonly to: number; readonly frame: Uint8Array }[] = [];

  constructor() {
    this.nodes = [new FuzzNode(1, this), new FuzzNode(2, this)];
    for (const node of this.nodes) node.event((groups) => groups.srp.interfaceChanged());
  }

  send(to: number | 'all', frame: Uint8Array): void {
    if (this.material.length < 4000) this.material.push(frame);
    else this.material[Math.floor((this.nowMs * 7919) % 4000)] = frame;
    for (const node of this.nodes) if (to === 'all' || to === node.id) this.queue.push({ to: node.id, frame });
  }

  /** Delivers what waits, lets time pass, sends something. */
  live(ms: number): void {
    const queue = this.queue;
    this.queue = [];
    for (const { to, frame } of queue.slice(-200)) this.nodes[to - 1]!.receive(frame);
    this.nowMs += ms;
    for (const node of this.nodes) {
      node.confirm();
      node.event((groups) => groups.srp.tick(this.nowMs));
      node.event((groups) => groups.mcast(Group.SERVICES, node.payload, 0, ((this.nowMs * 31) % 3000) | 0));
    }
  }
}

export class FuzzNode {
  readonly memory: FrameMemory = frameMemory(new Uint8Array(INPUT_BYTES + REGION));
  readonly payload = new Uint8Array(3000);
  readonly groups: ProcessGroups;
  private outbox: { to: number | 'all'; frame: Uint8Array }[] = [];
  private asked: number[] = [];

  constructor(
    readonly id: number,
    private readonly target: FuzzTarget,
  ) {
    const push = (to: number | 'all', offset: number, length: number) =>
      void this.outbox.push({ to, frame: this.memory.bytes.slice(offset, offset + length) });
    this.groups = new ProcessGroups(
      coreOptions({
        nodeId: id,
        timings: timings({ tokenMs: 100, holdMs: 14, joinMs: 10, mergeMs: 30, failRecvConst: 50 }),
        reservedRingSeq: 100_000_000,
        memory: this.memory,
        regionOffset: INPUT_BYTES,
        regionBytes: REGION,
        network: {
          sendToken: push,
          multicast: (offset, length) => push('all', offset, length),
        },
        user: {
          configurationChange: (change) => {
            if (change.kind === 'regular') queueMicrotask(() => this.groups.synchronizationCompleted());
          },
          tokenSent: () => this.groups.synchronizationCompleted(),
          reserveRingSeq: (upTo) => void this.asked.push(upTo),
        },
      }),
    );
  }

  event(run: (groups: ProcessGroups) => void): void {
    this.groups.srp.setNow(this.target.nowMs);
    run(this.groups);
    const [broken] = checkInvariants(this.groups.srp.state);
    if (broken !== undefined) throw new Error(`not true: ${broken}`);
    const outbox = this.outbox;
    this.outbox = [];
    for (const { to, frame } of outbox) this.target.send(to, frame);
  }

  /** The disk has written what was asked for. */
  confirm(): void {
    const asked = this.asked;
    this.asked = [];
    for (const upTo of asked) this.event((groups) => groups.srp.ringSeqReserved(upTo));
  }

  receive(frame: Uint8Array): void {
    const length = Math.min(frame.length, INPUT_BYTES);
    this.memory.bytes.set(frame.subarray(0, length), 0);
    this.event((groups) => groups.srp.receive(0, length));
  }
}
