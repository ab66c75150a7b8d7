import t from 'tap';
import { describe, FULL, mixtures, skipReason } from './lab/cases.ts';
import { type ClusterOptions, TOKEN_MS } from './lab/conf.ts';
import type { DaemonKind } from './lab/node.ts';
import { Story } from './scenarios/story.ts';

/**
 * Rings of ours and stock over the unencrypted transports: thousands of messages in one order, and a node that is
 * killed, stopped, frozen and comes back, with and without loss on the network.
 */
interface Case {
  readonly options: ClusterOptions;
  readonly kinds: readonly DaemonKind[];
  /** Share of the datagrams that get lost on every node. */
  readonly loss?: number;
  readonly rare?: boolean;
}

const ALL: readonly (readonly DaemonKind[])[] = mixtures([
  ['ours', 'stock', 'stock'],
  ['ours', 'ours', 'stock'],
  ['ours', 'ours', 'ours'],
]);

const cases: readonly Case[] = ALL.flatMap((kinds, at) => [
  { options: { transport: 'udpu' as const }, kinds, rare: at !== 0 },
  { options: { transport: 'udpu' as const }, kinds, loss: 0.02, rare: at !== 1 },
  { options: { transport: 'udp' as const }, kinds, rare: at !== 2 },
  { options: { transport: 'udp' as const }, kinds, loss: 0.02, rare: true },
]);

for (const { options, kinds, loss, rare } of cases) {
  const name = `${options.transport}, ${describe(kinds)}${loss ? `, ${loss * 100} % loss` : ''}`;
  t.test(name, { skip: skipReason(kinds, rare, name) }, async (t) => {
    const story = await Story.begin(t, options, kinds);
    await story.play(async ({ lab }) => {
      if (loss) for (const node of lab.nodes) await node.cut({ share: loss, direction: 'in' });
      await story.joinAll();
      story.send(loss ? 150 : rare ? 250 : 1000);
      await story.settleAndCompare('all together');
      story.compareWithSent('all together');
      const victim = lab.node(1);
      await story.lose('killed', victim, () => victim.killDaemon());
      if (loss && !FULL) return; // messages take their time then; the other two ends are those without loss
      await story.lose('stopped', victim, async () => t.equal(await victim.stopDaemon(), 0, 'exit status of SIGTERM'));
      await story.freeze('frozen', victim, 2.2 * TOKEN_MS + 1500);
    });
  });
}
