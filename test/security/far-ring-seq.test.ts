import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { describe, FULL, skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import type { DaemonKind, LabNode } from '../interop/lab/node.ts';
import { sleep } from '../interop/lab/process.ts';
import { memberships } from './spoof.ts';

/**
 * A stock node that forged JOINs pushed far up in its 64-bit ring sequences, next to ours, whose numbers end at 2^52. Near the end stock
 * goes around by itself, and one ring forms; in the middle it is alone until its file is removed, and ours goes on undisturbed and logs what to do.
 */
const END = 2n ** 64n - 8n;
const MIDDLE = 2n ** 60n;
const cases: readonly (readonly [readonly DaemonKind[], bigint])[] = [
  [['ours', 'stock'], END],
  [['stock', 'ours'], END],
  [['stock', 'stock'], END],
  [['ours', 'stock'], MIDDLE],
];

/** The number that the node finds on disk when it starts. */
function storeRingSeq(node: LabNode, ringSeq: bigint): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(ringSeq);
  writeFileSync(join(node.space.directory, 'state', `ringid_${node.id}`), bytes);
}

for (const [kinds, ringSeq] of cases) {
  const rare = ringSeq === END;
  const name = `${describe(kinds)} (${kinds.join()}), stock at ${ringSeq.toString(16)}`;
  t.test(name, { skip: skipReason(kinds, rare && !FULL, name) }, async (t) => {
    const lab = await Lab.create({ transport: 'udpu', tokenMs: 1000 }, kinds);
    t.teardown(() => lab.close());
    storeRingSeq(lab.node(kinds.lastIndexOf('stock') + 1), ringSeq);
    const ours = lab.node(1);
    for (const node of lab.nodes) node.startDaemon();
    const startMs = performance.now();
    if (ringSeq === END) {
      await lab.waitRing(lab.nodes, 90_000);
      t.pass(`one ring after ${Math.round(performance.now() - startMs)} ms`);
      return;
    }
    await lab.waitRing([ours], 60_000);
    await sleep(FULL ? 10_000 : 5_000);
    t.comment(`memberships: ours ${memberships(ours)}, stock ${memberships(lab.node(2))}`);
    t.equal(memberships(ours), 1, 'ours stays as it is');
    t.match(ours.log(), /Node 2 is at a ring sequence above 2\^52/, 'and says what to do');
  });
}
