import { Random } from '../../src/sim/random.ts';
import type { World } from './world.ts';

/** As knet's: an error and two PINGs that nobody answered, the first of them at the next packet to the dead. */
const NOTICED_MS_MIN = 20;
const NOTICED_MS_MAX = 400;
/** Share of deaths after which somebody accuses another node, which lives: no order of messages may suffer from it. */
const FALSE_SHARE = 0.2;

/** Survivors learn from their transport that a process has ended. Its dice are its own, so that a seed is the same without it. */
export class Deaths {
  private readonly random: Random;

  constructor(
    seed: number,
    private readonly world: World,
  ) {
    this.random = new Random(seed ^ 0x0dead);
  }

  /** Node `victim` (its index) was killed. Who still exchanges packets with its host notices, unless it is back by then. */
  happened(victim: number): void {
    const { random, world } = this;
    const life = world.nodes[victim];
    world.nodeIds.forEach((_, by) => {
      world.after(random.real(NOTICED_MS_MIN, NOTICED_MS_MAX), () => {
        const { network } = world;
        const heard = network.reaches(by, victim) && network.reaches(victim, by);
        if (heard && world.nodes[victim] === life) world.nodes[by]?.memberDied(world.nodeIds[victim]!);
      });
    });
    if (!random.chance(FALSE_SHARE)) return;
    const liar = random.pick(world.nodes);
    const accused = random.pick(world.nodeIds);
    world.after(random.real(0, NOTICED_MS_MAX), () => liar?.memberDied(accused));
  }
}
