import t from 'tap';
import { readJoin } from '../../src/totem/wire/join.ts';
import { LoneNode } from './lone-node.ts';

/** Node 2, in GATHER with nodes 1 and 3 as candidates, of whom it was in no ring. */
function between(): LoneNode {
  const node = new LoneNode().toGather();
  node.join({ systemFrom: 3, proc: [1, 2, 3], ringSeq: 9 });
  node.take();
  t.same(node.state.membership.failed, []);
  return node;
}

const lastFailed = (node: LoneNode): readonly number[] => {
  const { frame } = node.take().at(-1)!;
  return readJoin(new DataView(frame.buffer, frame.byteOffset, frame.length), 0, true).failed;
};

t.test('two candidates that fail each other: the side of the lower one is taken at once', async (t) => {
  for (const order of [
    [1, 3],
    [3, 1],
  ] as const) {
    const node = between();
    for (const from of order) node.join({ systemFrom: from, proc: [1, 2, 3], failed: [4 - from], ringSeq: 9 });
    t.same(node.state.membership.failed, [3], `heard ${order}`);
    t.same(lastFailed(node), [3], 'its JOIN is a vote for 1, and 3 learns of it');
    t.equal(node.state.state, 'gather');
  }
});

t.test('one that fails the other is not enough: the other may agree to be left out', async (t) => {
  const node = between();
  node.join({ systemFrom: 1, proc: [1, 2, 3], failed: [3], ringSeq: 9 });
  t.same(node.state.membership.failed, []);
  node.join({ systemFrom: 3, proc: [1, 2, 3], failed: [], ringSeq: 9 });
  t.same(node.state.membership.failed, []);
});

t.test('a list that was given up counts no more', async (t) => {
  const node = between();
  node.join({ systemFrom: 1, proc: [1, 2, 3], failed: [3], ringSeq: 9 });
  node.join({ systemFrom: 1, proc: [1, 2, 3], failed: [], ringSeq: 13 }); // it was in a ring meanwhile
  node.join({ systemFrom: 3, proc: [1, 2, 3], failed: [1], ringSeq: 9 });
  t.same(node.state.membership.failed, []);
});

t.test('what was heard in a round that led to COMMIT is forgotten', async (t) => {
  const node = between();
  node.join({ systemFrom: 1, proc: [1, 2, 3], failed: [3], ringSeq: 9 });
  node.commitToken({ addr: [1, 2, 3], ringId: { rep: 1, seq: 13 } });
  t.equal(node.state.state, 'commit');
  node.pass(60_000);
  t.equal(node.state.state, 'gather');
  node.join({ systemFrom: 3, proc: [1, 2, 3], failed: [1], ringSeq: 13 });
  t.same(node.state.membership.failed, []);
});

t.test('a leave, and the lists of nodes that are no candidates, put nobody on the list', async (t) => {
  const node = between();
  node.join({ systemFrom: 3, proc: [1, 2, 3], failed: [1], ringSeq: 9, leave: true });
  node.join({ systemFrom: 1, proc: [1, 2, 3], failed: [3], ringSeq: 9 });
  t.same(node.state.membership.failed, []);
});
