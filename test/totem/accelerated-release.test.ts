import t from 'tap';
import { WINDOW_AUTO } from '../../src/lib/accelerated-window.ts';
import { Capability } from '../../src/totem/capabilities.ts';
import { FrameClass, Group, type SrpTimings, Stat, TotemDrop } from '../../src/totem/index.ts';
import type { RingState } from '../../src/totem/state.ts';
import { FrameType, HEADER } from '../../src/totem/wire/header.ts';
import { MCAST } from '../../src/totem/wire/mcast.ts';
import { decodeOrfToken, OrfToken } from '../../src/totem/wire/orf-token.ts';
import { LoneNode } from './lone-node.ts';
import { MemoryRing } from './memory-ring.ts';

const STEPS_MAX = 200_000;
const MESSAGE_BYTES = 1200; // one a packet

interface Sent {
  readonly node: number;
  readonly what: 'message' | 'repetition' | 'token' | 'now';
  readonly seq: number;
  readonly state: string;
}

/** A ring, and what its nodes send, in order. */
class WatchedRing extends MemoryRing {
  sent: Sent[] = [];

  constructor(count: number, changes: Partial<SrpTimings>) {
    super(count, 1500, changes);
    for (const index of this.nodes.keys()) this.watch(index);
  }

  private watch(index: number): void {
    const { state } = this.nodes[index]!.srp;
    const { network } = state;
    const { sendToken, multicast, resend } = network;
    const { view } = this.memory;
    const note = (what: Sent['what'], seq: number) =>
      void this.sent.push({ node: index, what, seq, state: state.state });
    const seqAt = (at: number): number => view.getUint32(at + MCAST.seq, true);
    Object.assign(network, {
      sendToken: (...args: Parameters<typeof sendToken>) => {
        const token = new OrfToken();
        decodeOrfToken(view, args[1], args[2], true, token);
        note('token', token.seq);
        sendToken(...args);
      },
      multicast: (...args: Parameters<typeof multicast>) => {
        if (args[2] === FrameClass.NOFLUSH) note('message', seqAt(args[0]));
        multicast(...args);
      },
      resend: (...args: Parameters<typeof resend>) => {
        note('repetition', seqAt(args[0]));
        resend(...args);
      },
      sendNow: () => note('now', 0),
    });
  }

  send(from: number, count: number): void {
    for (let i = 0; i < count; i++)
      if (!this.nodes[from]!.mcast(Group.SERVICES, new Uint8Array(MESSAGE_BYTES))) throw new Error('no room');
  }

  /** Node 1 has sent something in the rotation in hand. */
  otherSends(): void {
    const { state } = this.nodes[1]!.srp;
    const { high } = state;
    this.send(1, 1);
    this.nodes[1]!.srp.wakeRing();
    for (let i = 0; i < STEPS_MAX && state.high === high; i++) this.step();
  }

  /** Until all that was sent is delivered everywhere, and the token has come round a few times; what was sent meanwhile. */
  settle(): Sent[] {
    this.sent = [];
    for (const { srp } of this.nodes) srp.wakeRing();
    for (let i = 0; i < 3000; i++) this.step();
    return this.sent;
  }

  /** What node 0 sent in the visit in which it sent messages: token first and last included. */
  visitOf(sent: readonly Sent[]): string {
    const own = sent.filter(({ node }) => node === 0);
    const first = own.findIndex(({ what }) => what === 'message' || what === 'repetition');
    const base = own.find(({ what }) => what === 'message')!.seq;
    const names = { message: 'm', repetition: 'r', token: 't', now: '|' };
    return own
      .slice(first, first + 9)
      .map(({ what, seq }) => `${names[what]}${what === 'now' ? '' : seq - base + 1}`)
      .join(' ');
  }
}

t.test('the last messages follow the token, which has their numbers already', async (t) => {
  const ring = new WatchedRing(3, { acceleratedWindow: 2 });
  ring.otherSends();
  const { delivered } = ring;
  ring.send(0, 5);
  const sent = ring.settle();
  t.match(ring.visitOf(sent), /^m1 m2 m3 t5 \| m4 m5 t5/, 'the next one is that of the visit after');
  t.ok(ring.delivered >= delivered + 15, 'all arrive everywhere');
  const { statistics } = ring.nodes[0]!.srp.state;
  t.equal(statistics.get(Stat.sent_behind_token), 2);
  t.equal(statistics.get(Stat.mcast_retx), 0);
});

