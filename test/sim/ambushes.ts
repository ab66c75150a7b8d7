import { Random } from '../../src/sim/random.ts';
import { STATES } from './coverage.ts';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

/** Of a campaign: these seeds have ambushes, which change their story; those that have a name keep theirs. */
export const hasAmbushes = (seed: number): boolean => seed % 5 === 3;

const LOOK_MS = 0.1;
const GAP_MS_MAX = 200;
/** Every other of these seeds begins without faults, and with disks slower than the token timeout: what may be seen then is rare otherwise. */
const CALM_MS = 1500;
const CALM_DISK_MS_MAX = 400;
/** After the healing: an operator may force a ring then, and a report of a death come late. */
const LATE_ACTS = 2;

type Act = 'gather' | 'died' | 'interface' | 'leave' | 'reload';

/** Faults that wait for a node in a state that passes quickly, COMMIT and RECOVERY above all: by chance they would hardly ever hit one. */
export class Ambushes {
  readonly calmMs: number;
  private readonly random: Random;
  private lateActs = LATE_ACTS;

  constructor(
    seed: number,
    private readonly world: World,
  ) {
    this.random = new Random(seed ^ 0x0a3b05);
    this.calmMs = seed % 2 === 0 ? CALM_MS : 0;
  }

  /** How much longer a disk takes now. */
  diskMs(): number {
    return this.world.now() < this.calmMs ? this.random.real(0, CALM_DISK_MS_MAX) : 0;
  }

  start(): void {
    this.world.after(this.calmMs, () => this.next());
  }

  private next(): void {
    const { random, world } = this;
    world.after(random.real(0, GAP_MS_MAX), () => {
      const acts: Act[] = world.isHealed ? ['gather', 'died'] : ['gather', 'died', 'interface', 'leave', 'reload'];
      if (world.isHealed && this.lateActs-- <= 0) return;
      this.wait(random.pick(STATES), random.pick(acts), world.now() + world.timings.tokenMs);
    });
  }

  private wait(state: string, act: Act, untilMs: number): void {
    const { world } = this;
    const there = world.nodes.flatMap((node) =>
      node?.running === true && node.groups.srp.phase === state ? [node] : [],
    );
    const node = there.length > 0 ? this.random.pick(there) : null;
    if (node !== null && (!world.isHealed || act === 'gather' || act === 'died')) this.strike(node, act);
    else if (world.now() < untilMs) {
      world.after(LOOK_MS, () => this.wait(state, act, untilMs));
      return;
    }
    this.next();
  }

  private strike(node: SimNode, wanted: Act): void {
    const { random, world } = this;
    const { nodeId } = node.options;
    const act = world.faultsBegan || wanted !== 'died' ? wanted : 'gather'; // nobody has died before the first fault
    switch (act) {
      case 'gather':
        node.forceGather();
        break;
      case 'died':
        node.memberDied(random.pick(world.nodeIds.filter((other) => other !== nodeId)));
        break;
      case 'interface':
        node.interfaceChanged();
        break;
      case 'reload':
        node.reload({ ...world.timings, maxMessages: random.pick([3, 17]) });
        break;
      case 'leave':
        node.leave();
        node.crash();
        break;
    }
    if (!world.isHealed && act !== 'died') world.note(act, `${act} of ${nodeId} in ${node.groups.srp.phase}`);
  }
}
