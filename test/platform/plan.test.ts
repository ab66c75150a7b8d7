import t from 'tap';
import { Exchange, type StateMessage } from '../../src/platform/replicated/exchange.ts';
import { Plan } from '../../src/platform/replicated/plan.ts';

const RING = { seq: 100, rep: 1 };
const epochOf = (ringSeq: number) => ({ ringSeq, ringRep: 1, number: 1 });

/** All states have come: by node, the ring in which its part has acted, and how much it has of its order. */
function planOf(states: readonly (readonly [node: number, ringSeq: number, length: number])[]): Plan {
  const exchange = new Exchange('life');
  const members = states.map(([node]) => `${node}.1`);
  exchange.members = members;
  exchange.begin(members[0]!, 'view', members);
  states.forEach(([, ringSeq, length], i) => {
    const have = { epoch: epochOf(ringSeq), length, chain: length, stale: false, newest: false };
    const common = {
      type: 'state',
      view: 'view',
      round: 0,
      life: `life ${i}`,
      numberSeen: 1,
      nodesMin: 1,
      nodesAll: 9,
      quorate: false,
    };
    exchange.note(members[i]!, { ...common, have } as StateMessage);
  });
  const plan = Plan.of(exchange, false, RING);
  if (plan === null) throw new Error('no plan');
  return plan;
}

t.test('without quorum the state that more members have stays', async (t) => {
  const plan = planOf([
    [1, 30, 50],
    [2, 20, 4],
    [3, 20, 4],
  ]);
  t.equal(plan.source, '2.1');
  t.same(plan.mergers, ['1.1']);
});

t.test('of parts with as many members the newer one', async (t) => {
  const plan = planOf([
    [1, 20, 50],
    [2, 30, 4],
  ]);
  t.equal(plan.source, '2.1');
});

t.test('of each other part the member with the longest order hands the state over, whatever its number', async (t) => {
  const plan = planOf([
    [1, 40, 9],
    [2, 40, 9],
    [3, 40, 9],
    [4, 20, 3],
    [5, 20, 7],
    [6, 30, 2],
    [7, 30, 1],
  ]);
  t.equal(plan.source, '1.1');
  t.same([...plan.mergers].sort(), ['5.1', '6.1'], 'not 4, which lacks what 5 has applied');
});
