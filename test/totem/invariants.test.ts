import t from 'tap';
import { Group, TotemDrop } from '../../src/totem/index.ts';
import { checkInvariants, checkOwnership } from '../../src/totem/invariants.ts';
import type { RingState } from '../../src/totem/state.ts';
import { Timer } from '../../src/totem/timer-table.ts';
import { LoneNode } from './lone-node.ts';

const STATES = {
  operational: () => new LoneNode().toOperational(),
  gather: () => new LoneNode().toGather(),
  commit: () => new LoneNode().toCommit(),
  recovery: () => new LoneNode().toRecovery(),
} as const;

interface Violation {
  readonly sentence: string;
  readonly in: keyof typeof STATES;
  readonly plant: (s: RingState) => void;
}

/** One planted violation for each sentence. */
const VIOLATIONS: readonly Violation[] = [
  { sentence: 'aru <= high', in: 'gather', plant: (s) => (s.aru = s.high + 1) },
  { sentence: 'high is at most a sort queue ahead of aru', in: 'recovery', plant: (s) => (s.high = 20_000) },
  { sentence: 'released <= highDelivered', in: 'operational', plant: (s) => (s.released = s.highDelivered + 1) },
  { sentence: 'highDelivered <= high', in: 'operational', plant: (s) => (s.highDelivered = s.high + 1) },
  {
    sentence: 'highDelivered <= aru: nothing is passed up behind a hole',
    in: 'operational',
    plant: (s) => {
      s.high += 2;
      s.highDelivered = s.high;
    },
  },
  { sentence: 'the window begins behind released', in: 'operational', plant: (s) => (s.regular.head += 5) },
  {
    sentence: 'what follows the token is gone when the event is over',
    in: 'operational',
    plant: (s) => (s.accelerated.count = 1),
  },
  { sentence: 'draining is over when the event is', in: 'gather', plant: (s) => (s.draining = true) },
  {
    sentence: 'no list is longer than a JOIN can carry',
    in: 'gather',
    plant: (s) => (s.membership.proc = Array.from({ length: 385 }, (_, i) => i + 1)),
  },
  {
    sentence: 'no list names a node twice, or node 0',
    in: 'gather',
    plant: (s) => (s.membership.failed = [7, 7]),
  },
  { sentence: 'no list names a node twice, or node 0', in: 'gather', plant: (s) => (s.membership.failed = [0]) },
  {
    sentence: 'deliverMemb is part of transMemb',
    in: 'recovery',
    plant: (s) => (s.membership.deliverMemb = [1]),
  },
  { sentence: 'politeLeavers were members', in: 'gather', plant: (s) => (s.membership.politeLeavers = [9]) },
  { sentence: 'in GATHER this node is a candidate', in: 'gather', plant: (s) => (s.membership.proc = [1]) },
  { sentence: 'in GATHER this node agrees with itself', in: 'gather', plant: (s) => (s.membership.consensus = [1]) },
  { sentence: 'in GATHER only candidates vote', in: 'gather', plant: (s) => (s.membership.consensus = [2, 9]) },
  { sentence: 'this node is in the ring that it forms', in: 'commit', plant: (s) => (s.membership.newMemb = [1]) },
  { sentence: 'the representative is in the ring', in: 'commit', plant: (s) => (s.membership.newMemb = [2]) },
  { sentence: 'newMemb is ascending', in: 'recovery', plant: (s) => (s.membership.newMemb = [2, 1]) },
  {
    sentence: 'transMemb were and will be members',
    in: 'recovery',
    plant: (s) => (s.membership.transMemb = [2, 9]),
  },
  { sentence: 'in OPERATIONAL this node is a member', in: 'operational', plant: (s) => (s.membership.memb = [1]) },
  {
    sentence: 'in OPERATIONAL all members are candidates',
    in: 'operational',
    plant: (s) => (s.membership.proc = []),
  },
  { sentence: 'in OPERATIONAL this node has not failed', in: 'operational', plant: (s) => (s.membership.failed = [2]) },
  {
    sentence: 'in OPERATIONAL this node receives',
    in: 'operational',
    plant: (s) => (s.membership.failedToReceive = true),
  },
  { sentence: 'in OPERATIONAL there is no old ring', in: 'operational', plant: (s) => (s.old.saved = true) },
  { sentence: 'COMMIT and RECOVERY have an old ring', in: 'commit', plant: (s) => (s.old.saved = false) },
  { sentence: 'aru <= high of the old ring', in: 'recovery', plant: (s) => (s.old.aru = s.old.high + 1) },
  { sentence: 'received_flg is a flag', in: 'commit', plant: (s) => (s.old.receivedFlg = 2) },
  {
    sentence: 'ORF tokens count in RECOVERY and OPERATIONAL only',
    in: 'commit',
    plant: (s) => (s.discardOrf = false),
  },
  {
    sentence: 'only the representative starts the ring, in RECOVERY',
    in: 'gather',
    plant: (s) => (s.originated = true),
  },
  {
    sentence: 'no more old messages are sent again than were queued',
    in: 'recovery',
    plant: (s) => (s.recovery.retransFirst = 1),
  },
  {
    sentence: 'the old messages fit into a sort queue',
    in: 'recovery',
    plant: (s) => (s.recovery.retransCount = 16_385),
  },
  {
    sentence: 'the second complete rotation ends RECOVERY',
    in: 'recovery',
    plant: (s) => (s.recovery.rotationCount = 2),
  },
  {
    sentence: 'in OPERATIONAL nothing of a recovery is left',
    in: 'operational',
    plant: (s) => s.recovery.queue.addStub(1),
  },
  {
    sentence: 'a commit waits for the disk in GATHER only',
    in: 'commit',
    plant: (s) => (s.diskWait.commitWaiting = true),
  },
  {
    sentence: 'JOINs are sent and votes waited for in GATHER only',
    in: 'commit',
    plant: (s) => s.timers.start(Timer.CONSENSUS, 100),
  },
  {
    sentence: 'members are watched, and a token waits, in OPERATIONAL only',
    in: 'recovery',
    plant: (s) => s.timers.start(Timer.WATCH, 100),
  },
  {
    sentence: 'in GATHER and COMMIT there is no rotation to measure by',
    in: 'gather',
    plant: (s) => s.timers.start(Timer.MERGE, 100),
  },
];

