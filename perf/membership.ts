import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../test/interop/lab/lab.ts';
import { loggedRing } from '../test/interop/lab/logged-ring.ts';
import type { LabNode } from '../test/interop/lab/node.ts';

/** How long it takes until nodes agree on who is there: forming, without one, and with it again. */

const SERVED = /Completed service synchronization, ready to provide service/;
const FORMED = 'A new membership (';
const LOOK_MS = 10;
const VIEW_MS_MAX = 240_000;
const SETTLE_MS = 2_000;

/** Milliseconds until the log of each of these nodes says that they are one ring, and that clients are served in it. */
async function untilView(nodes: readonly LabNode[], begin: () => void | Promise<void>): Promise<number> {
  const wanted = nodes.map(({ id }) => id).join(' ');
  const startMs = performance.now();
  await begin();
  let missing = nodes;
  for (;;) {
    missing = missing.filter((node) => !hasView(node, wanted));
    const spentMs = performance.now() - startMs;
    if (missing.length === 0) return spentMs;
    const dead = missing.find((node) => !node.daemon?.alive);
    if (dead !== undefined) throw new Error(`node ${dead.id}: the daemon has ended: ${dead.daemon?.errors}`);
    if (spentMs > VIEW_MS_MAX) throw new Error(`no ring of ${wanted} on ${missing.map(({ id }) => id).join(' ')}`);
    await delay(LOOK_MS * nodes.length);
  }
}

function hasView(node: LabNode, wanted: string): boolean {
  const log = node.log();
  return SERVED.test(log.slice(Math.max(0, log.lastIndexOf(FORMED)))) && loggedRing(log)?.members.join(' ') === wanted;
}

/** All daemons begin at once. */
export const formation = (lab: Lab): Promise<number> =>
  untilView(lab.nodes, () => {
    for (const node of lab.nodes) node.startDaemon();
  });

/** The last node's daemon is killed, and started again: until the others have a view without it, and all one with it. */
export async function failover({ nodes }: Lab): Promise<{ readonly lostMs: number; readonly backMs: number }> {
  await delay(SETTLE_MS);
  const last = nodes.at(-1);
  const lostMs = await untilView(nodes.slice(0, -1), () => last?.killDaemon());
  await delay(SETTLE_MS);
  const backMs = await untilView(nodes, () => void last?.startDaemon());
  return { lostMs, backMs };
}
