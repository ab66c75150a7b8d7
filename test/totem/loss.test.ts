import t from 'tap';
import { frameMemory } from '../../src/lib/frame-memory.ts';
import { addOwnCapabilities, Capability, commonCapabilities } from '../../src/totem/capabilities.ts';
import { Group, type SrpTimings, TotemDrop } from '../../src/totem/index.ts';
import { PACKET_BYTES_MIN } from '../../src/totem/limits.ts';
import { copiesFor, LossControl } from '../../src/totem/loss-control.ts';
import { RESEND_MS_MIN, TokenPace } from '../../src/totem/token-pace.ts';
import {
  COMMIT_TOKEN_BYTES_MAX,
  type CommitToken,
  checkCommitToken,
  commitTokenBytes,
  encodeCommitToken,
  readCommitToken,
} from '../../src/totem/wire/commit-token.ts';

import { timings } from './bench.ts';
import { LoneNode } from './lone-node.ts';
import { MemoryRing } from './memory-ring.ts';

const KNET_MTU = 65_446;

function newToken(members: number): CommitToken {
  const addr = Array.from({ length: members }, (_, at) => at + 1);
  const entries = addr.map(() => ({ ringId: { rep: 0, seq: 0 }, aru: 0, highDelivered: 0, receivedFlg: 0 }));
  const ringId = { rep: 1, seq: 9 };
  return { tokenSeq: 0, ringId, retransFlg: 0, membIndex: 0, addr, entries, trailerMembers: 0, capabilities: 0 };
}

/** The first rotation of a commit token over the wire; nodes that `isStock` names send on what they know. */
function rotate(members: number, isStock: (node: number) => boolean): CommitToken {
  const out = frameMemory(new Uint8Array(COMMIT_TOKEN_BYTES_MAX));
  let token = newToken(members);
  for (const node of token.addr) {
    if (!isStock(node)) addOwnCapabilities(token, timings());
    token.membIndex++;
    const length = encodeCommitToken(out.view, 0, node, token);
    const sent = isStock(node) ? commitTokenBytes(members) : length;
    t.equal(checkCommitToken(out.view, 0, sent, true), TotemDrop.NONE);
    token = readCommitToken(out.view, 0, sent, true);
  }
  return token;
}

t.test('the trailer of the commit token arrives where all members have written it', async (t) => {
  const all = Capability.QUICK_RETRANSMISSION | Capability.SUSPICION | Capability.LATE_MESSAGES;
  for (const members of [1, 2, 3, 8, 384])
    t.equal(commonCapabilities(rotate(members, () => false)), all, `${members} members`);
  for (let stock = 1; stock <= 5; stock++)
    t.equal(commonCapabilities(rotate(5, (node) => node === stock)), 0, `stock on node ${stock}`);
  t.equal(commonCapabilities(rotate(5, (node) => node !== 5)), 0, 'only the last is ours');
});

t.test('a trailer that names fewer members, or other abilities, gives only what all have', async (t) => {
  const token = rotate(3, () => false);
  t.equal(commonCapabilities({ ...token, trailerMembers: 2 }), 0);
  t.equal(commonCapabilities({ ...token, capabilities: 0 }), 0);
  const foreign = newToken(3);
  Object.assign(foreign, { membIndex: 1, trailerMembers: 1, capabilities: 0x8000 });
  addOwnCapabilities(foreign, timings());
  t.equal(foreign.capabilities, 0, 'what only others can do');
});

t.test('a core knows the abilities of its ring from the complete token', async (t) => {
  const ours = new LoneNode().toGather();
  ours.commitToken({ trailerMembers: 1, capabilities: Capability.QUICK_RETRANSMISSION });
  ours.commitToken({ membIndex: 2, trailerMembers: 2, capabilities: Capability.QUICK_RETRANSMISSION });
  t.equal(ours.state.state, 'recovery');
  t.equal(ours.state.capabilities, Capability.QUICK_RETRANSMISSION);
  t.equal(new LoneNode().toRecovery().state.capabilities, 0, 'beside stock');
});

t.test('packets become smaller when many have to be sent again, and larger when few have', async (t) => {
  const loss = new LossControl(KNET_MTU);
  let seq = 0;
  const sample = (repeated: number): void => {
    for (let i = 0; i < repeated; i++) loss.noteRepeated();
    seq += 64;
    loss.visit(seq);
  };
  sample(8);
  t.equal(loss.packetBytes, KNET_MTU, 'an eighth is borne');
  sample(30);
  t.equal(loss.packetBytes, KNET_MTU >> 1);
  for (let i = 0; i < 10; i++) sample(30);
  t.equal(loss.packetBytes, PACKET_BYTES_MIN, 'not below one datagram');
  sample(4);
  t.equal(loss.packetBytes, PACKET_BYTES_MIN, 'a little loss keeps it where it is');
  for (let i = 0; i < 60; i++) sample(0);
  t.equal(loss.packetBytes, KNET_MTU);
});

t.test('where M is a datagram already, packets keep their size', async (t) => {
  const loss = new LossControl(1410);
  for (let i = 0; i < 640; i++) loss.noteRepeated();
  loss.visit(64);
  t.equal(loss.packetBytes, 1410);
});

