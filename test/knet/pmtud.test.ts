import t from 'tap';
import { CLEAR_SIZES } from '../../src/knet/mtu.ts';
import { PathMtu } from '../../src/knet/pmtud.ts';

const INTERVAL_MS = 60_000;
const VERIFY_MS = 1_000;
const OVERHEAD_BYTES = 28;

/** The link's part of a tick; the deadline after it. */
function tick(path: PathMtu, nowMs: number, carriesLarge: boolean): number {
  path.step(nowMs, CLEAR_SIZES, OVERHEAD_BYTES, 100, INTERVAL_MS, VERIFY_MS, carriesLarge, () => 0);
  return path.nextDeadlineMs(INTERVAL_MS, VERIFY_MS, carriesLarge);
}

t.test(
  'a search that nobody replies to leaves no deadline in the past: the loop would turn for it until the link goes down',
  async (t) => {
    const path = new PathMtu();
    path.force();
    let nowMs = 1_000.1;
    for (let steps = 0; steps < 1_000 && nowMs < 1_000 + 2 * INTERVAL_MS; steps++) {
      if (steps % 10 === 5) path.doubt();
      const dueMs = tick(path, nowMs, true);
      t.ok(dueMs > nowMs, `${dueMs} after ${nowMs}`);
      nowMs = dueMs;
    }
    t.equal(path.confirmedIpBytes, 0, 'nothing was found');
    t.ok(nowMs >= 1_000 + 2 * INTERVAL_MS, `a few steps a second: ${nowMs}`);
  },
);
