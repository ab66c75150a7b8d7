import t from 'tap';
import { describe, mixtures, skipReason } from './lab/cases.ts';
import { settle } from './lab/load.ts';
import { sleep } from './lab/process.ts';
import { firstDifference, sinceConfiguration } from './lab/records.ts';
import { Story } from './scenarios/story.ts';

/**
 * A node joins while one of ours has sent a part of a large message: it gets the whole of it, be it stock or ours, and
 * the old members get it once (src/totem/half-sent.ts). A sender of stock's does not reach that: `RONDO_LAB_KINDS=
 * stock,stock,stock` shows it.
 */
const RUNS = 3;
const MESSAGES = 60;

for (const kinds of mixtures([['ours', 'stock', 'stock']])) {
  t.test(`nodes join in the middle of a message, ${describe(kinds)}`, { skip: skipReason(kinds) }, async (t) => {
    const story = await Story.begin(t, { transport: 'udpu', tokenMs: 1000 }, kinds);
    await story.play(async ({ lab }) => {
      await story.joinAll();
      const { members } = story;
      const [sender] = members;
      const newcomer = lab.node(3);
      for (let run = 0; run < RUNS; run++) {
        await newcomer.cut();
        await lab.waitRing([lab.node(1), lab.node(2)]);
        await lab.waitRing([newcomer]);
        sender!.send(MESSAGES, 500_000, 1_000_000, run + 1);
        await sleep(150);
        await newcomer.heal();
        await lab.waitRing(lab.nodes);
        await settle(members.slice(0, 2));
        await settle(members.slice(2));
        const addresses = members.map(({ address }) => address);
        const views = members.map((member) => sinceConfiguration(member.record(), addresses).lines);
        const seen = views.map((lines) => lines.filter((line) => line.startsWith('M ') || line.startsWith('C ')));
        t.ok(seen[0]!.length > 1, `${seen[0]!.length - 1} messages after the merge`);
        for (const other of seen.slice(1)) t.equal(firstDifference(seen[0]!, other, false), null);
      }
    });
  });
}
