import t from 'tap';
import { lossyRing } from './lossy-ring.ts';

t.setTimeout(600_000); // the machine may be busy

/**
 * A ring under full load on a network that loses datagrams, on virtual time: it stands, breaks no rule, and keeps a share of its rate.
 */
const LOAD_MS = 150;

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
