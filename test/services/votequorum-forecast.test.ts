import t from 'tap';
import type { QuorumRule } from '../../src/lib/quorum-rule.ts';
import type { VotesNow, VotesSummary } from '../../src/lib/votes.ts';
import {
  forecastFailures,
  forecastPart,
  forecastReturns,
  forecastSplits,
  tolerableFailures,
} from '../../src/services/votequorum/forecast.ts';
import { VotesWords, withoutVotes } from '../../src/services/votequorum/words.ts';

const cluster = (votes: readonly number[], changes: Partial<VotesNow> = {}): VotesNow => ({
  members: votes.map((own, i) => ({ nodeId: i + 1, votes: own })),
  quorate: true,
  expectedVotes: votes.reduce((sum, own) => sum + own, 0),
  twoNode: false,
  waitForAll: false,
  waitForAllArmed: false,
  autoTieBreaker: false,
  tieBreakerNode: null,
  lastManStanding: false,
  allowDownscale: false,
  deviceVotes: 0,
  deviceName: '',
  masterWins: false,
  ...changes,
});
const outcomes = (now: VotesNow): string[] =>
  forecastSplits(now).map(({ parts }) =>
    parts.map(({ nodes, quorate }) => `${nodes.join('+')}:${quorate ? 'on' : 'off'}`).join(' '),
  );

t.test('three nodes: one may fail, and the larger part goes on', async (t) => {
  const now = cluster([1, 1, 1]);
  t.same(
    forecastFailures(now).map(({ quorate, votes, needed }) => [quorate, votes, needed]),
    [
      [true, 2, 2],
      [true, 2, 2],
      [true, 2, 2],
    ],
  );
  t.equal(tolerableFailures(now), 1);
  t.same(outcomes(now), ['1:off 2+3:on', '1+2:on 3:off', '1+3:on 2:off']);
});

t.test('four nodes: a split into halves stops both, unless a tie breaker decides', async (t) => {
  t.match(outcomes(cluster([1, 1, 1, 1])), ['1:off 2+3+4:on', '1+2:off 3+4:off']);
  const lowest = cluster([1, 1, 1, 1], { autoTieBreaker: true });
  t.match(outcomes(lowest), ['1:off 2+3+4:on', '1+2:on 3+4:off']);
  t.equal(forecastPart(lowest, [1, 2], false).rule, 'auto_tie_breaker');
  t.match(outcomes(cluster([1, 1, 1, 1], { autoTieBreaker: true, tieBreakerNode: '4 1' })), [
    '1:off 2+3+4:on',
    '1+2:off 3+4:on',
  ]);
});

t.test('two nodes: two_node keeps either part', async (t) => {
  t.same(outcomes(cluster([1, 1])), ['1:off 2:off']);
  const two = cluster([1, 1], { twoNode: true, waitForAll: true });
  t.same(outcomes(two), ['1:on 2:on'], 'which is why such a cluster needs fencing');
  t.equal(forecastPart(two, [2], false).rule, 'two_node');
  t.equal(tolerableFailures(two), 1);
});

t.test('votes of different weight', async (t) => {
  const now = cluster([3, 1, 1]);
  t.same(outcomes(now), ['1:on 2+3:off', '1+2:on 3:off', '1+3:on 2:off']);
  t.equal(tolerableFailures(now), 0, 'the heavy one may be the one that fails');
});

t.test('who is absent counts among the expected votes', async (t) => {
  const now = { ...cluster([1, 1, 1]), expectedVotes: 5 };
  t.equal(tolerableFailures(now), 0);
  t.match(forecastFailures(now)[0], { quorate: false, votes: 2, needed: 3 });
});

t.test('the quorum device gives one part its votes', async (t) => {
  const now = cluster([1, 1], { deviceVotes: 1, expectedVotes: 3 });
  t.same(outcomes(now), ['1:on 2:off', '2:on 1:off']);
});

t.test('waiting for all: nothing goes on until everybody was there', async (t) => {
  const now = cluster([1, 1], { expectedVotes: 3, quorate: false, waitForAll: true, waitForAllArmed: true });
  t.match(forecastPart(now, [1, 2], false), { quorate: false, rule: 'wait_for_all' });
});

t.test('what brings a lost quorum back: one node, or the fewest', async (t) => {
  const back = (now: VotesNow, absent: readonly number[]): string[] =>
    forecastReturns(
      now,
      absent.map((votes, at) => ({ nodeId: now.members.length + at + 1, votes })),
    ).map(({ nodes }) => nodes.join('+'));
  t.same(back(cluster([1], { expectedVotes: 3, quorate: false }), [1, 1]), ['1+2', '1+3']);
  t.same(back(cluster([1], { expectedVotes: 5, quorate: false }), [1, 1, 1, 1]), ['1+2+3']);
  t.same(back(cluster([1], { expectedVotes: 5, quorate: false }), [1, 2, 1]), ['1+3'], 'a heavy one is enough alone');
  t.same(back(cluster([1], { expectedVotes: 9, quorate: false }), [1, 1]), [], 'not even all');
  const waiting = cluster([1], {
    expectedVotes: 2,
    quorate: false,
    twoNode: true,
    waitForAll: true,
    waitForAllArmed: true,
  });
  t.same(back(waiting, [1]), ['1+2'], 'wait_for_all is over when all are seen');
});

t.test('in words: what holds now, what one failure does, which options are in force', async (t) => {
  const summary = (now: VotesNow, rule: QuorumRule = 'votes'): VotesSummary => {
    const totalVotes = now.members.reduce((sum, { votes }) => sum + votes, 0);
    const neededVotes = Math.floor(now.expectedVotes / 2) + 1;
    const { members: nodes, expectedVotes: highestExpected } = now;
    return { ...now, totalVotes, neededVotes, rule, highestExpected, nodes };
  };
  const words = new VotesWords();
  t.same(words.of(summary(cluster([1, 1, 1]))), [
    'Quorate: 3 of 3 votes are here, 2 are needed (rule: votes).',
    '1 node can fail, whichever it is.',
  ]);
  const two = summary(cluster([1, 1], { expectedVotes: 3, autoTieBreaker: true, deviceVotes: 1, deviceName: 'd' }));
  t.match(words.of(two), [
    /2 of 3/,
    /^1 node can fail|^One more failure may end it/,
    /auto_tie_breaker: .* lowest node id/,
    'quorum device d: 1 vote',
  ]);
  t.equal(words.of(two), words.of({ ...two }), 'thought out once for the same votes');
  const alone = summary(cluster([1], { expectedVotes: 3, quorate: false }));
  t.match(words.of(alone), [/^Not quorate: 1 of 3 votes is here, 2 are needed/, /must not act/]);
  const before = { ...alone, nodes: cluster([1, 1, 1]).members };
  t.equal(words.of(before).at(-1), 'It comes back with node 2, or with node 3.', 'who was seen before');
  const waiting = summary(cluster([1], { expectedVotes: 3, quorate: false, waitForAll: true }), 'wait_for_all');
  t.match(words.of(waiting), [/^Not quorate: all nodes must have been seen/, /must not act/, /^wait_for_all/]);
  t.match(withoutVotes('ykd'), /ykd counts no votes/);
});