t.test('what holds, holds in every state', async (t) => {
  for (const [name, make] of Object.entries(STATES)) {
    const { state } = make();
    t.equal(state.state, name);
    t.same([...checkInvariants(state), ...checkOwnership(state)], [], name);
  }
});

for (const { sentence, in: name, plant } of VIOLATIONS) {
  t.test(`found in ${name}: ${sentence}`, async (t) => {
    const { state } = STATES[name]();
    plant(state);
    t.ok(checkInvariants(state).includes(sentence), `${checkInvariants(state)}`);
  });
}

t.test('slots have one owner', async (t) => {
  const queued = () => {
    const node = STATES.gather();
    for (let i = 0; i < 3; i++) node.groups.mcast(Group.SERVICES, new Uint8Array(1350));
    t.same(checkOwnership(node.state), []);
    return node.state;
  };
  const twice = queued();
  twice.limbo.push(twice.newQueue.length > 0 ? twice.newQueue.headOffset : twice.transQueue.headOffset);
  t.same(checkOwnership(twice), ['a slot has one owner: a sort queue, a send queue or limbo']);

  const lost = queued();
  (lost.newQueue.length > 0 ? lost.newQueue : lost.transQueue).shift();
  lost.pool.alloc(100);
  t.same(checkOwnership(lost), ['what is in use in the pool has an owner']);

  const freed = queued();
  const queue = freed.newQueue.length > 0 ? freed.newQueue : freed.transQueue;
  for (let i = 0; i < queue.length; i++) freed.pool.free(queue.offsetAt(i));
  t.same(checkOwnership(freed), ['what somebody owns is in use in the pool']);
});

t.test('a JOIN that completes the agreement of an operational node ends its old token, too', async (t) => {
  // Only a forged JOIN does it: this node's own, for a ring that is not over.
  const node = new LoneNode().toOperational();
  const { state } = node;
  node.join({ systemFrom: 2, ringSeq: state.ring.seq, proc: [2] });
  t.equal(state.state, 'commit');
  t.same(checkInvariants(state), []);
  const token = { seq: 3, tokenSeq: 1, aru: 0, aruAddr: 1, ringRep: state.ring.rep, ringSeq: state.ring.seq };
  t.equal(node.orfToken(token), TotemDrop.WRONG_STATE, 'a token of a ring that is not formed yet is not looked at');
});
