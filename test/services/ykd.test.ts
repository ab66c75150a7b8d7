import t from 'tap';
import { decodeYkd, encodeYkdAttempt, encodeYkdState, YKD_STATE_BYTES } from '../../src/services/codec/ykd.ts';
import { QuorumDecisions } from '../../src/services/quorum/decisions.ts';
import { QuorumEngine } from '../../src/services/quorum/engine.ts';
import { holdsHalf } from '../../src/services/ykd/core.ts';
import { YkdEngine } from '../../src/services/ykd/engine.ts';
import { configured, FakeNode } from './fake-node.ts';
import { FakeRing } from './fake-ring.ts';

async function cluster(size: number, seed = 1) {
  const ring = new FakeRing(seed);
  for (let nodeId = 1; nodeId <= size; nodeId++) {
    const node = new FakeNode({ nodeId, clock: ring.clock, cmap: configured({}), full: ring.full });
    const decisions = new QuorumDecisions();
    const ykd = new YkdEngine({ setQuorum: (view, primary, ringId) => decisions.decide(view, primary, ringId) });
    const quorum = new QuorumEngine({
      provider: { name: 'corosync_ykd', serviceId: ykd.serviceId, load: () => node.host.load(ykd) },
      decisions,
      quorateChanged: (quorate) => node.host.setQuorate(quorate),
    });
    await node.load(quorum);
    ring.add(node);
  }
  const form = (...groups: number[][]): void => {
    ring.partition(...groups);
    ring.settle();
  };
  const quorate = (): boolean[] => [...ring.nodes.values()].map((node) => node.host.isQuorate);
  return { ring, form, quorate };
}

t.test('the layout of stock', async (t) => {
  const state = {
    lastPrimary: { nodeIds: [1, 2, 3], sessionId: 2 },
    lastFormed: [],
    ambiguous: [{ nodeIds: [1, 2], sessionId: 3 }],
    sessionId: 3,
  };
  const bytes = encodeYkdState(state);
  t.equal(bytes.length, YKD_STATE_BYTES);
  const view = new DataView(bytes.buffer);
  t.same(
    [4, 8, 12, 132, 136].map((at) => view.getUint32(at, true)),
    [1, 2, 3, 3, 2],
    'as captured from stock',
  );
  t.same(decodeYkd(bytes), state);
  t.equal(decodeYkd(encodeYkdAttempt()), 'attempt');
  view.setUint32(132, 99, true);
  t.equal(decodeYkd(bytes), null, 'a count beyond its array');
  t.equal(decodeYkd(bytes.subarray(0, 100)), null);
  t.equal(decodeYkd(new Uint8Array(2)), null);
});

t.test('the primary component shrinks and moves on', async (t) => {
  const { ring, form, quorate } = await cluster(5);
  form([1], [2], [3], [4], [5]);
  t.same(quorate(), [true, true, true, true, true], 'everybody begins alone');
  form([1, 2, 3, 4, 5]);
  t.same(quorate(), [true, true, true, true, true]);
  form([1, 2, 3], [4, 5]);
  t.same(quorate(), [true, true, true, false, false]);
  form([1, 2], [3], [4, 5]);
  t.same(quorate(), [true, true, false, false, false], 'two of three go on');
  form([1, 2], [3, 4, 5]);
  t.same(quorate(), [true, true, false, false, false], 'three others do not: the component has moved on');
  form([1, 2, 3, 4, 5]);
  t.same(quorate(), [true, true, true, true, true]);
  ring.kill(1);
  form([2, 3, 4, 5]);
  t.same(quorate(), [true, true, true, true]);
});

t.test('interrupted at every step', async (t) => {
  for (let at = 0; at < 120; at++) {
    const { ring, form, quorate } = await cluster(5, at + 1);
    form([1], [2], [3], [4], [5]);
    form([1, 2, 3, 4, 5]);
    ring.partition([1, 2, 3], [4, 5]);
    ring.wander(at);
    form([1, 2], [3, 4, 5]);
    const [one, two, three, four, five] = quorate();
    if (one !== two || three !== four || four !== five) t.fail(`step ${at}: ${quorate().join()}`);
    if (one && three) t.fail(`step ${at}: two components`);
    form([1, 2, 3, 4, 5]);
    if (quorate().includes(false)) t.fail(`step ${at}: together, but ${quorate().join()}`);
  }
  t.pass('120 places');
});

t.test('half of a component is enough, for both halves: stock’s rule', async (t) => {
  t.equal(holdsHalf([1], { nodeIds: [1, 2], sessionId: 1 }), true);
  t.equal(holdsHalf([3], { nodeIds: [1, 2], sessionId: 1 }), false);
  t.equal(holdsHalf([1, 2], { nodeIds: [1, 2, 3], sessionId: 1 }), true);
});
