import t from 'tap';
import { addressOf, KnetSim, message, type Packet, toySuite } from './helpers.ts';

/** What recorded packets and junk do while one key replaces another on a live ring (knet.md 5.4). */
const NEW_KEY = 0xbeef;

/** A ring with traffic under the first key, recorded; node 2 was started anew, so that its old numbers come again. */
function ring(): { readonly sim: KnetSim; readonly recorded: readonly Packet[] } {
  const sim = new KnetSim({ sealed: true });
  sim.run(4_000);
  sim.record = true;
  for (let i = 0; i < 500; i++) {
    sim.node(2).send(0, message(30, i & 255));
    sim.run(2);
  }
  sim.run(1_000);
  sim.record = false;
  const recorded = sim.seen.filter(({ to }) => to === 1);
  sim.node(2).restart();
  sim.run(3_500);
  sim.node(1).restart();
  sim.run(4_000);
  return { sim, recorded };
}

function talk(sim: KnetSim, count: number): number {
  const victim = sim.node(1);
  victim.delivered.length = 0;
  for (let i = 0; i < count; i++) {
    sim.node(2).send(0, message(40, 201));
    sim.run(2);
  }
  return victim.delivered.filter(({ bytes }) => bytes[30] === 201).length;
}

t.test('packets under the old key, sent again at every step of a change', async (t) => {
  const { sim, recorded } = ring();
  const victim = sim.node(1);
  const again = (): void => {
    for (const packet of recorded) victim.accept(packet);
  };
  t.equal(talk(sim, 20), 20);
  for (const node of sim.nodes.values()) node.core.loadCrypto(2, toySuite(node.memory, NEW_KEY));
  again();
  t.equal(talk(sim, 50), 50, 'both loaded: all real ones arrive');
  sim.node(2).core.useCrypto(2);
  again();
  t.equal(talk(sim, 50), 50, 'the peer uses the new one');
  victim.reports.length = 0;
  again();
  sim.node(1).core.useCrypto(2);
  again();
  t.notOk(
    victim.reports.some((report) => report.kind === 'peersUseSlot' && report.slot === 1),
    'recorded ones do not make anybody go back to the old one',
  );
  t.equal(talk(sim, 50), 50, 'both use the new one');
  for (const node of sim.nodes.values()) node.core.loadCrypto(1, null);
  victim.drops.clear();
  again();
  t.equal(victim.drops.get('authentication'), recorded.length, 'the old one is forgotten: nothing of it is believed');
  t.equal(talk(sim, 50), 50);
});

t.test('clear text is not taken while one key replaces another', async (t) => {
  const { sim } = ring();
  const victim = sim.node(1);
  for (const node of sim.nodes.values()) node.core.loadCrypto(2, toySuite(node.memory, NEW_KEY));
  const clear = new KnetSim();
  clear.run(4_000);
  clear.record = true;
  for (let i = 0; i < 20; i++) clear.node(2).send(1, message(30));
  clear.run(2_000);
  victim.drops.clear();
  const forged = clear.seen.filter(({ to }) => to === 1);
  for (const packet of forged) victim.accept(packet);
  t.equal(victim.drops.get('authentication'), forged.length, 'PINGs, PONGs and DATA in clear');
});

t.test("a stranger's junk does not hold up the ring while a key is loaded", async (t) => {
  const { sim } = ring();
  const victim = sim.node(1);
  victim.core.awaitKey(true);
  const junk: Packet = { from: 9, to: 1, linkId: 0, bytes: new Uint8Array(100).fill(7), atMs: 0 };
  for (let i = 0; i < 100; i++) victim.accept(junk);
  t.notOk(victim.core.waitsForKey, 'an address that is not listed');
  t.equal(talk(sim, 20), 20);
  victim.accept(junk, addressOf(2, 0));
  t.ok(victim.core.waitsForKey, 'one that is may be the packet that needs the key');
});
