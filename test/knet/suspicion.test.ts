import t from 'tap';
import { KnetSim } from './helpers.ts';

/** Of node 1's link to node 2: its kernel reported that nobody listens there, and the PING that left at once is lost. */
function suspected(): KnetSim {
  const sim = new KnetSim();
  sim.run(20_000);
  sim.network = () => false;
  sim.node(1).core.linkError(sim.node(1).core.hosts.find(2)!.links[0]!.index, true, sim.nowMs);
  sim.node(1).core.flush();
  return sim;
}

const died = (sim: KnetSim): boolean => sim.node(1).reports.some(({ kind }) => kind === 'hostDied');

t.test('two PINGs that nobody answered: the process has ended', async (t) => {
  const sim = suspected();
  sim.run(250);
  t.notOk(sim.node(1).linkIsUp(2, 0));
  t.ok(died(sim));
});

t.test('a node that was held up lets its second PING be answered before it says that the other has died', async (t) => {
  const sim = suspected();
  sim.nowMs += 300; // longer than a suspicion lasts, and too short to be known as a pause
  sim.network = () => true;
  sim.run(50);
  t.ok(sim.node(1).linkIsUp(2, 0));
  sim.run(5_000);
  t.ok(sim.node(1).linkIsUp(2, 0));
  t.notOk(died(sim));
});

/** Node 2's process ends, and another one has its place so soon that it answers a PING of the suspicion. */
function replaced(sim: KnetSim): void {
  sim.network = () => true;
  sim.node(2).send(1, Buffer.from('before')); // its numbers have begun
  sim.run(100);
  sim.node(2).restart();
  sim.node(1).core.linkError(sim.node(1).core.hosts.find(2)!.links[0]!.index, true, sim.nowMs);
  sim.node(1).core.flush();
  sim.run(2_000);
}

t.test('an error that a new process of the same node disproves was true: the next one is believed', async (t) => {
  const sim = new KnetSim();
  sim.run(20_000);
  replaced(sim);
  t.ok(sim.node(1).reports.some(({ kind }) => kind === 'peerRestarted'));
  t.ok(sim.node(1).linkIsUp(2, 0), 'the new one answers');
  t.notOk(died(sim));
  sim.network = () => false;
  sim.node(1).core.linkError(sim.node(1).core.hosts.find(2)!.links[0]!.index, true, sim.nowMs);
  sim.node(1).core.flush();
  sim.run(250);
  t.ok(died(sim), 'it ends a moment later');
});
