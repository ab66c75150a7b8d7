import t from 'tap';
import { describe, mixtures, skipReason } from './lab/cases.ts';
import type { DaemonKind } from './lab/node.ts';
import { ALL_VARIANTS, ringTest, type VariantName } from './scenarios/knet-variant.ts';
import { Story } from './scenarios/story.ts';

/**
 * Rings with a newer release of stock (another libknet) than the one that this system has. Needs RONDO_NEWER_STOCK, see
 * scripts/newer-stock.sh.
 */
const BRIEF: readonly (readonly VariantName[])[] = [['two links, rr, aes192 sha384'], [], ['aes256 sha256']];

const MIXTURES: readonly (readonly DaemonKind[])[] = mixtures([
  ['ours', 'newer', 'newer'],
  ['ours', 'ours', 'newer'],
  ['ours', 'stock', 'newer'],
]);

for (const [at, kinds] of MIXTURES.entries()) {
  for (const name of ALL_VARIANTS) ringTest(name, kinds, !BRIEF[at]?.includes(name));
  t.test(`udpu, ${describe(kinds)}`, { skip: skipReason(kinds, true) }, async (t) => {
    const story = await Story.begin(t, { transport: 'udpu' }, kinds);
    await story.play(async ({ lab }) => {
      await story.joinAll();
      story.send(400);
      await story.settleAndCompare('all together');
      story.compareWithSent('all together');
      await story.lose('stopped', lab.nodes.at(-1)!, () => lab.nodes.at(-1)!.stopDaemon());
    });
  });
}