t.test('a window of more than there is lets all follow, one of 0 none', async (t) => {
  const all = new WatchedRing(3, { acceleratedWindow: 100 });
  all.otherSends();
  all.send(0, 3);
  t.match(all.visitOf(all.settle()), /^m1 m2 m3 t3/, 'the visit before was the last without any');
  const own = all.sent.filter(({ node }) => node === 0);
  const first = own.findIndex(({ what }) => what === 'message');
  t.match(own.slice(first - 2, first), [{ what: 'token' }, { what: 'now' }]);
  const none = new WatchedRing(3, { acceleratedWindow: 0 });
  none.otherSends();
  none.send(0, 3);
  t.match(none.visitOf(none.settle()), /^m1 m2 m3 t3 t3/);
});

t.test('where nobody else sends nothing follows: the token would only be back sooner', async (t) => {
  const ring = new WatchedRing(3, { acceleratedWindow: 100 });
  ring.settle();
  ring.send(0, 40);
  ring.settle();
  t.notOk(ring.sent.some(({ what }) => what === 'now'));
  for (const node of [0, 1]) ring.send(node, 40);
  ring.settle();
  t.ok(ring.sent.some(({ node, what }) => node === 0 && what === 'now'));
});

t.test('what follows the token counts in the round that numbered it', async (t) => {
  const ring = new WatchedRing(2, { acceleratedWindow: 100, maxMessages: 4, windowSize: 4 });
  const before = ring.nodes[0]!.srp.state.high;
  ring.send(0, 6);
  ring.send(1, 6);
  const sent = ring.settle();
  for (const node of [0, 1]) {
    let inVisit = 0;
    for (const { node: from, what } of sent) {
      if (from !== node) continue;
      inVisit = what === 'token' ? 0 : inVisit + (what === 'message' ? 1 : 0);
      t.ok(inVisit <= 4, 'max_messages');
    }
  }
  // Of both nodes together no more than the window between two tokens of one of them.
  let inRound = 0;
  for (const { node, what } of sent) {
    if (what === 'message') inRound++;
    if (what === 'token' && node === 0) inRound = 0;
    t.ok(inRound <= 8, `${inRound} in a round and what the last one left`);
  }
  t.equal(ring.nodes[1]!.srp.state.high, before + 12);
});

t.test('repetitions precede the token', async (t) => {
  const ring = new WatchedRing(3, { acceleratedWindow: 2, maxMessages: 2 });
  const third = ring.nodes[2]!.srp;
  const { receive } = third;
  let lost = 0;
  third.receive = (offset, length) =>
    ring.memory.view.getUint8(offset + HEADER.type) === FrameType.MCAST && lost++ === 0
      ? TotemDrop.NONE
      : receive.call(third, offset, length);
  for (const node of [0, 1]) ring.send(node, 60); // they have more to send when the third asks
  const sent = ring.settle();
  const own = sent.filter(({ node }) => node === 0);
  const at = own.findIndex(({ what }) => what === 'repetition');
  const tokens = [...own.keys()].filter((place) => place > at && own[place]?.what === 'token');
  const visit = own.slice(at, tokens[1]).map(({ what }) => what);
  t.equal(visit[0], 'repetition');
  t.equal(visit.at(-1), 'message', 'some follow');
  t.same(
    visit.filter((what) => what !== 'message'),
    ['repetition', 'token', 'now'],
  );
  t.equal(sent.filter(({ what }) => what === 'repetition').length, 1, 'by one node, once');
});

