import type { World } from './world.ts';

/** One fault, chosen by the world's dice; returns what was done, for the story of a failing seed. */
export function nextFault(world: World): string {
  const { random, network, nodes } = world;
  const victim = random.between(0, nodes.length - 1);
  const node = nodes[victim];
  const name = world.nodeIds[victim]!;
  const dice = random.unit();
  if (dice < 0.14) {
    const cutAt = random.between(1, nodes.length - 1);
    const order = random.shuffled(nodes.map((_, i) => i));
    const groups = [order.slice(0, cutAt), order.slice(cutAt)];
    if (groups[1]!.length > 2 && random.chance(0.3)) groups.push(groups[1]!.splice(0, 1));
    network.partition(groups);
    return `partition ${groups.map((group) => group.map((i) => world.nodeIds[i]).join()).join(' | ')}`;
  }
  if (dice < 0.22) {
    const cuts = Array.from({ length: random.between(1, nodes.length) }, () => ({
      from: random.between(0, nodes.length - 1),
      to: random.between(0, nodes.length - 1),
    }));
    for (const { from, to } of cuts) network.setLink(from, to, false);
    return `cut ${cuts.map(({ from, to }) => `${world.nodeIds[from]}>${world.nodeIds[to]}`).join()}`;
  }
  if (dice < 0.4) {
    network.heal();
    return 'heal';
  }
  if (dice < 0.56) {
    network.weather.loss = random.pick([0, 0.005, 0.02, 0.1, 0.3]);
    network.weather.duplication = random.pick([0, 0, 0.02, 0.2]);
    network.weather.reordering = random.pick([0, 0, 0.01, 0.1]);
    network.weather.latencyMsMax = random.pick([0.3, 0.3, 2, 8]);
    return `weather ${JSON.stringify(network.weather)}`;
  }
  if (dice < 0.66) {
    node?.crash();
    world.deaths?.happened(victim);
    return `crash ${name}`;
  }
  if (dice < 0.82) {
    for (let i = 0; i < nodes.length; i++) if (!nodes[i]?.alive && random.chance(0.7)) world.startNode(i);
    return 'restart';
  }
  if (dice < 0.92) {
    const pauseMs = random.real(1, random.pick([20, 1.5 * world.timings.tokenMs, 6 * world.timings.tokenMs]));
    if (node?.alive) node.pausedUntil = world.now() + pauseMs;
    return `pause ${name} for ${pauseMs.toFixed(0)}`;
  }
  if (dice < 0.95) {
    if (node?.running) {
      node.leave();
      node.crash();
    }
    return `leave ${name}`;
  }
  if (dice < 0.98) {
    node?.interfaceChanged();
    return `interface ${name}`;
  }
  node?.forceGather();
  return `force gather ${name}`;
}
