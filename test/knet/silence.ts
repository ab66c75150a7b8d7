import { Random } from '../../src/sim/random.ts';
import { KnetSim, type Packet } from './helpers.ts';

const STEP_MS = 2;
/** As Totem does: a member is watched by the one before it. */
const WATCH_MS = 200;
/** Between two pauses of a node: less would be one long pause. */
const RUN_MS_MIN = 1_000;
const SETTLED_MS = 10_000;

export interface SilenceCase {
  readonly nodes: number;
  readonly links: number;
  readonly loss: number;
  readonly pauseMs: number;
  /** Mean time between two pauses of a node. */
  readonly everyMs: number;
}

/** Knet with processes that pause: what arrives meanwhile waits in the socket and is read before the clock is looked at. */
export function longestSilence(seed: number, hours: number, { nodes, links, loss, pauseMs, everyMs }: SilenceCase) {
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
