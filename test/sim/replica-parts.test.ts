import t from 'tap';
import { simulate } from './world.ts';

/** Replicated machines without quorum, with a fault every few hundredths of a second (docs/reliability.md, "Machines without quorum"). */
const options = { parts: true, churn: true, checkReassembly: false } as const;

t.test('members of nine parts, whose states go round slowly, do not leave each other out', async (t) => {
  t.same(simulate(245, options).violations, []);
});

t.test('nothing that was confirmed in a part is missed while the state that has it is handed over', async (t) => {
  // The simulator looked too early: a machine that hands a state over is not calm.
  t.same(simulate(212, { parts: true, churn: true }).violations, []);
});
