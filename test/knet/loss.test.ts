import t from 'tap';
import { frameMemory } from '../../src/lib/frame-memory.ts';
import { Random } from '../../src/sim/random.ts';
import { KnetSim, message, type SimNode } from './helpers.ts';

/** A message that was sent before goes out again. */
function resend(node: SimNode, bytes: Uint8Array, copies: number): void {
  node.core.resend(frameMemory(bytes), 0, bytes.length, copies);
  node.core.flush();
}

t.test('a retransmission takes the other link; its copies have one number, so one arrives', async (t) => {
  const sim = new KnetSim({ links: 2 });
  sim.run(20_000);
  const linksOf = (copies: number): number[] => {
    sim.record = true;
    sim.seen.length = 0;
    resend(sim.node(1), message(100, copies), copies);
    sim.record = false;
    sim.run(5);
    return sim.seen.filter((packet) => packet.bytes[1] === 0).map((packet) => packet.linkId);
  };
  t.same(linksOf(1), [1]);
  t.same(linksOf(3), [1, 0, 1]);
  t.equal(sim.node(2).delivered.length, 2);
  sim.network = (packet) => packet.linkId !== 1;
  sim.run(4_000);
  t.same(linksOf(2), [0, 0], 'the only link that is up');
  t.equal(sim.node(2).delivered.length, 3);
});

t.test('what is sent again takes the next link each time, alone', async (t) => {
  const sim = new KnetSim({ links: 2 });
  sim.run(20_000);
  const linksOf = (repeat: number): number[] => {
    sim.record = true;
    sim.seen.length = 0;
    const bytes = message(100, repeat);
    sim.node(1).core.send(frameMemory(bytes), 0, bytes.length, 2, repeat);
    sim.node(1).core.flush();
    sim.record = false;
    sim.run(5);
    return sim.seen.filter((packet) => packet.bytes[1] === 0).map((packet) => packet.linkId);
  };
  t.same([0, 1, 2, 3].map(linksOf), [[0], [1], [0], [1]]);
  sim.network = (packet) => packet.linkId !== 1;
  sim.run(4_000);
  t.same([0, 1, 2].map(linksOf), [[0], [0], [0]], 'the only link that is up');
});

t.test('many copies bring a message of 46 packets through where one in five is lost', async (t) => {
  const sim = new KnetSim();
  sim.run(3_000);
  const random = new Random(7);
  const arrived = (copies: number): number => {
    sim.network = () => !random.chance(0.2);
    sim.node(2).delivered.length = 0;
    for (let i = 0; i < 40; i++) {
      resend(sim.node(1), message(65_000, i), copies);
      sim.run(5);
    }
    sim.network = () => true;
    sim.run(1_000);
    return sim.node(2).delivered.length;
  };
  t.equal(arrived(1), 0);
  t.ok(arrived(4) > 30);
  t.ok(sim.node(2).delivered.every(({ bytes }) => bytes.length === 65_000));
});

t.test('a link that loses every fifth packet stays up for an hour, and carries large packets', async (t) => {
  const sim = new KnetSim({ manualMtu: 0 });
  sim.run(20_000);
  const random = new Random(3);
  sim.network = () => !random.chance(0.2);
  let small = 0;
  for (let second = 0; second < 3600; second++) {
    sim.node(1).send(2, message(1200));
    sim.run(1_000);
    if (sim.node(1).core.dataMtu < 1200) small++;
  }
  t.equal(sim.node(1).stat('node2.link0.down_count'), 1, 'the one of the start');
  t.equal(sim.node(2).stat('node1.link0.down_count'), 1);
  t.ok(small < 108, `less than three hundredths of the time with a small MTU: ${small} s`);
});

t.test('a dead peer is still noticed after the timeout', async (t) => {
  const sim = new KnetSim();
  const random = new Random(5);
  sim.network = () => !random.chance(0.2);
  sim.run(60_000);
  t.ok(sim.node(1).linkIsUp(2, 0));
  sim.network = () => false;
  sim.run(2_300);
  t.notOk(sim.node(1).linkIsUp(2, 0));
});

t.test('PINGs keep their interval on a link whose peer responds', async (t) => {
  const sim = new KnetSim();
  sim.run(20_000);
  const before = sim.node(1).stat('node2.link0.tx_ping_packets');
  sim.run(75_000);
  const pings = sim.node(1).stat('node2.link0.tx_ping_packets') - before;
  t.ok(pings >= 95 && pings <= 101, `${pings} PINGs in a hundred intervals`);
});
