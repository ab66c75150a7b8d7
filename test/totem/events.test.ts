import t from 'tap';
import type { SrpState } from '../../src/totem/index.ts';
import { Encapsulated } from '../../src/totem/wire/header.ts';
import { LoneNode } from './lone-node.ts';

/**
 * The table of totem.md 4.4: every event in every state. A row says what happens: which state follows, and with which
 * reasons GATHER was entered on the way.
 */
const HERE = {
  operational: { rep: 2, seq: 5 },
  gather: { rep: 2, seq: 5 },
  commit: { rep: 1, seq: 9 },
  recovery: { rep: 1, seq: 9 },
};
const ELSEWHERE = { rep: 3, seq: 77 };

const enter = (state: SrpState): LoneNode => {
  const node = new LoneNode();
  if (state === 'operational') node.toOperational();
  else if (state === 'gather') node.toGather();
  else if (state === 'commit') node.toCommit();
  else node.toRecovery();
  return node;
};

interface Row {
  readonly event: string;
  readonly act: (node: LoneNode, state: SrpState) => void;
  /** Per state: the state that follows and the reasons of GATHER. */
  readonly expected: Readonly<Record<SrpState, readonly [SrpState, ...number[]]>>;
}

const stays: Row['expected'] = {
  operational: ['operational'],
  gather: ['gather'],
  commit: ['commit'],
  recovery: ['recovery'],
};

const TABLE: readonly Row[] = [
  {
    event: 'token loss',
    act: (node) => node.groups.srp.forceGather(),
    expected: { operational: ['gather', 2], gather: ['gather', 0, 3], commit: ['gather', 4], recovery: ['gather', 5] },
  },
  {
    event: 'token timer',
    act: (node, state) => {
      if (state !== 'gather') node.pass(3001);
    },
    expected: {
      operational: ['gather', 2],
      gather: ['gather'],
      commit: ['gather', 4],
      recovery: ['gather', 5],
    },
  },
  {
    event: 'consensus timer',
    act: (node, state) => {
      // In steps: a node that was held up does not count that time.
      if (state === 'gather') for (let i = 0; i < 91; i++) node.pass(40);
    },
    expected: { ...stays, gather: ['gather', 0] },
  },
  {
    event: 'JOIN of a stranger',
    act: (node) => node.join({ systemFrom: 3, proc: [3], ringSeq: 100 }),
    expected: { operational: ['gather', 11], gather: ['gather', 11], commit: ['commit'], recovery: ['recovery'] },
  },
  {
    event: 'JOIN of a member with a ring_seq that is not old',
    act: (node, state) =>
      node.join({ systemFrom: state === 'operational' ? 2 : 1, proc: [1, 2, 3], ringSeq: 9, failed: [] }),
    expected: {
      operational: ['gather', 12], // from itself: nothing to learn, but the ring is not what it was
      gather: ['gather', 11],
      commit: ['gather', 11, 13],
      recovery: ['gather', 11, 5, 14],
    },
  },
  {
    event: 'JOIN of a member with an old ring_seq',
    act: (node, state) => node.join({ systemFrom: state === 'operational' ? 2 : 1, proc: [1, 2], ringSeq: 4 }),
    expected: stays,
  },
  {
    event: 'JOIN of a member with an old ring_seq and new candidates',
    act: (node, state) => node.join({ systemFrom: state === 'operational' ? 2 : 1, proc: [1, 2, 3], ringSeq: 4 }),
    expected: {
      operational: ['operational'],
      gather: ['gather', 11],
      commit: ['gather', 11, 13],
      recovery: ['recovery'],
    },
  },
  {
    event: 'JOIN that lists this node as failed',
    act: (node) => node.join({ systemFrom: 3, proc: [2, 3], failed: [2], ringSeq: 100 }),
    expected: { operational: ['operational'], gather: ['gather', 11], commit: ['commit'], recovery: ['recovery'] },
  },
  {
    event: 'a JOIN with nothing new',
    act: (node) => node.join({ systemFrom: 3, proc: [2], failed: [], ringSeq: 100 }),
    expected: { operational: ['gather', 12], gather: ['gather'], commit: ['commit'], recovery: ['recovery'] },
  },
  {
    event: 'commit token of a newer ring for the agreed members',
    act: (node) => node.commitToken({ ringId: { rep: 1, seq: 13 } }),
    expected: { ...stays, gather: ['commit'] },
  },
  {
    event: 'commit token for other members',
    act: (node) => node.commitToken({ ringId: { rep: 1, seq: 13 }, addr: [1, 2, 3] }),
    expected: stays,
  },
  {
    event: 'commit token of an older ring',
    act: (node) => node.commitToken({ ringId: { rep: 1, seq: 5 } }),
    expected: stays,
  },
  {
    event: 'complete commit token of this ring',
    act: (node) => node.commitToken({ membIndex: 2 }),
    expected: { ...stays, commit: ['recovery'] },
  },
  {
    event: 'ORF token of another ring',
    act: (node) => node.orfToken({ ringRep: ELSEWHERE.rep, ringSeq: ELSEWHERE.seq, tokenSeq: 1000 }),
    expected: stays,
  },
  {
    event: 'MCAST of this ring',
    act: (node, state) => node.mcast(1, HERE[state], 1),
    expected: stays,
  },
  {
    event: 'MCAST of another ring',
    act: (node) => node.mcast(3, ELSEWHERE, 1),
    expected: { operational: ['gather', 7], gather: ['gather', 8], commit: ['commit'], recovery: ['recovery'] },
  },
  {
    event: 'MERGE_DETECT of this ring',
    act: (node, state) => node.mergeDetect(1, HERE[state]),
    expected: stays,
  },
  {
    event: 'MERGE_DETECT of another ring',
    act: (node) => node.mergeDetect(3, ELSEWHERE),
    expected: { operational: ['gather', 9], gather: ['gather', 10], commit: ['commit'], recovery: ['recovery'] },
  },
  {
    event: 'HOLD_CANCEL',
    act: (node, state) => node.holdCancel(HERE[state]),
    expected: stays,
  },
  {
    event: 'interface report',
    act: (node) => node.groups.srp.interfaceChanged(),
    expected: { operational: ['gather', 15], gather: ['gather', 15], commit: ['gather', 15], recovery: ['gather', 15] },
  },
];

