import t from 'tap';
import { Group, TotemDrop } from '../../src/totem/index.ts';
import { MemoryRing } from './memory-ring.ts';

/** What a token waits at most, in milliseconds: a new ring takes its rotations for long ones. */
const WAIT_MS = 0.2;
const MESSAGE_BYTES = 100;
const PACKET_BYTES = 1500;
/** What is worth a visit. */
const LOAD_BYTES = 16 * PACKET_BYTES;
const MESSAGES_MAX = 2000;
const STEPS_MAX = 200;

/** A ring of three that has just ordered a message of its first node, whose clients go on sending. */
function busyRing() {
  const ring = new MemoryRing(3, PACKET_BYTES);
  const [first] = ring.nodes;
  if (first === undefined) throw new Error('no node');
  const send = (from: number): boolean => ring.nodes[from]!.mcast(Group.SERVICES, new Uint8Array(MESSAGE_BYTES));
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
  'a token that nobody needs waits for messages of a client that sends all the time, as many as fill a visit',
  async (t) => {
    const { ring, first, send, frames } = busyRing();
    t.ok(frames() < STEPS_MAX, 'the token has stopped');
    t.ok(first.state.tokenWaits, 'at the node whose client sends');
    const { seq } = first.state.token;
    const { delivered } = ring;
    let messages = 0;
    for (; first.state.tokenWaits && messages < MESSAGES_MAX; messages++) {
      t.ok(ring.still, 'what there is goes into packets only');
      send(0);
      first.passToken();
    }
    t.ok(
      messages * MESSAGE_BYTES >= LOAD_BYTES - PACKET_BYTES,
      `${messages} messages of ${MESSAGE_BYTES} bytes are a load`,
    );
    t.ok(first.state.high > seq + 1, 'they have numbers');
    frames();
    t.equal(ring.delivered, delivered + 3 * messages, 'everywhere');
    t.ok(first.state.tokenWaits, 'and a rotation later the token waits again');
  },
);

t.test('what is less than that leaves when the time is over', async (t) => {
  const { ring, first, send, frames } = busyRing();
  frames();
  const { seq } = first.state.token;
  const { delivered } = ring;
  send(0);
  first.passToken();
  t.ok(ring.still && first.state.tokenWaits);
  first.tick(first.state.nowMs + WAIT_MS);
  t.equal(first.state.high, seq + 1);
  frames();
  t.equal(ring.delivered, delivered + 3);
});

t.test('it waits as long as a rotation takes, 50 to 200 µs', async (t) => {
  for (const [rotationMs, waitMs] of [
    [0.001, 0.05],
    [0.1, 0.1],
    [20, 0.2],
  ] as const) {
    const { first, frames } = busyRing();
    first.state.pace.rotationMs = rotationMs;
    frames();
    const waits = first.nextDeadlineMs() - first.state.nowMs;
    t.ok(waits <= 1.2 * waitMs && waits >= 0.5 * waitMs, `${waits} ms`);
  }
});

t.test('without a message it goes on all the same', async (t) => {
  const { ring, first, frames } = busyRing();
  frames();
  const startMs = first.state.nowMs;
  const endMs = first.nextDeadlineMs();
  t.ok(endMs > startMs && endMs <= startMs + WAIT_MS, 'the loop wakes for it');
  first.tick(endMs - 0.01);
  t.ok(ring.still);
  first.tick(endMs);
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
