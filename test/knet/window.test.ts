import fc from 'fast-check';
import t from 'tap';
import { KNET_LIMITS } from '../../src/knet/constants.ts';
import { distanceAhead, distanceBehind, nextSeq } from '../../src/knet/sequence.ts';
import { DuplicateWindow, Verdict } from '../../src/knet/window.ts';

const seqs = fc.integer({ min: 1, max: 65_535 });
const add = (seq: number, steps: number): number => ((seq - 1 + steps + 65_535 * 4) % 65_535) + 1;

t.test('numbers wrap over 0', async (t) => {
  t.equal(nextSeq(0), 1);
  t.equal(nextSeq(65_535), 1);
  fc.assert(
    fc.property(seqs, fc.nat(65_534), (seq, steps) => {
      return distanceAhead(seq, add(seq, steps)) === steps && distanceBehind(add(seq, steps), seq) === steps;
    }),
  );
});

t.test('every number near the newest is delivered once, in any order, with copies, across the wrap', async () => {
  fc.assert(
    fc.property(
      seqs,
      fc.array(fc.tuple(fc.integer({ min: -3_000, max: 3_000 }), fc.integer({ min: 1, max: 3 })), { maxLength: 400 }),
      (start, steps) => {
        const window = new DuplicateWindow();
        const seen = new Set<number>();
        let newest = start;
        for (const [step, copies] of [[0, 1] as const, ...steps]) {
          const seq = add(newest, step);
          if (step > 0) newest = seq;
          for (let copy = 0; copy < copies; copy++) {
            const fresh = window.judge(seq, 0) === Verdict.FRESH;
            // A walk of at most 400 × 3000 may come around: only what is within the window counts as remembered.
            if (fresh === (seen.has(seq) && distanceBehind(newest, seq) < KNET_LIMITS.windowNumbers)) return false;
            window.markDelivered(seq, 0);
            seen.add(seq);
          }
          for (const old of seen) if (distanceBehind(newest, old) >= KNET_LIMITS.windowNumbers) seen.delete(old);
        }
        return window.newest === newest;
      },
    ),
    { numRuns: 200 },
  );
});

t.test('what was not delivered may come again', async (t) => {
  const window = new DuplicateWindow();
  t.equal(window.judge(5, 0), Verdict.FRESH);
  t.equal(window.judge(5, 0), Verdict.FRESH, 'it was dropped on the way to the application');
  window.markDelivered(5, 0);
  t.equal(window.judge(5, 0), Verdict.DUPLICATE);
});

t.test('the sequence on which later releases of stock deliver a duplicate (knet.md 2.3)', async (t) => {
  const window = new DuplicateWindow();
  const verdicts = [1, 1500, 4997, 1500].map((seq) => {
    const verdict = window.judge(seq, 0);
    if (verdict === Verdict.FRESH) window.markDelivered(seq, 0);
    return verdict;
  });
  t.same(verdicts, [Verdict.FRESH, Verdict.FRESH, Verdict.FRESH, Verdict.DUPLICATE]);
});

t.test('a recorded packet changes nothing, however old', async (t) => {
  const window = new DuplicateWindow();
  for (let seq = 1; seq <= 60_000; seq++) {
    window.judge(seq, 0);
    window.markDelivered(seq, 0);
  }
  // Behind these come the numbers that are used next: there are only 16 bits.
  const oldest = 60_000 - (65_535 - KNET_LIMITS.windowNumbers) + 1;
  for (let old = oldest; old < 60_000; old++) {
    const expected = 60_000 - old < KNET_LIMITS.windowNumbers ? Verdict.DUPLICATE : Verdict.STALE;
    if (window.judge(old, 0) !== expected || window.newest !== 60_000) t.fail(`${old} was not refused`);
  }
  t.equal(window.judge(60_000, 0), Verdict.DUPLICATE, 'and what is known is still known');
  t.equal(window.judge(60_001, 0), Verdict.FRESH);
});

t.test('a window that lost its sender finds it with the next PING', async (t) => {
  const window = new DuplicateWindow();
  window.judge(30_000, 0);
  t.equal(window.judge(10_000, 0), Verdict.STALE, 'the sender went on for 45000 messages unheard');
  window.anchor(53_000, false);
  t.equal(window.newest, 30_000, 'a PING that has nothing to do with it changes nothing');
  window.anchor(10_004, false);
  t.equal(window.newest, 10_004);
  t.equal(window.judge(10_001, 0), Verdict.FRESH);

  const idle = new DuplicateWindow();
  idle.judge(30_000, 0);
  idle.anchor(10_000, true);
  t.equal(idle.newest, 10_000, 'an idle window follows the PING');
  idle.anchor(10_050, true);
  t.equal(idle.newest, 10_050, 'numbers that went to other hosts');
  idle.anchor(0, true);
  t.equal(idle.newest, 10_050, '0 is no number');
});

t.test('sealed packets: two of a million are not taken for one', async (t) => {
  const window = new DuplicateWindow();
  let state = 1;
  let mistaken = 0;
  let fragments = 0;
  for (let i = 0; i < 1_000_000; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const print = (state ^ (state >>> 15)) | 0 || 1;
    const seq = (i % 65_535) + 1;
    if (window.judge(seq, print) !== Verdict.FRESH) mistaken++;
    window.markDelivered(seq, print);
    if (window.knowsFragment(seq, (i % 40) + 1, print)) fragments++;
  }
  t.equal(mistaken, 0, 'messages');
  t.equal(fragments, 0, 'fragments');
});
