import t from 'tap';
import { PacketType } from '../../src/knet/constants.ts';
import { KnetSim, message } from './helpers.ts';

t.test('links come up with the third PONG, and messages of every size arrive', async (t) => {
  const sim = new KnetSim({ nodes: 3 });
  sim.run(40);
  t.notOk(sim.node(1).linkIsUp(2, 0), 'two PONGs are not enough');
  t.notOk(sim.node(1).send(0, message(100)), 'nobody is reachable yet');
  t.equal(sim.node(1).core.seq, 0, 'no number was used');
  sim.run(40);
  t.ok(
    sim.node(1).linkIsUp(2, 0) && sim.node(1).linkIsUp(3, 0) && sim.node(3).linkIsUp(1, 0),
    'three are, within two short intervals',
  );
  t.equal(sim.node(1).core.dataMtu, 1446, 'data MTU of 1500 bytes without crypto');
  for (const length of [1, 12, 13, 1446, 1447, 5_000, 65_491, 65_536]) {
    sim.node(1).delivered.length = 0;
    sim.node(2).delivered.length = 0;
    sim.node(3).delivered.length = 0;
    t.ok(sim.node(1).send(0, message(length)));
    sim.run(5);
    t.equal(sim.node(1).delivered.length, 0, "own copies are not the core's business");
    for (const nodeId of [2, 3]) {
      t.equal(sim.node(nodeId).delivered.length, 1, `node ${nodeId} has ${length} bytes once`);
      t.ok(sim.node(nodeId).delivered[0]?.bytes.equals(message(length)), 'and they are the same');
    }
  }
  t.notOk(sim.node(1).send(0, message(65_537)), 'longer ones are refused');
  t.ok(sim.node(1).send(3, message(200)));
  sim.run(5);
  t.equal(sim.node(2).delivered.length, 1, 'unicast leaves others alone');
  t.equal(sim.node(3).delivered.length, 2);
  t.equal(sim.node(3).delivered[1]?.bytes.readUInt32LE(9), 3, 'the target is in the Totem header');
  t.equal(sim.node(1).stat('node2.link0.connected'), 1);
  t.equal(sim.node(1).stat('node2.link0.up_count'), 1);
  t.equal(sim.node(1).stat('node2.link0.down_count'), 1);
  t.equal(sim.node(1).stat('node2.link0.mtu'), 1446);
});

t.test('a silent peer goes down, comes back, and its restart is noticed', async (t) => {
  const sim = new KnetSim();
  sim.run(20_000);
  t.ok(sim.node(1).linkIsUp(2, 0));
  sim.network = () => false;
  sim.run(700);
  t.ok(sim.node(1).linkIsUp(2, 0), 'not before the timeout');
  sim.run(1_700);
  t.notOk(sim.node(1).linkIsUp(2, 0));
  t.notOk(sim.node(1).send(0, message(10)));
  sim.network = () => true;
  sim.run(1_400);
  t.notOk(sim.node(1).linkIsUp(2, 0), 'a link that was lost a moment ago may flap: a PONG in an interval');
  sim.run(1_200);
  t.ok(sim.node(1).linkIsUp(2, 0));
  t.equal(sim.node(1).stat('node2.link0.down_count'), 2);
  for (let i = 0; i < 10; i++) sim.node(2).send(0, message(20, i));
  sim.run(1_000);
  t.equal(sim.node(1).delivered.length, 10);
  // A restart within the timeouts: node 1 keeps its link up, node 2 starts at number 1 again.
  sim.node(2).restart();
  sim.run(2_600);
  t.equal(sim.node(1).reports.filter((report) => report.kind === 'peerRestarted').length, 1);
  t.ok(sim.node(2).send(0, message(20, 99)));
  sim.run(5);
  t.equal(sim.node(1).delivered.length, 11, 'number 1 is no duplicate any more');
});

t.test('on an idle link nothing is due but its PINGs: a PONG puts off what was to be done without it', async (t) => {
  const sim = new KnetSim();
  sim.run(20_000);
  const { core } = sim.node(1);
  sim.record = true;
  let due = 0;
  for (let ms = 0; ms < 20_000; ms++) {
    if (core.nextDeadlineMs(sim.nowMs + 1) <= sim.nowMs + 1) due++;
    sim.run(1);
  }
  const pings = sim.seen.filter(({ from, bytes }) => from === 1 && bytes[1] === PacketType.PING).length;
  t.ok(pings >= 10, `${pings} PINGs`);
  t.ok(due <= pings + 2, `${due} ticks`);
});

t.test('a node that starts is heard within a tenth of a second, one that was lost long ago, too', async (t) => {
  const sim = new KnetSim();
  sim.network = () => false;
  sim.run(10_300);
  sim.network = () => true;
  sim.node(2).restart();
  sim.run(100);
  t.ok(sim.node(2).linkIsUp(1, 0), 'the new one hears the old one');
  t.ok(sim.node(1).linkIsUp(2, 0), 'and the other way: the PING of the new one brought one of the old one forward');
  sim.run(20_000); // the first seconds of a link have a longer timeout
  sim.network = () => false;
  sim.run(12_100);
  t.notOk(sim.node(1).linkIsUp(2, 0));
  sim.network = () => true;
  sim.node(2).restart();
  sim.run(100);
  t.ok(sim.node(1).linkIsUp(2, 0));
  const pings = sim.node(1).stat('node2.link0.tx_ping_packets');
  sim.run(7_500);
  t.equal(sim.node(1).stat('node2.link0.tx_ping_packets') - pings, 10, 'then a PING in an interval as ever');
});

