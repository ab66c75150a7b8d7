import t from 'tap';
import { Random } from '../../src/sim/random.ts';
import { KnetSim, type Packet } from './helpers.ts';

t.setTimeout(600_000); // the machine may be busy

/**
 * What is no death: on virtual time, links that lose one packet in twenty and processes that do not run for a while, at random. The longest silence
 * that anybody reported must stay below the limit of `token: 3000` (totem's suspicion.ts). `FALSE_SILENCE_HOURS=24` for the figures of docs/reliability.md.
 */
const HOURS = Number(process.env['FALSE_SILENCE_HOURS'] ?? 0.25);
const SEED = Number(process.env['FALSE_SILENCE_SEED'] ?? 1);
const LIMIT_MS = 2_000 + 3_000 / 16;
const STEP_MS = 2;
/** As Totem does: a member is watched by the one before it. */
const WATCH_MS = 200;
/** Between two pauses of a node: less would be one long pause. */
const RUN_MS_MIN = 1_000;
const SETTLED_MS = 10_000;

interface Case {
  readonly nodes: number;
  readonly links: number;
  readonly loss: number;
  readonly pauseMs: number;
  /** Mean time between two pauses of a node. */
  readonly everyMs: number;
}

/** Knet with processes that pause: what arrives meanwhile waits in the socket and is read before the clock is looked at. */
function longestSilence(seed: number, hours: number, { nodes, links, loss, pauseMs, everyMs }: Case) {
  const random = new Random(seed);
  const sim = new KnetSim({ nodes, links });
  sim.network = () => !random.chance(loss);
  const all = [...sim.nodes.values()];
  const wakesMs = new Map(all.map((node) => [node, 0]));
  const watchedMs = new Map(all.map((node) => [node, 0]));
  const sockets = new Map(all.map((node) => [node, [] as Packet[]]));
  const found = { silentMs: 0, died: 0, linksDown: 0, pauses: 0 };
  const endMs = sim.nowMs + hours * 3_600_000;
  while (sim.nowMs < endMs) {
    sim.nowMs += STEP_MS;
    for (const packet of sim.wire.splice(0)) sockets.get(sim.node(packet.to))!.push(packet);
    for (const node of all) {
      if (sim.nowMs < wakesMs.get(node)!) continue;
      for (const packet of sockets.get(node)!.splice(0)) node.accept(packet);
      node.core.tick(sim.nowMs);
      if (sim.nowMs >= watchedMs.get(node)! + WATCH_MS) {
        watchedMs.set(node, sim.nowMs);
        node.core.probeHost(all[(all.indexOf(node) + 1) % all.length]!.nodeId, sim.nowMs);
      }
      node.core.flush();
      if (sim.nowMs < SETTLED_MS) continue;
      for (const host of node.core.hosts.list)
        if (host.silentSinceMs >= 0) found.silentMs = Math.max(found.silentMs, sim.nowMs - host.silentSinceMs);
      if (sim.nowMs < wakesMs.get(node)! + RUN_MS_MIN || !random.chance(STEP_MS / everyMs)) continue;
      found.pauses++;
      wakesMs.set(node, sim.nowMs + pauseMs);
    }
  }
  for (const node of all) {
    found.died += node.reports.filter(({ kind }) => kind === 'hostDied').length;
    found.linksDown += node.reports.filter(({ kind }) => kind === 'linkDown').length;
  }
  return found;
}

const CASES: readonly Case[] = [
  { nodes: 3, links: 1, loss: 0.05, pauseMs: 200, everyMs: 10_000 },
  { nodes: 3, links: 1, loss: 0.05, pauseMs: 2_000, everyMs: 60_000 },
  { nodes: 3, links: 2, loss: 0.05, pauseMs: 200, everyMs: 10_000 },
];

for (const each of CASES) {
  const { nodes, links, loss, pauseMs } = each;
  t.test(`${nodes} nodes, ${links} links, ${loss * 100} % loss, pauses of ${pauseMs} ms`, async (t) => {
    const startMs = performance.now();
    const found = longestSilence(SEED, HOURS, each);
    t.comment(`${HOURS} h in ${((performance.now() - startMs) / 1000).toFixed(1)} s: ${JSON.stringify(found)}`);
    t.equal(found.died, 0, 'nobody died');
    t.ok(found.silentMs < LIMIT_MS, `the longest silence: ${found.silentMs} ms`);
    t.ok(found.silentMs >= pauseMs - 1_000, 'pauses are seen');
  });
}
