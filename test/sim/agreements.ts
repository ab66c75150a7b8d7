import type { PreparedReload } from '../../src/services/cfg/ports.ts';
import { Random } from '../../src/sim/random.ts';
import type { World } from './world.ts';

/** Of a campaign: these seeds have clients of cfg, shutdowns that are voted on, and reloads that all nodes agree on. */
export const hasCfg = (seed: number): boolean => seed % 13 === 10;

const GAP_MS_MAX = 30;
const BROKEN_SHARE = 0.15;
const MENDED_SHARE = 0.5;
/** From the ring of all on: five ballots, 200 ms apart. */
const BALLOTS_MS_MAX = 2000;

/**
 * What holds for the agreement on reloads of a whole cluster: while the ring in which all have agreed lasts, each of them applies what it was asked
 * about, and none of that was refused.
 */
export class Agreements {
  private readonly random: Random;
  /** Nodes whose file is broken now. */
  private readonly broken = new Set<number>();
  /** `requester ring`: all have agreed there to so many reloads that have not come. */
  private readonly owed = new Map<string, number>();
  /** Nobody goes any more: the faults have ended. */
  over = false;
  agreedCount = 0;
  appliedCount = 0;

  constructor(
    seed: number,
    private readonly world: World,
  ) {
    this.random = new Random(seed ^ 0x0cf6);
  }

  start(): void {
    const { random, world } = this;
    world.after(random.real(0, GAP_MS_MAX), () => {
      if (this.over) return;
      const node = random.pick(world.nodes);
      const nodeId = random.pick(world.nodeIds);
      if (random.chance(this.broken.has(nodeId) ? MENDED_SHARE : BROKEN_SHARE)) this.edit(nodeId);
      if (node?.running === true)
        node.cfgAct(random.chance(0.2) ? 'reload' : 'client', (low, high) => random.between(low, high));
      this.start();
    });
  }

  end(): void {
    this.over = true;
  }

  /** All ballots end, those too that have to be held again because the membership has changed. */
  settle(): void {
    const { world } = this;
    const open = (): number => world.living.reduce((sum, { cfg }) => sum + (cfg?.open ?? 0), 0);
    world.runWhile(BALLOTS_MS_MAX, () => open() === 0);
    if (open() > 0) world.checker.violation(null, `${open()} ballots on reloads have not ended`);
  }

  private edit(nodeId: number): void {
    if (!this.broken.delete(nodeId)) this.broken.add(nodeId);
  }

  /** What a node reads now. */
  fileOf(nodeId: number): PreparedReload {
    if (this.broken.has(nodeId)) return { ok: false, reason: `the file of node ${nodeId} is broken` };
    return { ok: true, ignoredKeys: [], apply: () => ({ cryptoChanged: false, errorMessage: null }) };
  }

  agreed(requester: number, ring: string): void {
    this.agreedCount++;
    this.owed.set(`${requester} ${ring}`, (this.owed.get(`${requester} ${ring}`) ?? 0) + 1);
  }

  /** A reload of the requester comes to a node in this ring; `plan`: what the node had prepared for it. Returns what is wrong with that. */
  applied(requester: number, ring: string, plan: PreparedReload | null): string | null {
    this.appliedCount++;
    if (!this.owed.has(`${requester} ${ring}`)) return null; // it was agreed on in another ring: each node for itself
    if (plan === null) return 'a node applies something else than what it was asked about';
    return plan.ok ? null : 'a node applies what it has refused';
  }
}
