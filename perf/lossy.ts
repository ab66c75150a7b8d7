import type { Lab } from '../test/interop/lab/lab.ts';
import { program } from '../test/interop/lab/programs.ts';
import { groupOf } from './measures.ts';
import { AHEAD_OF_OTHERS } from './rig.ts';

const PATIENCE_MS = 60_000;

export interface LossyFigures {
  readonly perSec: number;
  /** Rings that formed while it was measured; 0: it stood. */
  readonly ringChanges: number;
  readonly retransmitted: number;
}

/** Each node loses this share of the datagrams that arrive; one client of node 1 multicasts without a pause and counts what it gets back. */
export async function lossy(lab: Lab, percent: number, bytes: number, seconds: number): Promise<LossyFigures> {
  for (const node of lab.nodes) {
    await node.heal();
    if (percent > 0) await node.cut({ share: percent / 100, direction: 'in' });
  }
  const before = await counters(lab);
  const command = [...AHEAD_OF_OTHERS, await program('cpgbench'), groupOf(1), String(bytes), String(seconds)];
  const { code, stdout } = await lab.node(1).space.run('nice', command, { timeoutMs: PATIENCE_MS + seconds * 1000 });
  const after = await counters(lab);
  return {
    perSec: code === 0 ? (JSON.parse(stdout) as { perSecond: number }).perSecond : 0,
    ringChanges: after.rings - before.rings,
    retransmitted: after.retransmitted - before.retransmitted,
  };
}

/** Of node 1's ring protocol; the map of statistics may be out of reach while the ring is broken. */
async function counters(lab: Lab): Promise<{ readonly rings: number; readonly retransmitted: number }> {
  const rings = Number((await lab.node(1).cmap('stats.srp.operational_entered', 'stats')) ?? Number.NaN);
  let retransmitted = 0;
  for (const node of lab.nodes) retransmitted += Number((await node.cmap('stats.srp.mcast_retx', 'stats')) ?? 0);
  return { rings, retransmitted };
}
