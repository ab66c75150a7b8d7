import t, { type Test } from 'tap';
import { describe, skipReason } from './lab/cases.ts';
import { type ClusterOptions, TOKEN_MS } from './lab/conf.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';
import { sleep } from './lab/process.ts';
import { COMBINATIONS } from './votes/combinations.ts';
import { Side, type View } from './votes/side.ts';
import { PROVIDER, type VoteStory } from './votes/steps.ts';
import { STORIES } from './votes/stories.ts';

/**
 * Votequorum side by side: two clusters, one of stock and one of ours, go through the same story. After every step every
 * node must show the same: quorate, votes, expected votes, quorum, flags, members, and the keys of the service; and the
 * tools must have answered the same.
 */
const OURS: DaemonKind = process.env['RONDO_LAB_KINDS'] === undefined ? 'ours' : 'stock';
const AGREE_MS = 15_000;

/** Both views, once they are equal or the time is over. */
async function compare(sides: readonly [Side, Side]): Promise<readonly [View, View]> {
  const end = Date.now() + AGREE_MS;
  for (;;) {
    const views = await Promise.all([sides[0].view(), sides[1].view()]);
    if (JSON.stringify(views[0]) === JSON.stringify(views[1]) || Date.now() > end) return views;
    await sleep(300);
  }
}

function optionsOf(story: VoteStory): ClusterOptions {
  return {
    transport: story.nodeList === false ? 'udp' : 'udpu',
    tokenMs: TOKEN_MS / 2,
    quorum: [PROVIDER, ...story.quorum],
    ...(story.node === undefined ? {} : { node: story.node }),
    ...(story.nodeList === undefined ? {} : { nodeList: story.nodeList }),
  };
}

async function tell(t: Test, story: VoteStory, kinds: readonly DaemonKind[]): Promise<void> {
  const options = optionsOf(story);
  const stockKinds = kinds.map((): DaemonKind => 'stock');
  const stock = new Side(await Lab.create(options, stockKinds));
  const ours = new Side(await Lab.create(options, kinds));
  const sides = [stock, ours] as const;
  try {
    for (const [name, act] of story.steps) {
      for (const side of sides) side.begin();
      await Promise.all(sides.map((side) => act(side)));
      await sleep(300);
      const [expected, actual] = await compare(sides);
      if (!t.same(actual, expected, name)) t.comment(ours.lab.logs(40));
    }
  } catch (error) {
    t.comment(`stock:\n${stock.lab.logs(40)}\nours:\n${ours.lab.logs(40)}`);
    throw error;
  } finally {
    await Promise.all(sides.map((side) => side.close()));
  }
}

function addStory(name: string, story: VoteStory, kinds: readonly DaemonKind[], rare: boolean | undefined): void {
  t.test(name, { skip: skipReason(kinds, rare, name) }, async (t) => {
    t.setTimeout(400_000);
    await tell(t, story, kinds);
  });
}

const ALL = [...STORIES, ...COMBINATIONS];
for (const story of ALL) {
  addStory(story.name, story, new Array<DaemonKind>(story.size).fill(OURS), story.rare);
}
if (process.env['RONDO_LAB_KINDS'] === undefined) {
  for (const story of ALL) {
    const kinds = Array.from({ length: story.size }, (_, at): DaemonKind => (at % 2 === 0 ? 'ours' : 'stock'));
    addStory(`${story.name}, ${describe(kinds)}`, story, kinds, true);
  }
}
