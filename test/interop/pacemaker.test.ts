import t from 'tap';
import { describe, mixtures, skipReason } from './lab/cases.ts';
import { pacemakerUnavailable } from './lab/host.ts';
import type { DaemonKind } from './lab/node.ts';
import { PacemakerLab } from './lab/pacemaker.ts';

/** With all of Pacemaker's programs, on a machine that has other things to do. */
const RING_MS = 60_000;

/**
 * Unmodified Pacemaker on a ring: nodes online, a resource started; the daemon of its node killed, the resource moves and comes back
 * with the node; a node stopped in order and back; standby. `crm_mon` after each step.
 */
async function story(kinds: readonly DaemonKind[]): Promise<Map<string, string[]>> {
  const views = new Map<string, string[]>();
  const pacemaker = await PacemakerLab.up(kinds);
  const [first, second, third] = pacemaker.lab.nodes;
  if (first === undefined || second === undefined || third === undefined) throw new Error('three nodes');
  const all = /Online: \[ node1 node2 node3 \]/;
  const step = async (node: typeof first, what: string, ...patterns: readonly RegExp[]): Promise<void> => {
    views.set(what, await pacemaker.reach(node, what, ...patterns));
  };
  try {
    await step(third, 'nodes online', all, /with quorum/);
    await pacemaker.addDummy();
    await step(third, 'resource started', /dummy.*Started node1/);

    await pacemaker.killNode(first);
    await step(third, 'daemon killed, resource moved', /dummy.*Started node2/, /OFFLINE: \[ node1 \]/);
    pacemaker.startNode(first);
    await pacemaker.lab.waitRing(pacemaker.lab.nodes, RING_MS);
    pacemaker.startManager(first);
    await step(third, 'nodes online again, resource back', all, /dummy.*Started node1/);

    const status = await pacemaker.stopNode(second);
    if (status !== 0) throw new Error(`the daemon of node2 exits with ${status}`);
    await step(third, 'node stopped in order', /OFFLINE: \[ node2 \]/, /dummy.*Started node1/);
    pacemaker.startNode(second);
    await pacemaker.lab.waitRing(pacemaker.lab.nodes, RING_MS);
    pacemaker.startManager(second);
    await step(third, 'nodes online after the orderly stop', all);

    await pacemaker.must(third, 'crm_attribute', '-N', 'node1', '-n', 'standby', '-v', 'on');
    await step(third, 'standby', /Node node1: standby/, /dummy.*Started node2/);
    await pacemaker.must(third, 'crm_attribute', '-N', 'node1', '-n', 'standby', '-D');
    await step(third, 'standby over', all, /dummy.*Started node1/);
    return views;
  } finally {
    await pacemaker.close();
  }
}

let stock: Promise<Map<string, string[]>> | undefined;

for (const kinds of mixtures([
  ['ours', 'ours', 'ours'],
  ['ours', 'stock', 'ours'],
])) {
  const rare = !kinds.every((kind) => kind === 'ours');
  const skip = pacemakerUnavailable() || skipReason(kinds, rare);
  t.test(`Pacemaker on ${describe(kinds)}`, { skip }, async (t) => {
    t.setTimeout(600_000);
    stock ??= story(['stock', 'stock', 'stock']);
    const expected = await stock;
    const ours = await story(kinds);
    for (const [what, view] of expected) t.same(ours.get(what), view, what);
  });
}
