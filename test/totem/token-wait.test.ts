import t from 'tap';
import { Group, TotemDrop } from '../../src/totem/index.ts';
import { MemoryRing } from './memory-ring.ts';

/** What a token waits at most, in milliseconds. */
const WAIT_MS = 0.05;
const STEPS_MAX = 200;

/** A ring of three that has just ordered a message of its first node, whose clients go on sending. */
function busyRing() {
  const ring = new MemoryRing(3, 1500);
  const [first] = ring.nodes;
  if (first === undefined) throw new Error('no node');
  const send = (from: number): boolean => ring.nodes[from]!.mcast(Group.SERVICES, new Uint8Array(100));
  /** Frames, without a timer, until none is under way; how many. */
  const frames = (): number => {
    let count = 0;
    while (!ring.still && count < STEPS_MAX) {
      ring.step();
      count++;
    }
    return count;
  };
  // Wherever the representative had held the token of the idle ring, it goes round now.
  send(0);
  first.srp.wakeRing();
  for (let i = 0; i < 20; i++) ring.step();
  ring.sendSoon.add(0);
  return { ring, first: first.srp, send, frames };
}

t.test(
  'a token that nobody needs waits for the messages of a client that sends all the time, and takes them along',
  async (t) => {
    const { ring, first, send, frames } = busyRing();
    t.ok(frames() < STEPS_MAX, 'the token has stopped');
    t.ok(first.state.tokenWaits, 'at the node whose client sends');
    const { seq } = first.state.token;
    const { delivered } = ring;
    send(0);
    t.ok(ring.still, 'a message alone is only packed');
    first.passToken();
    t.notOk(first.state.tokenWaits);
    t.equal(first.state.high, seq + 1, 'it has a number');
    frames();
    t.equal(ring.delivered, delivered + 3, 'everywhere');
    t.ok(first.state.tokenWaits, 'and a rotation later the token waits again');
  },
);

t.test('without a message it goes on after 50 µs', async (t) => {
  const { ring, first, frames } = busyRing();
  frames();
  const startMs = first.state.nowMs;
  first.tick(startMs + WAIT_MS - 0.01);
  t.ok(ring.still);
  t.ok(first.nextDeadlineMs() <= startMs + WAIT_MS, 'the loop wakes for it');
  first.tick(startMs + WAIT_MS);
  t.notOk(ring.still);
  ring.sendSoon.clear();
  t.ok(frames() > 20 * 3, 'and round and round, when nobody sends all the time, until the idle ring holds it');
});

t.test('it does not wait when somebody else has sent since', async (t) => {
  const { ring, first, send, frames } = busyRing();
  frames();
  send(2);
  first.tick(first.state.nowMs + WAIT_MS);
  const before = first.state.myTokenSeq;
  while (first.state.myTokenSeq === before && !first.state.tokenWaits) ring.step();
  t.notOk(first.state.tokenWaits, 'whoever sends wants the next token soon');
  frames();
  t.ok(first.state.tokenWaits, 'the one after that waits');
});

t.test('a copy of the token frees the one that waits, once', async (t) => {
  const { ring, first, frames } = busyRing();
  frames();
  const before = first.state.myTokenSeq;
  const third = ring.nodes[2]!.srp.state;
  t.equal(first.receive(third.lastTokenOffset, third.lastTokenBytes), TotemDrop.DUPLICATE);
  t.notOk(first.state.tokenWaits);
  t.equal(first.state.myTokenSeq, before + 3, 'one visit: the other two members had theirs in between');
});

t.test('a node that gathers forgets the token that waits', async (t) => {
  const { ring, first, frames } = busyRing();
  frames();
  first.forceGather();
  t.notOk(first.state.tokenWaits);
  const { high } = first.state;
  first.tick(first.state.nowMs + WAIT_MS);
  first.passToken();
  t.equal(first.phase, 'gather');
  t.equal(first.state.high, high);
  for (let i = 0; i < 20_000 && first.phase !== 'operational'; i++) ring.step();
  t.equal(first.phase, 'operational', 'the ring forms again');
});
