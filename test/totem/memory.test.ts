import t from 'tap';
import { Group, TotemDrop } from '../../src/totem/index.ts';
import { Encapsulated } from '../../src/totem/wire/header.ts';
import { decodedToken, LoneNode } from './lone-node.ts';

const SMALL = 700_000;
const RING = { rep: 2, seq: 5 };

t.test('a full pool is like a lossy network, and what is next in order still finds room', async (t) => {
  const node = new LoneNode({}, SMALL).toOperational();
  const high = node.state.high;
  let seq = high + 40;
  while (node.mcast(2, RING, seq) === TotemDrop.NONE) seq++;
  t.equal(node.mcast(2, RING, seq), TotemDrop.NO_MEMORY);
  t.ok(seq > high + 300, `${seq - high} messages fit`);
  const delivered = node.delivered.length;
  for (let missing = high + 1; missing < high + 40; missing++) t.equal(node.mcast(2, RING, missing), TotemDrop.NONE);
  t.equal(node.delivered.length - delivered, seq - high - 1, 'everything up to the lost one is delivered');
});

t.test('the very next message always finds room, and what is freed is not for what lies far ahead', async (t) => {
  const node = new LoneNode({}, SMALL).toOperational();
  const { pool, tiers, aru } = node.state;
  while (pool.pagesFree > tiers.nextInOrder + 1) pool.alloc(60_000);
  const small: number[] = [];
  for (let at = pool.alloc(500, tiers.nextInOrder); at >= 0; at = pool.alloc(500, tiers.nextInOrder)) small.push(at);
  t.equal(node.mcast(2, RING, aru + 2), TotemDrop.NO_MEMORY);
  pool.free(small.pop()!);
  t.equal(node.mcast(2, RING, aru + 40), TotemDrop.NO_MEMORY, 'far ahead');
  t.equal(node.mcast(2, RING, aru + 2), TotemDrop.NONE, 'one of the next');
  t.equal(node.mcast(2, RING, aru + 3), TotemDrop.NO_MEMORY);
  t.equal(node.mcast(2, RING, aru + 1), TotemDrop.NONE, 'the very next one');
  t.equal(node.state.aru, aru + 2);
});

t.test('a ring does not run farther ahead than its messages find room', async (t) => {
  const node = new LoneNode({}, SMALL).toOperational();
  node.groups.synchronizationCompleted();
  const { state } = node;
  t.ok(state.framesAheadMax > 50 && state.framesAheadMax < 1000, `${state.framesAheadMax} messages`);
  t.ok(new LoneNode({}, 256 << 20).state.framesAheadMax > 16_384, 'with the usual memory the sort queue is the limit');
  node.groups.mcast(Group.SERVICES, new Uint8Array(100));
  const visit = (seq: number) => {
    node.take();
    const tokenSeq = (state.myTokenSeq + 1) >>> 0;
    node.orfToken({ seq, tokenSeq, aru: state.aru, aruAddr: 1, ringRep: RING.rep, ringSeq: RING.seq });
    const sent = node.take();
    return sent.length === 0 ? -1 : decodedToken(sent.at(-1)!.frame).seq;
  };
  const tooFar = state.released + state.framesAheadMax + 1;
  t.equal(visit(tooFar), tooFar, 'nothing new is sent');
  t.equal(visit(tooFar - 1), tooFar, 'sent');
});

t.test('who joins a ring in recovery needs no memory for what the others send each other again', async (t) => {
  const node = new LoneNode({}, SMALL).toRecovery();
  const ring = { rep: 1, seq: 9 };
  for (let seq = 1; seq <= 3000; seq++)
    if (node.mcast(1, ring, seq, Encapsulated.RECOVERY) !== TotemDrop.NONE) t.fail(`message ${seq} was refused`);
  t.equal(node.state.aru, 3000);
  t.ok(node.state.pool.pagesFree < 2, 'there was not enough memory for all of it');
  // What is asked for is served if it is there; else the request stays, for its sender.
  const token = { tokenSeq: 5, seq: 3000, aru: 0, aruAddr: 1, ringRep: 1, ringSeq: 9 };
  const rtr = {
    rtrCount: 2,
    rtrRep: Uint32Array.of(1, 1),
    rtrRingSeq: Float64Array.of(9, 9),
    rtrSeq: Uint32Array.of(1, 3000),
  };
  node.take();
  node.orfToken({ ...token, ...rtr });
  const sent = node.take();
  t.equal(sent.filter(({ to }) => to === 'all').length, 1, 'the first message was kept');
  const forwarded = decodedToken(sent.at(-1)!.frame);
  t.equal(forwarded.rtrCount, 1);
  t.equal(forwarded.rtrSeq[0], 3000);
});

t.test('an application cannot take the room of synchronisation, nor that of the ring', async (t) => {
  const node = new LoneNode({}, SMALL).toOperational();
  node.groups.synchronizationCompleted();
  const payload = new Uint8Array(1300);
  let sent = 0;
  while (node.groups.mcast(Group.SERVICES, payload)) sent++;
  t.ok(sent > 50, `${sent} messages were accepted`);
  node.groups.srp.interfaceChanged();
  node.hearItself(12);
  t.equal(node.groups.srp.phase, 'operational', 'the ring forms again');
  t.equal(node.groups.mcast(Group.SYNC, payload), true, 'a sync message has room');
});
