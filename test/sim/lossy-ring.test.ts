import t from 'tap';
import { RESEND_MS_MIN } from '../../src/totem/token-pace.ts';
import { lossyRing, STALL_EVERY_MS } from './lossy-ring.ts';

t.setTimeout(600_000); // the machine may be busy

/**
 * A ring under full load on a network that loses datagrams, on virtual time: it stands, breaks no rule, and keeps a share of its rate.
 */
const LOAD_MS = 150;
/** Of max_messages, 17, at one sender. */
const MESSAGES_A_ROTATION_MIN = 10;
const COPIES_A_STALL_MAX = 3;

for (const nodes of [3, 5]) {
  t.test(`${nodes} nodes, frames of knet's size`, async (t) => {
    const lossless = lossyRing(1, { nodes, loss: 0, large: true, loadMs: LOAD_MS }).messagesPerMs;
    for (const [loss, share] of [
      [0.01, 0.3],
      [0.05, 0.12],
      [0.2, 0.02],
    ] as const) {
      const figures = lossyRing(1, { nodes, loss, large: true, loadMs: LOAD_MS });
      t.same(figures.violations, [], `${loss * 100} %: no rule is broken`);
      t.equal(figures.ringChanges, 0, 'the ring stands');
      t.ok(figures.messagesPerMs > share * lossless, `${figures.messagesPerMs} of ${lossless} messages a millisecond`);
    }
  });

  t.test(`${nodes} nodes, a frame is a datagram`, async (t) => {
    const { violations, ringChanges, visitsPerLoss, lostFrames } = lossyRing(2, { nodes, loss: 0.01, loadMs: LOAD_MS });
    t.same(violations, []);
    t.equal(ringChanges, 0);
    t.ok(lostFrames > 10 && visitsPerLoss < 2.5, `${lostFrames} frames, there after ${visitsPerLoss} visits`);
    const mixed = lossyRing(2, { nodes, loss: 0.01, loadMs: LOAD_MS, mixed: true });
    t.ok(mixed.visitsPerLoss > 4, `as stock has it beside stock: after ${mixed.visitsPerLoss} visits`);
  });
}

/** What costs processor time and brings nothing: a busy machine hides it in a measurement, virtual time does not. */
t.test('without loss nothing is sent twice, also where nodes do not run for some milliseconds', async (t) => {
  const options = { nodes: 3, loss: 0, loadMs: LOAD_MS }; // seed 2 has no node that acts as a stock node
  const steady = lossyRing(2, options);
  t.match(steady, { violations: [], ringChanges: 0, sentAgain: 0, tokenCopies: 0 });
  const perRotation = (steady.messagesPerMs * LOAD_MS) / steady.rotations;
  t.ok(perRotation > MESSAGES_A_ROTATION_MIN, `${perRotation} messages a rotation`);
  for (const stallMs of [1, 4]) {
    const stalled = lossyRing(2, { ...options, stallMs });
    t.match(stalled, { violations: [], ringChanges: 0, sentAgain: 0 });
    const bound = stallMs < RESEND_MS_MIN ? 0 : (COPIES_A_STALL_MAX * LOAD_MS) / STALL_EVERY_MS;
    t.ok(stalled.tokenCopies <= bound, `stalls of ${stallMs} ms: ${stalled.tokenCopies} copies of tokens`);
  }
});
