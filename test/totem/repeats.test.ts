import t from 'tap';
import { Group } from '../../src/totem/index.ts';
import { MemoryRing } from './memory-ring.ts';

const STEPS_MAX = 200_000;

t.test('one of two links of a node fails and nobody knows yet: the ring stays, and delivers', async (t) => {
  const ring = new MemoryRing(3, 1500);
  const [ringId] = ring.nodes.map(({ srp }) => srp.ringId.seq);
  ring.halfDead = 0;
  const untilMs = ring.nowMs + 10_000;
  const { delivered } = ring;
  let sent = 0;
  for (let steps = 0; ring.nowMs < untilMs && steps < STEPS_MAX; steps++) {
    if (steps % 100 === 0 && ring.nodes[steps % 3]!.mcast(Group.SERVICES, new Uint8Array(100))) sent++;
    ring.step();
  }
  for (let i = 0; i < 2000; i++) ring.step();
  t.ok(ring.nowMs >= untilMs, 'ten seconds, three token timeouts');
  t.same(
    ring.nodes.map(({ srp }) => srp.ringId.seq),
    [ringId, ringId, ringId],
  );
  t.equal(ring.delivered, delivered + 3 * sent);
});

t.test('the same while a ring forms: JOINs and commit tokens take the other link when they are repeated', async (t) => {
  const ring = new MemoryRing(3, 1500);
  ring.halfDead = 0;
  const before = ring.nodes[0]!.srp.ringId.seq;
  ring.nodes[1]!.srp.forceGather();
  const formed = (): boolean => ring.nodes.every(({ srp }) => srp.phase === 'operational' && srp.members.length === 3);
  for (let steps = 0; !formed() && steps < STEPS_MAX; steps++) ring.step();
  t.ok(formed());
  t.equal(ring.nodes[0]!.srp.ringId.seq, before + 4, 'the first ring that they agree on');
});
