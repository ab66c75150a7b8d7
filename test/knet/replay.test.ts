import t from 'tap';
import { KnetSim, message, type Packet, type SimNode } from './helpers.ts';

/**
 * Somebody without the key records packets of node 2 and sends them to node 1 again. Recorded messages may arrive again (Totem drops what is of the
 * past); never may they keep a real one out.
 */
interface Recording {
  readonly sim: KnetSim;
  readonly victim: SimNode;
  /** DATA of node 2's first process. */
  readonly data: readonly Packet[];
}

/** Node 2 sends `count` messages, and is started anew within its timeouts. */
function record(count: number, bytes = 30): Recording {
  const sim = new KnetSim({ sealed: true });
  sim.run(4_000);
  sim.record = true;
  for (let i = 0; i < count; i++) {
    sim.node(2).send(0, message(bytes, i & 255));
    if (i % 20 === 0) sim.run(2);
  }
  sim.run(1_000);
  sim.record = false;
  const data = sim.seen.filter(({ to, bytes: packet }) => to === 1 && packet[1] === 0);
  const recording = { sim, victim: sim.node(1), data };
  sim.node(2).restart();
  sim.run(3_500);
  recording.victim.delivered.length = 0;
  recording.victim.reports.length = 0;
  return recording;
}

/** Node 2 sends; how many of its messages node 1 got. */
function real({ sim, victim }: Recording, count: number): number {
  victim.delivered.length = 0;
  for (let i = 0; i < count; i++) {
    const bytes = message(40, 201);
    bytes.writeUInt32LE(i, 20);
    sim.node(2).send(0, bytes);
    sim.run(2);
  }
  return victim.delivered.filter(({ bytes }) => bytes[30] === 201).length;
}

t.test('recorded messages of the process before use up no numbers of this one', async (t) => {
  const recording = record(2_000);
  const { sim, victim, data } = recording;
  t.equal(real(recording, 10), 10);
  for (const packet of data) victim.accept(packet);
  t.equal(real(recording, 300), 300, 'all real ones arrive');
  t.equal(
    victim.drops.get('duplicate') ?? 0,
    1_990,
    'and no recorded one whose number was not used again: what came once is known',
  );
  sim.run(5_000);
  t.notOk(
    victim.reports.some(({ kind }) => kind === 'peerRestarted'),
    'and nobody thinks that node 2 has started anew',
  );
});

t.test('nor do those that this process has not seen: it started anew, too', async (t) => {
  const recording = record(2_000);
  const { sim, victim, data } = recording;
  victim.restart();
  sim.run(4_000);
  t.equal(real(recording, 10), 10);
  for (const packet of data) victim.accept(packet);
  t.equal(victim.delivered.length - 10, 2_000, 'they are delivered once');
  for (const packet of data) victim.accept(packet);
  t.equal(victim.delivered.length - 10, 2_000, 'not twice');
  victim.reports.length = 0;
  t.equal(real(recording, 300), 300, 'all real ones arrive');
  sim.run(5_000);
  t.notOk(victim.reports.some(({ kind }) => kind === 'peerRestarted'));
});

t.test('a window that recorded messages led away finds its sender at once', async (t) => {
  const recording = record(50_000);
  const { victim, data } = recording;
  victim.restart();
  recording.sim.run(4_400); // between two PINGs: the last one was from before the first message
  t.equal(real(recording, 10), 10);
  for (let lap = 0; lap < 3; lap++) {
    for (const at of [12_000, 25_000, 38_000, 49_000]) victim.accept(data[at]!);
    t.equal(real(recording, 5), 5, `after ${victim.core.hosts.find(2)?.window.newest}`);
  }
});

t.test('fragments of two messages with one number do not become one', async (t) => {
  const recording = record(400, 4_000);
  const { sim, victim, data } = recording;
  victim.restart();
  sim.run(4_000);
  t.equal(real(recording, 10), 10);
  const seconds = data.filter((_packet, i) => i % 3 !== 0);
  for (const packet of seconds) victim.accept(packet);
  victim.delivered.length = 0;
  for (let i = 0; i < 50; i++) {
    sim.node(2).send(0, message(4_000, 201));
    sim.run(2);
  }
  t.equal(victim.delivered.length, 50);
  t.ok(victim.delivered.every(({ bytes }) => bytes.subarray(13).every((byte) => byte === 201)));
  for (const packet of data) victim.accept(packet);
  victim.delivered.length = 0;
  for (const packet of data) victim.accept(packet);
  t.equal(victim.delivered.length, 0, 'fragments seen once are known');
});

t.test('several links: copies on the others are known, whatever was recorded', async (t) => {
  const sim = new KnetSim({ sealed: true, links: 2, policy: 'active' });
  sim.run(4_000);
  for (let i = 0; i < 100; i++) {
    sim.node(2).send(0, message(i % 3 === 0 ? 4_000 : 50, i));
    sim.run(2);
  }
  t.equal(sim.node(1).delivered.length, 100, 'each once');
});
