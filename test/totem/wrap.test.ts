import t from 'tap';
import { Group } from '../../src/totem/index.ts';
import { Stat } from '../../src/totem/statistics.ts';
import { FuzzTarget } from '../fuzz/totem-harness.ts';

t.setTimeout(600_000); // the machine may be busy

const u32 = (frame: Uint8Array) => new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
const isToken = (frame: Uint8Array) => frame[3] === 0;

/** Two nodes whose frames the test may rewrite on their way. */
class Bent extends FuzzTarget {
  bend: ((frame: Uint8Array) => void) | undefined;

  override send(to: number | 'all', frame: Uint8Array): void {
    this.bend?.(frame);
    super.send(to, frame);
  }

  settle(rounds: number): void {
    for (let i = 0; i < rounds; i++) this.live(0.2);
  }

  gathers(): number {
    return this.nodes.reduce((sum, { groups }) => sum + groups.srp.state.statistics.get(Stat.gather_entered), 0);
  }
}

t.test('token_seq passes the end of its numbers (totem.md trap 4)', async (t) => {
  const ring = new Bent();
  for (let i = 0; i < 400; i++) ring.live(1);
  t.same(
    ring.nodes.map(({ groups }) => groups.srp.phase),
    ['operational', 'operational'],
  );
  const before = ring.gathers();
  let wrapped = false;
  ring.bend = (frame) => {
    if (!isToken(frame) || wrapped) return;
    const view = u32(frame);
    const seq = view.getUint32(17, true);
    // Stock's comparison allows for small steps over the end only: what a ring does.
    if (seq < 0xfe00_0000) view.setUint32(17, seq + 0x0100_0000, true);
    else if (seq < 0xffff_0000) view.setUint32(17, seq + 0x4000, true);
    wrapped = seq > 0xffff_ffe0;
  };
  const mine = () => ring.nodes[0]!.groups.srp.state.myTokenSeq;
  for (let i = 0; i < 70_000 && !(wrapped && mine() < 1000); i++) ring.live(0.01);
  ring.settle(200);
  t.ok(wrapped && mine() < 100_000, `token_seq is ${mine()}`);
  t.equal(ring.gathers(), before, 'the ring never noticed');
});

t.test('message sequence numbers pass the end of their numbers', async (t) => {
  const ring = new Bent();
  for (let i = 0; i < 400; i++) ring.live(1);
  const states = ring.nodes.map(({ groups }) => groups.srp.state);
  // Nothing under way: now all that counts messages moves to just below the end.
  for (const node of ring.nodes) node.payload.fill(7);
  const quiet = () => states.every((s) => s.aru === s.high && s.high === s.highDelivered && s.newQueue.length === 0);
  for (let i = 0; i < 2000 && !(quiet() && states[0]!.aru === states[1]!.aru); i++) ring.live(0);
  t.ok(quiet());
  const distance = (0xffffff00 - states[0]!.aru) >>> 0;
  for (const s of states) {
    for (const key of ['aru', 'high', 'highDelivered', 'released', 'lastAru', 'lastSeq'] as const)
      s[key] = (s[key] + distance) >>> 0;
    const kept: [number, Uint8Array][] = [];
    for (let seq = s.regular.head; s.regular.size > 0; seq++) {
      if (s.regular.has(seq))
        kept.push([
          seq,
          s.memory.bytes.slice(s.regular.offsetOf(seq), s.regular.offsetOf(seq) + s.regular.lengthOf(seq)),
        ]);
      s.regular.remove(seq);
    }
    s.regular.head = (s.released + 1) >>> 0;
    for (const [seq, bytes] of kept) {
      const at = s.pool.alloc(bytes.length);
      s.memory.bytes.set(bytes, at);
      s.memory.view.setUint32(at + 17, seq + distance, true);
      s.regular.add((seq + distance) >>> 0, at, bytes.length);
    }
  }
  for (const { frame } of ring['queue']) {
    const view = u32(frame);
    if (isToken(frame)) for (const at of [13, 21]) view.setUint32(at, view.getUint32(at, true) + distance, true);
    else if (frame[3] === 1) view.setUint32(17, view.getUint32(17, true) + distance, true);
  }
  for (const s of states) {
    const view = s.memory.view;
    for (const at of [13, 21])
      view.setUint32(s.lastTokenOffset + at, view.getUint32(s.lastTokenOffset + at, true) + distance, true);
  }
  const before = ring.gathers();
  for (let i = 0; i < 1500; i++) {
    for (const node of ring.nodes) node.event((groups) => groups.mcast(Group.SERVICES, node.payload, 0, 500));
    ring.live(0.1);
  }
  t.equal(ring.gathers(), before, 'the ring never noticed');
  for (const s of states)
    t.ok(s.highDelivered > 0 && s.highDelivered < 0x8000_0000, `delivered up to ${s.highDelivered}`);
});
