import type { World } from './world.ts';

/** What happens to the cluster, and how a story of test/scenarios would say it, where it can. */
export interface Fault {
  /** One word, for the table of coverage. */
  readonly kind: string;
  readonly text: string;
  readonly command?: string;
  readonly run: () => void;
}

/** One fault, chosen by the world's dice. Nothing has happened yet: who looks for a shorter story leaves some out, and the others stay what they are. */
export function nextFault(world: World): Fault {
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
    return {
      kind: 'partition',
      text: `partition ${groups.map((group) => group.map((i) => world.nodeIds[i]).join()).join(' | ')}`,
      command: `heal; cut ${cutsBetween(groups.map((group) => group.map((i) => world.nodeIds[i]!)))}`,
      run: () => network.partition(groups),
    };
  }
  if (dice < 0.22) {
    const cuts = Array.from({ length: random.between(1, nodes.length) }, () => ({
      from: random.between(0, nodes.length - 1),
      to: random.between(0, nodes.length - 1),
    }));
    const pairs = cuts.map(({ from, to }) => `${world.nodeIds[from]}>${world.nodeIds[to]}`);
    return {
      kind: 'cut',
      text: `cut ${pairs.join()}`,
      command: `cut ${pairs.join(' ')}`,
      run: () => {
        for (const { from, to } of cuts) network.setLink(from, to, false);
      },
    };
  }
  if (dice < 0.4) {
    return { kind: 'heal', text: 'heal', command: 'heal', run: () => network.heal() };
  }
  if (dice < 0.56) {
    const weather = {
      loss: random.pick([0, 0.005, 0.02, 0.1, 0.3]),
      duplication: random.pick([0, 0, 0.02, 0.2]),
      reordering: random.pick([0, 0, 0.01, 0.1]),
      latencyMsMax: random.pick([0.3, 0.3, 2, 8]),
    };
    const text = `weather ${JSON.stringify(weather)}`;
    return { kind: 'weather', text, run: () => Object.assign(network.weather, weather) };
  }
  if (dice < 0.66) {
    const run = () => {
      node?.crash();
      world.deaths?.happened(victim);
    };
    return { kind: 'crash', text: `crash ${name}`, ...(node?.alive ? { command: `crash ${name}` } : {}), run };
  }
  if (dice < 0.82) {
    const dead = nodes.flatMap((candidate, i) => (candidate?.alive ? [] : [i]));
    const started = dead.filter(() => random.chance(0.7));
    const names = started.map((i) => world.nodeIds[i]!);
    const run = () => {
      for (const i of started) world.startNode(i);
    };
    const command = names.length > 0 ? { command: `boot ${names.join(' ')}` } : {};
    return { kind: 'restart', text: `restart ${names.join()}`, ...command, run };
  }
  if (dice < 0.92) {
    const pauseMs = random.real(1, random.pick([20, 1.5 * world.timings.tokenMs, 6 * world.timings.tokenMs]));
    const run = () => {
      if (node?.alive) node.pausedUntil = world.now() + pauseMs;
    };
    const ms = pauseMs.toFixed(0);
    const command = node?.alive ? { command: `pause ${name} ${ms}` } : {};
    return { kind: 'pause', text: `pause ${name} for ${ms}`, ...command, run };
  }
  if (dice < 0.95) {
    const run = () => {
      if (!node?.running) return;
      node.leave();
      node.crash();
    };
    return { kind: 'leave', text: `leave ${name}`, ...(node?.running ? { command: `leave ${name}` } : {}), run };
  }
  if (dice < 0.98) {
    return { kind: 'interface', text: `interface ${name}`, run: () => node?.interfaceChanged() };
  }
  return { kind: 'gather', text: `force gather ${name}`, run: () => node?.forceGather() };
}

/** The one-way cuts that leave these groups, as a story names them. */
function cutsBetween(groups: readonly (readonly number[])[]): string {
  const cuts: string[] = [];
  for (const group of groups)
    for (const other of groups)
      if (group !== other) for (const from of group) for (const to of other) cuts.push(`${from}>${to}`);
  return cuts.join(' ');
}
