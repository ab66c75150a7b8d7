import t from 'tap';
import { frameMemory } from '../../src/lib/frame-memory.ts';
import { encodeCommitToken } from '../../src/totem/wire/commit-token.ts';
import { encodeJoin } from '../../src/totem/wire/join.ts';
import { encodeMergeDetect, MergeDetect } from '../../src/totem/wire/merge-detect.ts';
import { encodeOrfToken, OrfToken } from '../../src/totem/wire/orf-token.ts';
import { describe, FULL, skipReason } from '../interop/lab/cases.ts';
import { Lab, ringId } from '../interop/lab/lab.ts';
import type { DaemonKind, LabNode } from '../interop/lab/node.ts';
import { memberships, spoof } from './spoof.ts';

/**
 * Frames of a plain ring that go in one hop, forged in the name of node 2, against node 1: from the address of node 3, which is listed too, and
 * (with RONDO_LAB_FULL=1) from that of node 2. Ours takes them only from the address of the node that they name.
 */
const SECONDS = FULL ? 1 : 0.5;
const RATE = 100;

const make = (encode: (view: DataView) => number): Uint8Array => {
  const memory = frameMemory(new Uint8Array(4096));
  return memory.bytes.slice(0, encode(memory.view));
};

/** What can be forged, by name, on the ring `rep.seq`. */
function forgeries(rep: number, seq: number): Readonly<Record<string, Uint8Array>> {
  const join = { systemFrom: 2, ringSeq: seq, proc: [1, 2], failed: [] };
  const entries = [1, 2].map(() => ({ ringId: { rep: 0, seq: 0 }, aru: 0, highDelivered: 0, receivedFlg: 0 }));
  const token = Object.assign(new OrfToken(), { ringRep: rep, ringSeq: seq, tokenSeq: 0x4000_0000, seq: 0, aru: 0 });
  const commit = {
    tokenSeq: 9,
    ringId: { rep: 2, seq: seq + 400 },
    retransFlg: 0,
    membIndex: 1,
    addr: [1, 2],
    entries,
    trailerMembers: 0,
    capabilities: 0,
  };
  const merge = Object.assign(new MergeDetect(), { systemFrom: 2, ringRep: 2, ringSeq: seq + 400 });
  return {
    LEAVE: make((view) => encodeJoin(view, 0, { ...join, leave: true, proc: [1], failed: [2] })),
    JOIN: make((view) => encodeJoin(view, 0, { ...join, leave: false })),
    'JOIN that fails node 1': make((view) => encodeJoin(view, 0, { ...join, leave: false, failed: [1] })),
    'ORF token': make((view) => encodeOrfToken(view, 0, 2, token)),
    'commit token': make((view) => encodeCommitToken(view, 0, 2, commit)),
    MERGE_DETECT: make((view) => encodeMergeDetect(view, 0, merge)),
  };
}

/** Waits for the ring; restarts what does not find together again, and then returns false. */
async function ringAgain(lab: Lab, members: readonly LabNode[]): Promise<boolean> {
  const formed = await lab.waitRing(members).then(
    () => true,
    () => false,
  );
  if (formed) return true;
  for (const node of members) await node.killDaemon();
  for (const node of members) node.startDaemon();
  await lab.waitRing(members, 60_000);
  return false;
}

async function currentRing(node: LabNode): Promise<readonly [number, number]> {
  const [rep, seq] = ((await ringId(node)) ?? '').split('.');
  return [Number(rep), Number.parseInt(seq ?? '', 16)];
}

const foreign = async (node: LabNode): Promise<number> =>
  Number(await node.cmap('rondo.dropped.transport.foreign_sender', 'stats'));

for (const kind of ['ours', 'stock'] as const) {
  const kinds: readonly DaemonKind[] = [kind, kind, kind];
  t.test(`forged control frames: ${describe(kinds)}`, { skip: skipReason(kinds, kind === 'stock') }, async (t) => {
    const lab = await Lab.create({ transport: 'udpu', tokenMs: 1000 }, kinds);
    t.teardown(() => lab.close());
    const [victim, other, attacker] = [lab.node(1), lab.node(2), lab.node(3)];
    const members = [victim, other];
    for (const node of members) node.startDaemon();
    await lab.waitRing(members, 60_000);
    for (const from of FULL ? [attacker, other] : [attacker]) {
      for (const name of Object.keys(forgeries(1, 1))) {
        await ringAgain(lab, members);
        const [rep, seq] = await currentRing(victim);
        const before = memberships(victim);
        const refused = kind === 'ours' ? await foreign(victim) : 0;
        const payloads = [forgeries(rep, seq)[name]!];
        const sent = await spoof(attacker, { as: from, to: victim, rate: RATE, seconds: SECONDS, payloads });
        t.ok(sent > 5, `${sent} sent`);
        const formed = memberships(victim) - before;
        const whose = from === other ? 'of node 2' : 'of node 3';
        if (kind === 'ours' && from === attacker) {
          t.equal(formed, 0, `${name}, address ${whose}: no membership`);
          t.ok((await foreign(victim)) - refused >= sent / 2, 'counted as dropped');
        } else t.comment(`${name}, address ${whose}: ${formed} memberships`);
      }
    }
    const again = await ringAgain(lab, members);
    if (kind === 'ours') t.ok(again, 'the ring is there when it is over');
  });
}

/** In no ring, mixed ones included, does a frame come from another address than its sender's. */
for (const transport of ['udpu', 'knet'] as const) {
  const kinds: readonly DaemonKind[] = ['ours', 'stock'];
  const skip = skipReason(kinds, transport === 'knet');
  t.test(`${transport}: nothing is refused in peace: ${describe(kinds)}`, { skip }, async (t) => {
    const lab = await Lab.create({ transport, tokenMs: 1000 }, kinds);
    t.teardown(() => lab.close());
    const [ours, stock] = [lab.node(1), lab.node(2)];
    ours.startDaemon();
    for (const stop of ['stopDaemon', 'killDaemon'] as const) {
      stock.startDaemon();
      await lab.waitRing(lab.nodes, 60_000);
      await stock[stop]();
      await lab.waitRing([ours], 60_000);
    }
    t.equal(await foreign(ours), 0, 'tokens, JOINs, LEAVEs and merge detects of stock');
  });
}