for (const { event, act, expected } of TABLE) {
  for (const state of ['operational', 'gather', 'commit', 'recovery'] as const) {
    t.test(`${event} in ${state}`, async (t) => {
      const node = enter(state);
      t.equal(node.groups.srp.phase, state);
      node.gathers.length = 0;
      act(node, state);
      const [next, ...reasons] = expected[state];
      t.equal(node.groups.srp.phase, next);
      t.same(node.gathers, reasons);
    });
  }
}

t.test('known foreigners do not restart GATHER', async (t) => {
  const node = new LoneNode().toGather();
  node.mcast(1, ELSEWHERE, 1);
  node.mergeDetect(1, ELSEWHERE);
  t.same(node.gathers, []);
});

t.test('LEAVE in every state, then silence', async (t) => {
  for (const state of ['operational', 'gather', 'commit', 'recovery'] as const) {
    const node = enter(state);
    node.groups.srp.leave();
    const [leave] = node.take();
    t.equal(leave!.frame[3], 3);
    t.same([...leave!.frame.subarray(5, 9)], [0, 0, 0, 0], 'header.nodeid is 0');
    t.equal(leave!.frame.at(-4), 2, 'the leaver is last in the failed list');
    node.pass(100_000);
    node.join({ systemFrom: 3, proc: [3] });
    t.same(node.take(), []);
    t.equal(node.groups.srp.nextDeadlineMs(), Number.POSITIVE_INFINITY);
  }
});

t.test('an abandoned recovery restores the old ring (totem.md trap 16), in every way out', async (t) => {
  const ways: ((node: LoneNode) => void)[] = [
    (node) => node.pass(3001),
    (node) => node.groups.srp.interfaceChanged(),
    (node) => void node.join({ systemFrom: 1, proc: [1, 2], ringSeq: 9 }),
  ];
  for (const way of ways) {
    const node = new LoneNode().toOperational();
    const old = { rep: 2, seq: 5 };
    for (let seq = 1; seq <= 3; seq++) node.mcast(1, old, seq);
    node.mcast(1, old, 5);
    node.join({ proc: [1, 2] });
    node.commitToken({});
    node.commitToken({ membIndex: 2, addr: [1, 2] });
    t.equal(node.groups.srp.phase, 'recovery');
    t.same([node.state.aru, node.state.high], [0, 0]);
    node.mcast(1, { rep: 1, seq: 9 }, 1, Encapsulated.RECOVERY);
    way(node);
    t.equal(node.groups.srp.phase, 'gather');
    t.same([node.state.aru, node.state.high], [3, 5]);
  }
});
