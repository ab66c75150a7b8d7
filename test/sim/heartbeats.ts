import { Random } from '../../src/sim/random.ts';
import type { World } from './world.ts';

/** PINGs in a token timeout, and how many of them stay without a PONG before a peer counts as silent. */
const PINGS_PER_TOKEN = 20;
const PINGS_UNTIL_SILENT = 2;

/**
 * What knet's links tell the cores: who does not reply to whom, and for how long. A PING and its PONG are lost as any datagram is; a
 * node that is paused neither asks nor replies, and the time of its own pause does not count.
 */
export class Heartbeats {
  private readonly random: Random;
  private readonly periodMs: number;
  /** By asking node and asked node: since when there is no reply, -1; and the life of the asking node that was reported. */
  private readonly since: Float64Array;
  private readonly reported: (object | null)[];
  private readonly askedAt: Float64Array;
  private started = false;

  constructor(
    seed: number,
    private readonly world: World,
  ) {
    this.random = new Random(seed ^ 0x0bea7);
    this.periodMs = world.timings.tokenMs / PINGS_PER_TOKEN;
    const pairs = world.nodeIds.length ** 2;
    this.since = new Float64Array(pairs).fill(-1);
    this.askedAt = new Float64Array(pairs).fill(-1);
    this.reported = new Array<object | null>(pairs).fill(null);
  }

  start(): void {
    this.started = true;
    this.world.after(this.periodMs, () => {
      const { length } = this.world.nodeIds;
      for (let by = 0; by < length; by++) for (let of = 0; of < length; of++) if (by !== of) this.ping(by, of);
      this.start();
    });
  }

  /** A PING out of turn. */
  probe(by: number, of: number): void {
    if (this.started && of >= 0 && by !== of) this.world.after(0, () => this.ping(by, of));
  }

  private ping(by: number, of: number): void {
    const { world } = this;
    const node = world.nodes[by];
    if (!node?.running) return;
    const pair = by * world.nodeIds.length + of;
    const now = world.now();
    const heldUp = this.askedAt[pair]! >= 0 ? now - this.askedAt[pair]! - this.periodMs : 0;
    this.askedAt[pair] = now;
    if (this.reported[pair] !== null && this.reported[pair] !== node) this.reported[pair] = null; // a new process begins anew
    if (this.replies(by, of)) {
      this.since[pair] = -1;
      if (this.reported[pair] !== null) node.memberSilent(world.nodeIds[of]!, -1);
      this.reported[pair] = null;
      return;
    }
    if (this.since[pair]! < 0) this.since[pair] = now;
    else if (heldUp > this.periodMs) this.since[pair]! += heldUp;
    const silentMs = now - this.since[pair]!;
    if (this.reported[pair] !== null && heldUp <= this.periodMs) return;
    if (silentMs < PINGS_UNTIL_SILENT * this.periodMs) return;
    this.reported[pair] = node;
    node.memberSilent(world.nodeIds[of]!, silentMs);
  }

  private replies(by: number, of: number): boolean {
    const { network, nodes } = this.world;
    const lost = 1 - (1 - network.weather.loss) ** 2;
    return (
      nodes[of]?.running === true && network.reaches(by, of) && network.reaches(of, by) && !this.random.chance(lost)
    );
  }
}
