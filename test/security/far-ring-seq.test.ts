import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { describe, FULL, skipReason } from '../interop/lab/cases.ts';
import { Lab, ringId } from '../interop/lab/lab.ts';
import type { DaemonKind, LabNode } from '../interop/lab/node.ts';
import { sleep } from '../interop/lab/process.ts';
import { memberships } from './spoof.ts';

/**
 * A stock node that forged JOINs pushed far up in its 64-bit ring sequences, next to ours, whose numbers end at 2^52. Near the end stock
 * goes around by itself, and one ring forms; in the middle it is alone until its file is removed, and ours goes on undisturbed and logs what to do.
 *
 * Among themselves stock nodes do not come around. A node takes part in a new ring only if its number is above that of the ring that it is
 * in, or tries to form, so one with 2^64-3 refuses the 1 that the others propose after it, again and again. (They can share 2^64-3 if the far
 * one has no ring yet and the first try succeeds. That is luck, and nothing here depends on it.)
 */
const END = 2n ** 64n - 8n;
const MIDDLE = 2n ** 60n;
const LAST_OF_STOCK = (END + 5n).toString(16);
const MIXED: readonly (readonly [readonly DaemonKind[], bigint])[] = [
  [['ours', 'stock'], END],
  [['stock', 'ours'], END],
  [['ours', 'stock'], MIDDLE],
];
const STOCK: readonly DaemonKind[] = ['stock', 'stock'];
const NEVER_MS = 30_000;

const ringSeqFile = (node: LabNode): string => join(node.space.directory, 'state', `ringid_${node.id}`);

/** A lab whose last stock node finds the number on disk when it starts. */
async function labAt(t: Test, kinds: readonly DaemonKind[], ringSeq: bigint): Promise<Lab> {
  const lab = await Lab.create({ transport: 'udpu', tokenMs: 1000 }, kinds);
  t.teardown(() => lab.close());
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(ringSeq);
  writeFileSync(ringSeqFile(lab.node(kinds.lastIndexOf('stock') + 1)), bytes);
  return lab;
}

for (const [kinds, ringSeq] of MIXED) {
  const rare = ringSeq === END;
  const name = `${describe(kinds)} (${kinds.join()}), stock at ${ringSeq.toString(16)}`;
  t.test(name, { skip: skipReason(kinds, rare && !FULL, name) }, async (t) => {
    const lab = await labAt(t, kinds, ringSeq);
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

const stockName = `${describe(STOCK)}, one at ${END.toString(16)} that has a ring of its own`;
t.test(stockName, { skip: skipReason(STOCK, true, stockName) }, async (t) => {
  const lab = await labAt(t, STOCK, END);
  const far = lab.node(2);
  far.startDaemon();
  await lab.waitRing([far]);
  t.equal(await ringId(far), `2.${LAST_OF_STOCK}`);
  lab.node(1).startDaemon();
  await t.rejects(lab.waitRing(lab.nodes, NEVER_MS), /^timed out/, 'stock never forms a ring');
  t.equal(memberships(far), 1);
  t.match(far.log(), /totem is continuously in gather state/);
  await far.killDaemon();
  rmSync(ringSeqFile(far));
  far.startDaemon();
  await lab.waitRing(lab.nodes);
  t.pass('one ring when its file is removed');
});
