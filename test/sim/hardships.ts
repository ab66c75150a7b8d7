import { Random } from '../../src/sim/random.ts';
import type { World } from './world.ts';

/**
 * Faults beside those of faults.ts, with dice of their own: links that flap, a disk that does not write for a while, a reload that changes
 * timings on one node or on all, a client that sends a lot at once. In every second seed, with the witnesses of deaths.
 */
export class Hardships {
  private readonly random: Random;
  private stuckUntilMs = 0;
  private over = false;

  constructor(
    seed: number,
    private readonly world: World,
  ) {
    this.random = new Random(seed ^ 0x0af1a9);
  }

  /** How much longer the disk takes now. */
  diskMs(): number {
    return Math.max(0, this.stuckUntilMs - this.world.now());
  }

  start(): void {
    this.world.after(this.random.real(1, 900), () => {
      if (this.over) return;
      this.next();
      this.start();
    });
  }

  /** The faults end: the disk writes, and all nodes have the timings that they began with. */
  end(): void {
    this.over = true;
    this.stuckUntilMs = 0;
    for (const node of this.world.nodes) node?.reload(this.world.timings);
  }

  private next(): void {
    const { random, world } = this;
    const { tokenMs } = world.timings;
    const dice = random.unit();
    if (dice < 0.4) this.flap(random.between(1, 4), random.real(1, tokenMs));
    else if (dice < 0.55) {
      this.stuckUntilMs = world.now() + random.real(tokenMs, 4 * tokenMs);
      world.note('disk', 'the disks do not write');
    } else if (dice < 0.8) {
      const timings = {
        ...world.timings,
        tokenMs: random.pick([tokenMs, 2 * tokenMs]),
        joinMs: random.pick([5, 50]),
        maxMessages: random.pick([3, 17, 100]),
        windowSize: random.pick([5, 50, 256]),
        missCountConst: random.pick([1, 5]),
      };
      const all = random.chance(0.5);
      const victim = random.pick(world.nodes);
      for (const node of world.nodes) if (all || node === victim) node?.reload(timings);
      world.note('reload', `${all ? 'all' : victim?.options.nodeId} have other timings`);
    } else {
      const node = random.pick(world.nodes);
      const bytes = random.pick([10, 1000, 20_000]);
      let sent = 0;
      while (sent < 200 && node?.send(bytes)) sent++;
      world.note('burst', `${node?.options.nodeId} sends ${sent} of ${bytes}`);
    }
  }

  /** A line between two nodes goes down and up, several times. What was cut otherwise stays cut. */
  private flap(times: number, ms: number): void {
    const { random, world } = this;
    const from = random.between(0, world.nodes.length - 1);
    const to = random.between(0, world.nodes.length - 1);
    if (!world.network.reaches(from, to)) return;
    world.note('flap', `${world.nodeIds[from]}>${world.nodeIds[to]} down for ${ms.toFixed(0)}, ${times} times`);
    for (let i = 0; i < times; i++) {
      world.after(2 * i * ms, () => {
        if (!this.over) world.network.setLink(from, to, false);
      });
      world.after((2 * i + 1) * ms, () => world.network.setLink(from, to, true));
    }
  }
}