t.test('two links: preference, failover and return', async (t) => {
  const sim = new KnetSim({ links: 2, linkOptions: [{ priority: 1 }, { priority: 5 }] });
  sim.run(20_000);
  const used = (): number => {
    sim.record = true;
    sim.seen.length = 0;
    sim.node(1).send(2, message(50));
    sim.record = false;
    t.equal(sim.seen.length, 1);
    return sim.seen[0]!.linkId;
  };
  t.equal(used(), 1, 'the higher priority');
  sim.network = (packet) => packet.linkId !== 1;
  sim.run(3_000);
  t.equal(used(), 0, 'what is left');
  sim.network = () => true;
  sim.run(4_000);
  t.equal(used(), 1, 'back to the preferred one');
});

t.test('active sends on all links and duplicates are dropped; rr takes turns', async (t) => {
  const active = new KnetSim({ links: 3, policy: 'active' });
  active.run(3_000);
  for (let i = 0; i < 50; i++) active.node(1).send(0, message(4_000, i));
  active.run(5);
  t.equal(active.node(2).delivered.length, 50);
  t.equal((active.node(2).drops.get('duplicate') ?? 0) + (active.node(2).drops.get('late_fragment') ?? 0), 300);

  const rr = new KnetSim({ links: 2, policy: 'rr' });
  rr.run(3_000);
  rr.record = true;
  for (let i = 0; i < 10; i++) rr.node(1).send(0, message(100, i));
  t.same(
    rr.seen.filter((packet) => packet.bytes[1] === 0).map((packet) => packet.linkId),
    [0, 1, 0, 1, 0, 1, 0, 1, 0, 1],
  );
  rr.run(5);
  t.equal(rr.node(2).delivered.length, 10);
});

t.test('many messages: the sequence wraps over 0 and is announced', async (t) => {
  const sim = new KnetSim();
  sim.run(3_000);
  let sent = 0;
  for (let i = 0; i < 70_000; i++) {
    if (sim.node(1).send(0, message(20, i & 255))) sent++;
    if (i % 200 === 0) sim.run(2);
  }
  sim.run(5);
  t.equal(sent, 70_000);
  t.equal(sim.node(2).delivered.length, 70_000, 'none was lost or doubled');
  t.equal(sim.node(1).core.seq, 70_000 - 65_535);
});

t.test('the path shrinks without a word of ICMP, and grows again', async (t) => {
  const sim = new KnetSim({ manualMtu: 0 });
  for (const node of sim.nodes.values()) node.interfaceMtu = 9_000;
  sim.pathMtu = 9_000;
  sim.run(3_500);
  t.equal(sim.node(1).core.dataMtu, 8_946);
  sim.pathMtu = 1_300;
  let delivered = 0;
  for (let i = 0; i < 60; i++) {
    sim.node(1).send(0, message(8_000, i));
    sim.run(50);
  }
  delivered = sim.node(2).delivered.length;
  t.ok(delivered > 20, `large messages pass again after a moment (${delivered} of 60 arrived)`);
  t.equal(sim.node(1).core.dataMtu, 1_300 - 28 - 26, 'exactly what the path carries');
  sim.pathMtu = 9_000;
  sim.run(35_000);
  t.equal(sim.node(1).core.dataMtu, 8_946, 'the next search finds the larger path');
});

t.test('recorded packets sent again change nothing', async (t) => {
  const sim = new KnetSim({ nodes: 3, links: 2 });
  sim.record = true;
  sim.run(4_000);
  for (let i = 0; i < 300; i++) {
    for (const node of sim.nodes.values()) node.send(0, message(20 + 40 * i, i & 255));
    sim.run(4);
  }
  sim.run(3_000);
  sim.record = false;
  const victim = sim.node(1);
  const state = () => ({
    delivered: victim.delivered.length,
    windows: victim.core.hosts.list.map((host) => [host.window.newest, host.reassembler.held, host.lastUntimedSeq]),
    links: victim.core.hosts.list.flatMap((host) =>
      host.links.map((link) => [link?.connected, link?.averageLatencyUs]),
    ),
    mtu: victim.core.dataMtu,
    reports: victim.reports.length,
  });
  const before = state();
  victim.drops.clear();
  const recorded = sim.seen.filter((packet) => packet.to === 1);
  for (const packet of recorded) victim.accept(packet);
  t.same(state(), before, `${recorded.length} packets`);
  t.ok((victim.drops.get('duplicate') ?? 0) > 400);
  t.ok((victim.drops.get('replayed_ping') ?? 0) > 0);
  t.ok((victim.drops.get('late_pong') ?? 0) > 0);
  for (const node of sim.nodes.values()) node.send(0, message(50));
  sim.run(5);
  t.equal(victim.delivered.length, before.delivered + 2, 'what is new still arrives');
});
