import t from 'tap';
import { FULL } from './lab/cases.ts';
import { packagedUnavailable } from './lab/packaged.ts';
import { pcsStory } from './lab/pcs-story.ts';

/** pcs and pcsd on hosts with our package, and on hosts with stock's: every command says the same. */
t.test(
  'pcs and pcsd on three hosts, from nothing to nothing',
  { skip: packagedUnavailable('pcs', 'pcsd', 'curl') },
  async (t) => {
    t.setTimeout(1_800_000);
    const [ours, stock] = await Promise.all([pcsStory('ours', FULL), pcsStory('stock', FULL)]);
    for (const [step, expected] of stock) t.same(ours.get(step), expected, step);
  },
);
