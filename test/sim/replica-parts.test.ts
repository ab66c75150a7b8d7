import t from 'tap';
import { simulate } from './world.ts';

/** Replicated machines without quorum, with a fault every few hundredths of a second (docs/reliability.md, "Machines without quorum"). */
const options = { parts: true, churn: true, checkReassembly: false } as const;

t.test('members of nine parts, whose states go round slowly, do not leave each other out', async (t) => {
  t.same(simulate(245, options).violations, []);
});
