import { frameMemory } from '../../src/lib/frame-memory.ts';
import { RING_SEQ_MAX } from '../../src/lib/ring-seq.ts';
import type { EventHeap } from '../../src/sim/event-heap.ts';
import { Random } from '../../src/sim/random.ts';
import { FrameType, HEADER } from '../../src/totem/wire/header.ts';
import { encodeJoin } from '../../src/totem/wire/join.ts';

const RECORDED_MAX = 1500;
const SCRATCH_BYTES = 4096;
const NUMBERS = [1, 5, 2 ** 32, RING_SEQ_MAX / 4, RING_SEQ_MAX / 2, RING_SEQ_MAX - 8, RING_SEQ_MAX];

/** Of what an attacker makes use: the nodes, and a way to let a datagram arrive at one of them. */
export interface Victims {
  readonly nodeIds: readonly number[];
  readonly heap: EventHeap;
  now(): number;
  arrive(to: number, frame: Uint8Array): void;
}

/**
 * Somebody on the network who records all frames and lets them arrive again, much later, and who may forge JOINs of members
 * with ring sequences anywhere. Has dice of his own: a seed's other events stay as they are as long as they may.
 */
export class Attacker {
  private readonly random: Random;
  private readonly recorded: { readonly to: number; readonly frame: Uint8Array }[] = [];
  private readonly scratch = frameMemory(new Uint8Array(SCRATCH_BYTES));
  private readonly forges: boolean;
  acts = 0;

  constructor(
    seed: number,
    private readonly victims: Victims,
  ) {
    this.random = new Random(seed ^ 0x5eed);
    this.forges = this.random.chance(0.5);
  }

  /** Where the numbers start: anywhere on the circle. */
  firstRingSeq(): number {
    return this.random.pick([0, 0, RING_SEQ_MAX / 2, RING_SEQ_MAX - 40, RING_SEQ_MAX]);
  }

  /** `to`: index of the node, −1 for all. */
  record(to: number, frame: Uint8Array): void {
    if (this.recorded.length < RECORDED_MAX) this.recorded.push({ to, frame });
    else if (frame[HEADER.type] !== FrameType.MCAST || this.random.chance(0.1))
      this.recorded[this.random.between(0, RECORDED_MAX - 1)] = { to, frame };
  }

  goOnUntil(endMs: number): void {
    const { victims, random } = this;
    victims.heap.add(victims.now() + random.real(1, random.pick([5, 100, 400])), () => {
      if (victims.now() >= endMs) return;
      if (this.forges && random.chance(0.5)) this.forge();
      else this.replay();
      this.acts++;
      this.goOnUntil(endMs);
    });
  }

  private replay(): void {
    if (this.recorded.length === 0) return;
    const to = this.random.between(0, this.victims.nodeIds.length - 1);
    const from = this.random.between(0, this.recorded.length - 1);
    const count = this.random.between(1, 30);
    // A token reaches whom it was for: knet's packets name their target, and are authentic.
    for (const { to: target, frame } of this.recorded.slice(from, from + count))
      this.victims.arrive(target < 0 ? to : target, frame);
  }

  private forge(): void {
    const { random, victims } = this;
    const from = random.pick(victims.nodeIds);
    const ringSeq = random.chance(0.7) ? random.pick(NUMBERS) : Math.floor(random.unit() * RING_SEQ_MAX);
    const join = { leave: false, systemFrom: from, ringSeq, proc: victims.nodeIds, failed: [] };
    const length = encodeJoin(this.scratch.view, 0, join);
    for (let to = 0; to < victims.nodeIds.length; to++)
      if (random.chance(0.6)) victims.arrive(to, this.scratch.bytes.slice(0, length));
  }
}
