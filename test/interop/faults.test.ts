import t from 'tap';
import { FAULTS } from './faults/faults.ts';
import { runFault } from './faults/run.ts';
import { describe, FULL, mixtures, skipReason } from './lab/cases.ts';
import type { DaemonKind } from './lab/node.ts';

/** A few rows of the fault laboratory, one of each kind; `npm run lab` has all of them. */
const SAMPLE = ['worst-line', 'killed', 'client-scribbles'];
const MIXES: readonly (readonly DaemonKind[])[] = [
  ['ours', 'ours', 'stock'],
  ['ours', 'ours', 'ours'],
];

// They wait more than they work.
if (FULL) t.jobs = 2;

for (const [at, mix] of mixtures(MIXES).entries()) {
  for (const fault of FAULTS) {
    const rare = at > 0 || !SAMPLE.includes(fault.name);
    const name = `${fault.name}, ${describe(mix)}`;
    t.test(name, { skip: skipReason(mix, rare, name), timeout: 360_000 }, async (t) => {
      let result = await runFault(fault, mix);
      if (result.stalled && result.complaints.length > 0) {
        t.comment(`daemons stalled, once more: ${JSON.stringify(result)}`);
        result = await runFault(fault, mix);
      }
      t.comment(JSON.stringify(result));
      t.same(result.complaints, []);
    });
  }
}