t.test('a token that is sent again takes no messages along', async (t) => {
  const ring = new WatchedRing(3, { acceleratedWindow: 100 });
  const { srp } = ring.nodes[0]!;
  ring.otherSends();
  ring.send(0, 3);
  ring.sent = [];
  srp.wakeRing();
  for (let i = 0; i < STEPS_MAX && !ring.sent.some(({ node, what }) => node === 0 && what === 'message'); i++)
    ring.step();
  t.equal(srp.state.accelerated.count, 0, 'nothing is left behind by the visit');
  ring.sent = [];
  const before = ring.nodes[2]!.srp.state;
  srp.setNow(ring.nowMs + 10);
  t.equal(srp.receive(before.lastTokenOffset, before.lastTokenBytes), TotemDrop.DUPLICATE, 'a copy');
  srp.tick(ring.nowMs + 1000);
  const own = ring.sent.filter(({ node }) => node === 0);
  t.ok(own.length > 0 && own.every(({ what }) => what === 'token'), `${own.length} tokens`);
});

t.test('in RECOVERY everything precedes the token', async (t) => {
  const ring = new WatchedRing(3, { acceleratedWindow: 100 });
  const third = ring.nodes[2]!.srp;
  const { receive } = third;
  ring.send(0, 5);
  ring.send(1, 5);
  let lost = 0;
  third.receive = (offset, length) => {
    if (ring.memory.view.getUint8(offset + HEADER.type) === FrameType.MCAST && lost++ < 3) return TotemDrop.NONE;
    return receive.call(third, offset, length);
  };
  for (let i = 0; i < STEPS_MAX && lost < 4; i++) ring.step();
  ring.sent = [];
  for (const { srp } of ring.nodes) srp.forceGather();
  const formed = (): boolean => ring.nodes.every(({ srp }) => srp.phase === 'operational' && srp.members.length === 3);
  for (let i = 0; i < STEPS_MAX && !formed(); i++) ring.step();
  const recovered = ring.sent.filter(({ what, state }) => what === 'message' && state === 'recovery');
  t.ok(recovered.length > 0, 'old messages were sent again');
  t.notOk(ring.sent.some(({ what, state }) => what === 'now' && state === 'recovery'));
  ring.settle();
  t.equal(windowOf(third.state), 100, 'afterwards they follow again');
});

/** Of a visit before which others have sent. */
function windowOf(state: RingState): number {
  state.accelerated.visit(0, true);
  return state.accelerated.windowFor(state);
}

t.test('auto: where every member bears it; a number: also beside stock', async (t) => {
  const auto = new MemoryRing(3, 1500, { acceleratedWindow: WINDOW_AUTO }).nodes[0]!.srp.state;
  t.ok(windowOf(auto) > 0);
  auto.capabilities = Capability.QUICK_RETRANSMISSION | Capability.SUSPICION;
  t.equal(windowOf(auto), 0, 'one is stock, or older');
  const hasty = new MemoryRing(3, 1500, { acceleratedWindow: WINDOW_AUTO, missCountConst: 1 }).nodes[0]!.srp.state;
  t.equal(windowOf(hasty), 0, 'miss_count_const 1 asks at the first visit');
  const set = new MemoryRing(3, 1500, { acceleratedWindow: 7 }).nodes[0]!.srp.state;
  set.capabilities = 0;
  t.equal(windowOf(set), 7);
  const alone = new LoneNode({ acceleratedWindow: 7 }).toOperational().state;
  t.equal(windowOf(alone), 0, 'alone there is nobody to begin earlier');
});

t.test('many rotations with requests, and nothing follows the token for a while', async (t) => {
  const { state } = new MemoryRing(3, 1500, { acceleratedWindow: 7 }).nodes[0]!.srp;
  const { accelerated } = state;
  const visits = (count: number, everyRequest: number): void => {
    for (let i = 1; i <= count; i++) accelerated.visit(i % everyRequest === 0 ? 1 : 0, true);
  };
  visits(20_000, 50);
  t.equal(accelerated.windowFor(state), 7, 'one in 50 is borne');
  visits(256, 8);
  t.equal(accelerated.windowFor(state), 0);
  visits(8192, 100_000);
  t.equal(accelerated.windowFor(state), 7, 'tried again');
  visits(256, 8);
  accelerated.startRing();
  t.equal(accelerated.windowFor(state), 7, 'a new ring');
});