t.test(
  'where a packet is a datagram, a ring of this implementation sends four times as many in a visit, as far as the network carries them',
  async (t) => {
    const scaleOf = (
      changes: Partial<SrpTimings>,
      repeated = 0,
      capabilities: number = Capability.QUICK_RETRANSMISSION,
    ): number => {
      const { state } = new LoneNode({ windowSize: 50, maxMessages: 17, ...changes }).toOperational();
      state.capabilities = capabilities;
      for (let sample = 1; sample <= repeated; sample++) {
        for (let i = 0; i < 30; i++) state.loss.noteRepeated();
        state.loss.visit(64 * sample);
      }
      return state.loss.windowScale(state);
    };
    t.equal(scaleOf({}), 4);
    t.equal(scaleOf({}, 0, 0), 1, 'not beside stock');
    t.equal(scaleOf({ maxMessages: 20 }), 1, 'nor where somebody has set it');
    t.equal(scaleOf({ windowSize: 300 }), 1);
    t.equal(scaleOf({}, 1), 2, 'much was sent again');
    t.equal(scaleOf({}, 5), 1);
  },
);

t.test('who asks in vain asks later, up to miss_count_const, and tries again after a while', async (t) => {
  const { state } = new LoneNode();
  state.capabilities = Capability.QUICK_RETRANSMISSION;
  const { loss } = state;
  t.equal(loss.missCountFor(state), 2);
  for (let i = 0; i < 100; i++) {
    loss.noteRequested(i);
    loss.noteDuplicate(i);
  }
  t.equal(loss.missCountFor(state), 5, 'as stock, not later');
  for (let i = 0; i < 20_000; i++) loss.visit(0);
  t.equal(loss.missCountFor(state), 2);
  for (let i = 0; i < 100; i++) loss.noteDuplicate(1_000_000 + i);
  t.equal(loss.missCountFor(state), 2, 'what others asked for says nothing');
});

t.test('miss_count_const is what it is beside stock, and where somebody set it', async (t) => {
  const beside = new LoneNode().state;
  t.equal(beside.loss.missCountFor(beside), 5);
  const set = new LoneNode({ missCountConst: 9 }).state;
  set.capabilities = Capability.QUICK_RETRANSMISSION;
  t.equal(set.loss.missCountFor(set), 9);
});

t.test('what was sent again in vain goes out several times', async (t) => {
  t.same([0, 1, 2, 3, 4, 200].map(copiesFor), [1, 2, 3, 4, 4, 4]);
});

t.test('a lost token is sent again after some rotations, then less and less often', async (t) => {
  const pace = new TokenPace();
  let now = 1000;
  t.equal(pace.resendMs(869), 869, 'no token is under way');
  for (let i = 0; i < 200; i++) {
    pace.passed(now, 10, false);
    now += i % 3 === 0 ? 50 : 1; // every third rotation waited for something
    pace.returned(now);
  }
  pace.passed(now, 10, false);
  const first = pace.resendMs(869);
  t.ok(first >= RESEND_MS_MIN && first <= 10, `${first} ms`);
  pace.resent(now);
  t.equal(pace.resendMs(869), 2 * first);
  for (let i = 0; i < 40; i++) pace.resent(now);
  t.equal(pace.resendMs(869), 869);
});

t.test('nobody resends a token that the next node is known to have', async (t) => {
  const pace = new TokenPace();
  pace.passed(1000, 10, false);
  t.equal(pace.isAhead(10), false, 'an old message');
  t.ok(pace.resendsOnCopy(1002));
  t.equal(pace.isAhead(11), true, 'a new one');
  t.equal(pace.isAhead(12), false, 'only once');
  t.equal(pace.resendMs(869), 869);
  t.notOk(pace.resendsOnCopy(1002));
  pace.passed(1010, 12, true);
  t.equal(pace.resendMs(869), 869, 'the representative keeps it');
});

t.test('one copy of a token is answered in a millisecond', async (t) => {
  const pace = new TokenPace();
  pace.passed(1000, 10, false);
  t.notOk(pace.resendsOnCopy(1000.5), 'too soon');
  t.ok(pace.resendsOnCopy(1001));
  pace.resent(1001);
  t.notOk(pace.resendsOnCopy(1001.5));
  t.ok(pace.resendsOnCopy(1002));
});

t.test('messages of all sizes arrive while packets shrink and grow', async (t) => {
  const ring = new MemoryRing(2, 65_536);
  const [node] = ring.nodes;
  const at = ring.memory.bytes.length - 200_000;
  for (const packetBytes of [KNET_MTU, PACKET_BYTES_MIN, 8000, KNET_MTU, 30_000, PACKET_BYTES_MIN]) {
    for (const sender of ring.nodes)
      Object.defineProperty(sender.srp.state.loss, 'packetBytes', { value: packetBytes });
    for (let i = 0; i < 100; i++) ring.step();
    t.equal(node!.packetBytes, packetBytes - 24);
    for (const bytes of [0, 1, 1200, 1300, 5000, 60_000, 66_000, 100_000]) {
      const before = ring.deliveredBytes;
      ring.exchange(3, at, bytes);
      t.equal(ring.deliveredBytes - before, 3 * 4 * bytes, `${bytes} bytes in packets of ${packetBytes}`);
    }
  }
  t.ok(node!.mcast(Group.SERVICES, ring.memory.bytes, at, 1), 'still room');
});
