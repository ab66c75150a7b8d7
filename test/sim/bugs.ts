import type { Test } from 'tap';
import type { SimNode } from './sim-node.ts';
import { type SimReport, simulate } from './world.ts';

/** An implementer's mistake, planted into otherwise unchanged nodes. */
export interface Bug {
  readonly name: string;
  readonly plant: (node: SimNode) => void;
  /** A story that leads to the place of the bug, where the usual faults seldom do. */
  readonly story?: (seed: number, spoil: Bug['plant']) => SimReport;
}

const SEEDS_MAX = Number(process.env['SIM_MUTATION_SEEDS'] ?? 60);

/** Each bug has to be found within a bounded number of seeds. */
export function catchAll(t: Test, bugs: readonly Bug[]): void {
  for (const bug of bugs) {
    t.test(bug.name, async (t) => {
      let caughtAt = 0;
      let how = '';
      for (let seed = 1; seed <= SEEDS_MAX && caughtAt === 0; seed++) {
        try {
          const report = bug.story?.(seed, bug.plant) ?? simulate(seed, { spoil: bug.plant });
          how = report.violations[0] ?? '';
        } catch (error) {
          how = String(error);
        }
        if (how !== '') caughtAt = seed;
      }
      t.ok(caughtAt > 0, `caught with seed ${caughtAt}: ${how}`);
    });
  }
}
