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
 * tools must have printed the same.
 */
const OURS: DaemonKind = process.env['RONDO_LAB_KINDS'] === undefined ? 'ours' : 'stock';
const AGREE_MS = 15_000;
const RUNS_MAX = 3;

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
    transport: 'udpu',
    tokenMs: TOKEN_MS / 2,
    quorum: [PROVIDER, ...story.quorum],
    ...(story.node === undefined ? {} : { node: story.node }),
  };
}

interface Outcome {
  readonly steps: readonly { readonly name: string; readonly expected: View; readonly actual: View }[];
  /** The ends of the logs, if there was a difference. */
  readonly logs: string;
  /** Daemons stalled for longer than they may: the membership changed by itself, on one side and not on the other. */
  readonly starved: boolean;
}

/** Goes through the story until its end, or until the first difference. */
async function run(story: VoteStory, kinds: readonly DaemonKind[]): Promise<Outcome> {
  const options = optionsOf(story);
  const stockKinds = kinds.map((): DaemonKind => 'stock');
  const sides = [new Side(await Lab.create(options, stockKinds)), new Side(await Lab.create(options, kinds))] as const;
  const [stock, ours] = sides;
  const logs = (): string => `stock:\n${stock.lab.logs(40)}\nours:\n${ours.lab.logs(40)}`;
  const starved = (): boolean => sides.some((side) => side.hasStarved());
  const steps: { name: string; expected: View; actual: View }[] = [];
  try {
    for (const [name, act] of story.steps) {
      for (const side of sides) side.begin();
      await Promise.all(sides.map((side) => act(side)));
      await sleep(300);
      const [expected, actual] = await compare(sides);
      steps.push({ name, expected, actual });
      if (JSON.stringify(actual) !== JSON.stringify(expected)) return { steps, logs: logs(), starved: starved() };
    }
    return { steps, logs: '', starved: false };
  } catch (error) {
    if (starved()) return { steps, logs: `${error}\n${logs()}`, starved: true };
    throw new Error(`${error instanceof Error ? error.message : error}\n${logs()}`);
  } finally {
    await Promise.all(sides.map((side) => side.close()));
  }
}

/** On a machine that lets daemons stall, a story is run again. */
async function play(t: Test, story: VoteStory, kinds: readonly DaemonKind[]): Promise<void> {
  let outcome = await run(story, kinds);
  for (let again = 1; outcome.starved && again < RUNS_MAX; again++) {
    t.comment(`step ${outcome.steps.length}: daemons stood still; told again`);
    outcome = await run(story, kinds);
  }
  const { steps, logs } = outcome;
  for (const { name, expected, actual } of steps) t.same(actual, expected, name);
  t.equal(steps.length, story.steps.length, 'run to its end');
  if (logs !== '') t.comment(logs);
}

function addStory(name: string, story: VoteStory, kinds: readonly DaemonKind[], rare: boolean | undefined): void {
  t.test(name, { skip: skipReason(kinds, rare, name) }, async (t) => {
    t.setTimeout(400_000);
    await play(t, story, kinds);
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
