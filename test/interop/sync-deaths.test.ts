import t from 'tap';
import { describe, FULL, mixtures, skipReason } from './lab/cases.ts';
import { compareSequences, LoadMember, settle } from './lab/load.ts';
import type { LabNode } from './lab/node.ts';
import { sleep, until } from './lab/process.ts';
import { Story } from './scenarios/story.ts';

/**
 * A node with process group members comes back from a partition and dies at some moment of the merge: while the ring
 * forms, in a phase of sync, in the middle of its join list. The others must get over it: no member that is not there,
 * no standstill. `RONDO_LAB_RUNS` sets how often.
 */
const RUNS = Number(process.env['RONDO_LAB_RUNS'] ?? (FULL ? 24 : 8));
/** From the healing of the network until well after the end of the merge. */
const MERGE_MS = 450;

/** Nodes that have members of process groups, as a node's daemon reports to stock's tool. */
async function nodesWithMembers(node: LabNode): Promise<string> {
  const { stdout } = await node.tool('corosync-cpgtool', '-d', ',');
  const ids = stdout
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => Number(line.split(',')[2]));
  return [...new Set(ids)].sort((a, b) => a - b).join(' ');
}

for (const kinds of mixtures([['ours', 'ours', 'stock']])) {
  t.test(`${RUNS} deaths during a merge, ${describe(kinds)}`, { skip: skipReason(kinds) }, async (t) => {
    const story = await Story.begin(t, { transport: 'udpu', tokenMs: 700 }, kinds);
    t.setTimeout(60_000 + RUNS * 30_000);
    await story.play(async ({ lab }) => {
      await story.joinAll();
      const victim = lab.node(3);
      const survivors = [lab.node(1), lab.node(2)];
      const kept = story.members.slice(0, 2);
      for (let run = 0; run < RUNS; run++) {
        if (run > 0) {
          victim.startDaemon();
          await lab.waitRing(lab.nodes);
        }
        // Many members make a long join list.
        const guests = await Promise.all(['load', 'b', 'c', 'd', 'e'].map((group) => LoadMember.join(victim, group)));
        await victim.cut();
        await lab.waitRing(survivors);
        await lab.waitRing([victim]);
        for (const member of kept) member.mark();
        await victim.heal();
        const delayMs = Math.round((MERGE_MS * (run + 0.5)) / RUNS);
        await sleep(delayMs);
        await victim.killDaemon();
        await lab.waitRing(survivors, 20_000);
        for (const node of survivors) {
          await until(
            `run ${run}, ${delayMs} ms: no ghosts on ${node.plan.name}`,
            async () => ((await nodesWithMembers(node)) === '1 2' ? true : null),
            10_000,
          );
        }
        for (const [at, member] of kept.entries()) member.send(10, 1, 20_000, run * 2 + at);
        await settle(kept);
        const complaints = compareSequences(kept);
        t.same(complaints, [], `killed after ${delayMs} ms`);
        await Promise.all(guests.map((guest) => guest.process.stop('SIGKILL')));
        if (complaints.length > 0) return;
      }
    });
  });
}
