import t from 'tap';
import { PacketType } from '../../src/knet/constants.ts';
import { KnetSim, type SimOptions } from './helpers.ts';

const isPing = ({ bytes }: { readonly bytes: Uint8Array }): boolean => bytes[1] === PacketType.PING;
const INTERVAL_MS = 750;

/** Nodes that have started one after the other, so that each has its own time. */
function staggered(options: SimOptions): KnetSim {
  const sim = new KnetSim(options);
  for (const node of sim.nodes.values()) {
    node.restart();
    sim.run(173);
  }
  sim.run(20_000);
  for (const node of sim.nodes.values()) node.reports.length = 0;
  sim.record = true;
  return sim;
}

/** When each node sent PINGs, and how many. */
function pingTimes(sim: KnetSim): Map<number, Map<number, number>> {
  const times = new Map<number, Map<number, number>>();
  for (const packet of sim.seen.filter(isPing)) {
    const of = times.get(packet.from) ?? new Map<number, number>();
    times.set(packet.from, of.set(packet.atMs, (of.get(packet.atMs) ?? 0) + 1));
  }
  return times;
}

t.test('regular PINGs leave together, to all nodes, and soon after those of the node with the lowest id', async (t) => {
  const sim = staggered({ nodes: 6, links: 2 });
  const fromMs = sim.nowMs;
  sim.run(10 * INTERVAL_MS + 100);
  const times = pingTimes(sim);
  const leader = [...(times.get(1)?.keys() ?? [])];
  t.ok(leader.length >= 9 && leader.length <= 11, `${leader.length} rounds in ten intervals`);
  for (const [nodeId, rounds] of times) {
    for (const [atMs, count] of rounds) {
      t.equal(count, 10, `node ${nodeId} at ${atMs - fromMs}: five hosts with two links`);
      const behind = Math.min(...leader.map((leaderMs) => Math.abs(atMs - leaderMs)));
      t.ok(behind <= 2, `node ${nodeId} at ${atMs - fromMs}: ${behind} ms beside node 1`);
    }
  }
  for (const node of sim.nodes.values()) t.same(node.reports, [], 'no link fails, and nobody takes himself for paused');
});

t.test(
  'who is watched by the node with the lowest id follows another one: its PINGs leave once in an interval, too',
  async (t) => {
    const sim = staggered({ nodes: 5 });
    const watch = (ms: number): void => {
      for (const endMs = sim.nowMs + ms; sim.nowMs < endMs; sim.run(125)) sim.node(1).core.probeHost(2, sim.nowMs);
    };
    watch(10_000);
    sim.seen.length = 0;
    watch(10 * INTERVAL_MS);
    const times = pingTimes(sim);
    const rounds = (nodeId: number): number[] =>
      [...(times.get(nodeId) ?? [])].filter(([, count]) => count > 1).map(([atMs]) => atMs);
    for (const nodeId of [1, 2, 3, 4, 5]) {
      t.ok(
        rounds(nodeId).length >= 9 && rounds(nodeId).length <= 11,
        `${rounds(nodeId).length} rounds of node ${nodeId}`,
      );
      for (const atMs of rounds(nodeId))
        t.ok(Math.min(...rounds(1).map((ms) => Math.abs(ms - atMs))) <= 3, `node ${nodeId} at ${atMs}`);
    }
  },
);

t.test('where a node sees others than the one with the lowest id fail it goes on, and follows the next', async (t) => {
  const sim = staggered({ nodes: 4 });
  sim.network = ({ from, to }) => from !== 1 && to !== 1;
  sim.run(5_000);
  sim.seen.length = 0;
  sim.run(10 * INTERVAL_MS);
  const times = pingTimes(sim);
  const second = [...(times.get(2) ?? new Map<number, number>())]
    .filter(([, count]) => count > 1)
    .map(([atMs]) => atMs);
  t.ok(second.length >= 9, `${second.length} rounds of node 2`);
  for (const nodeId of [3, 4]) {
    const rounds = [...(times.get(nodeId) ?? [])].filter(([, count]) => count > 1);
    t.ok(rounds.length >= 9 && rounds.length <= 12, `${rounds.length} rounds of node ${nodeId}`);
    for (const [atMs] of rounds) t.ok(Math.min(...second.map((ms) => Math.abs(atMs - ms))) <= 2, `at ${atMs}`);
  }
  for (const nodeId of [2, 3, 4])
    for (const other of [2, 3, 4]) if (other !== nodeId) t.ok(sim.node(nodeId).linkIsUp(other, 0));
});

t.test('a link whose timeout has little room keeps its own time', async (t) => {
  const sim = staggered({ nodes: 3, linkOptions: [{ pingIntervalMs: INTERVAL_MS, pingTimeoutMs: INTERVAL_MS + 200 }] });
  sim.run(20 * INTERVAL_MS);
  const between = (nodeId: number): number[] => {
    const at = sim.seen
      .filter((packet) => isPing(packet) && packet.from === nodeId && packet.to !== 1)
      .map((p) => p.atMs);
    const times = [...new Set(at)];
    return times.slice(1).map((ms, index) => ms - times[index]!);
  };
  for (const nodeId of [2, 3]) {
    t.ok(
      between(nodeId).every((ms) => ms <= INTERVAL_MS + 2),
      `node ${nodeId}: ${between(nodeId).join(' ')}`,
    );
    t.equal(sim.node(nodeId).reports.filter(({ kind }) => kind === 'linkDown').length, 0);
  }
});

t.test('one silent host of many is asked again at once; where all are silent, less often', async (t) => {
  const again = (silent: (nodeId: number) => boolean): number => {
    const sim = staggered({ nodes: 24 });
    sim.network = ({ from, to }) => !silent(from) && !silent(to);
    sim.seen.length = 0;
    sim.run(INTERVAL_MS + 600);
    return sim.seen.filter((packet) => isPing(packet) && packet.from === 1 && packet.to === 24).length;
  };
  const one = again((nodeId) => nodeId === 24);
  const all = again((nodeId) => nodeId !== 1);
  t.ok(one >= 12, `${one} PINGs to the one`);
  t.ok(all >= 4 && all <= one / 2, `${all} PINGs to each of all`);
});
