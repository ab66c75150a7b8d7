import t from 'tap';
import { DRAIN_FRAMES_MAX, discardWaiting } from '../../src/transport/datagram/drain.ts';

/** A socket on which `waiting` datagrams lie. */
function socket(waiting: number, size = 64) {
  let count = 0;
  return {
    size,
    receive: () => {
      count = Math.min(size, waiting);
      waiting -= count;
      return count;
    },
    discardRest: () => {
      const rest = count;
      count = 0;
      return rest;
    },
  };
}

t.test('what waits is thrown away, and no more than a flood may cost', async (t) => {
  t.equal(discardWaiting(3, socket(0)), 0);
  t.equal(discardWaiting(3, socket(64)), 64);
  t.equal(discardWaiting(3, socket(1000)), 1000);
  t.equal(discardWaiting(-1, socket(1000)), 0, 'no socket');
  t.equal(discardWaiting(3, socket(Number.POSITIVE_INFINITY)), DRAIN_FRAMES_MAX);
});
