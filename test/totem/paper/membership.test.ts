import t from 'tap';
import { PaperRing } from './paper-ring.ts';

/** Section "The membership protocol". */

t.test('token retransmission: a lost token is sent again, without a change of the membership', async (t) => {
  const ring = PaperRing.formed(3);
  const before = ring.statistic(2, 'gather_entered');
  ring.lose('ORF', 1, 2, 1);
  ring.run(5000);
  ring.mcast(1, 'after', 10);
  ring.run(1000);
  t.equal(ring.drops[0]?.left, 0, 'one was lost');
  t.equal(ring.statistic(2, 'gather_entered'), before);
  t.same(ring.delivered(2), ['1:after']);
});

t.test('token loss: when the token is gone, the others form a ring without the node that died', async (t) => {
  const ring = PaperRing.formed(3);
  const tokenMs = ring.timings.tokenMs;
  ring.crash(2);
  ring.run(tokenMs / 2);
  t.equal(ring.state(1).state, 'operational', 'not before the token timeout');
  ring.run(4 * tokenMs);
  for (const id of [1, 3]) {
    t.same(ring.state(id).membership.memb, [1, 3]);
    t.ok(ring.statistic(id, 'gather_entered') > 0);
  }
});

t.test('consensus: members of a ring have installed the same membership for the same ring', async (t) => {
  const ring = PaperRing.formed(5);
  for (const id of [1, 2, 3, 4, 5]) {
    t.same(ring.state(id).ring, ring.state(1).ring);
    t.same(ring.state(id).membership.memb, [1, 2, 3, 4, 5]);
  }
});

t.test('agreement on the failed: who is not heard is given up by all, and forms a ring of its own', async (t) => {
  const ring = PaperRing.formed(3);
  ring.isolate(2);
  ring.run(6 * ring.timings.tokenMs);
  t.same(ring.state(1).membership.memb, [1, 3]);
  t.same(ring.state(3).membership.memb, [1, 3]);
  t.same(ring.state(2).membership.memb, [2]);
  t.not(ring.state(2).ring.seq, 0);
  t.notSame(ring.state(2).ring, ring.state(1).ring);
});

t.test('merging: when they hear each other again, they form one ring, later than both', async (t) => {
  const ring = PaperRing.formed(3);
  ring.isolate(2);
  ring.run(6 * ring.timings.tokenMs);
  const apart = Math.max(ring.state(1).ring.seq, ring.state(2).ring.seq);
  ring.heal();
  ring.run(6 * ring.timings.tokenMs);
  for (const id of [1, 2, 3]) {
    t.same(ring.state(id).membership.memb, [1, 2, 3]);
    t.ok(ring.state(id).ring.seq > apart);
  }
});

t.test('the commit token goes around twice: nobody recovers before all have agreed to the ring', async (t) => {
  const ring = PaperRing.formed(3);
  const sent = [1, 2, 3].map((id) => ring.statistic(id, 'memb_commit_token_tx'));
  const recovered = ring.statistic(1, 'recovery_entered');
  ring.lose('COMMIT', 2, 3); // the first rotation ends at node 2
  ring.node(1).event(() => ring.node(1).groups.srp.forceGather());
  ring.run(ring.timings.tokenMs / 2);
  t.equal(ring.statistic(1, 'recovery_entered'), recovered, 'half a rotation is not enough');
  ring.heal();
  ring.run(6 * ring.timings.tokenMs);
  t.ok(ring.statistic(1, 'recovery_entered') > recovered);
  for (const [i, before] of sent.entries())
    t.ok(ring.statistic(i + 1, 'memb_commit_token_tx') - before >= 2, `node ${i + 1}`);
});
