import t, { type Test } from 'tap';
import { describe, FULL, skipReason } from './lab/cases.ts';
import { type ClusterOptions, TOKEN_MS } from './lab/conf.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';
import { sleep } from './lab/process.ts';
import { COMBINATIONS } from './votes/combinations.ts';
import { Side, type View } from './votes/side.ts';
import { PROVIDER, type VoteStory } from './votes/steps.ts';
import { STORIES } from './votes/stories.ts';

/**
 * Votequorum side by side: clusters of stock, of ours and (in the full programme) of both go through the same story. After
 * every step every node must show the same: quorate, votes, expected votes, quorum, flags, members, and the keys of the
 * service; and the tools must have printed the same.
 */
const AGREE_MS = 15_000;
const RUNS_MAX = 3;
const STORY_TOKEN_MS = TOKEN_MS / 2;

const sameAs = (one: View, other: View): boolean => JSON.stringify(one) === JSON.stringify(other);

/** The views of all sides, once they are equal or the time is over. */
async function compare(sides: readonly Side[]): Promise<readonly View[]> {
  const end = Date.now() + AGREE_MS;
  for (;;) {
    const views = await Promise.all(sides.map((side) => side.view()));
    if (views.every((view) => sameAs(view, views[0]!)) || Date.now() > end) return views;
    await sleep(300);
  }
}

function optionsOf(story: VoteStory, tokenMs: number): ClusterOptions {
  return {
    transport: 'udpu',
    tokenMs,
    quorum: [PROVIDER, ...story.quorum],
    ...(story.node === undefined ? {} : { node: story.node }),
  };
}

interface Outcome {
  /** What stock showed after each step, and what the others did. */
  readonly steps: readonly { readonly name: string; readonly expected: View; readonly actual: readonly View[] }[];
  /** The ends of the logs, if there was a difference. */
  readonly logs: string;
  /** Daemons stalled for longer than they may: the membership changed by itself, on one side and not on the other. */
  readonly starved: boolean;
}

/** Goes through the story until its end, or until the first difference; with a longer token, one cluster after the other. */
async function run(story: VoteStory, mixtures: readonly (readonly DaemonKind[])[], tokenMs: number): Promise<Outcome> {
  const options = optionsOf(story, tokenMs);
  const inTurn = tokenMs > STORY_TOKEN_MS;
  const all = [new Array<DaemonKind>(story.size).fill('stock'), ...mixtures];
  const sides: Side[] = [];
  const logs = (): string => sides.map(({ lab }, at) => `${describe(all[at]!)}:\n${lab.logs(40)}`).join('\n');
  const starved = (): boolean => sides.some((side) => side.hasStarved());
  const steps: { name: string; expected: View; actual: readonly View[] }[] = [];
  try {
    for (const kinds of all) sides.push(new Side(await Lab.create(options, kinds)));
    for (const [name, act] of story.steps) {
      for (const side of sides) side.begin();
      if (inTurn) for (const side of sides) await act(side);
      else await Promise.all(sides.map((side) => act(side)));
      await sleep(300);
      const [expected = {}, ...actual] = await compare(sides);
      steps.push({ name, expected, actual });
      if (!actual.every((view) => sameAs(view, expected))) return { steps, logs: logs(), starved: starved() };
    }
    return { steps, logs: '', starved: false };
  } catch (error) {
    if (starved()) return { steps, logs: `${error}\n${logs()}`, starved: true };
    throw new Error(`${error instanceof Error ? error.message : error}\n${logs()}`);
  } finally {
    await Promise.all(sides.map((side) => side.close()));
  }
}

/** On a machine that lets daemons stall, a story is run again, with a token that waits for them. */
async function play(t: Test, story: VoteStory, mixtures: readonly (readonly DaemonKind[])[]): Promise<void> {
  let tokenMs = STORY_TOKEN_MS;
  let outcome = await run(story, mixtures, tokenMs);
  for (let again = 1; outcome.starved && again < RUNS_MAX; again++) {
    tokenMs *= 2;
    t.comment(`step ${outcome.steps.length}: daemons stalled; again with a token timeout of ${tokenMs} ms`);
    outcome = await run(story, mixtures, tokenMs);
  }
  const { steps, logs } = outcome;
  for (const { name, expected, actual } of steps)
    for (const [at, view] of actual.entries()) t.same(view, expected, `${name}: ${describe(mixtures[at]!)}`);
  t.equal(steps.length, story.steps.length, 'run to its end');
  if (logs !== '') t.comment(logs);
}

const CHOSEN = process.env['RONDO_LAB_KINDS'] !== undefined;
const OURS: DaemonKind = CHOSEN ? 'stock' : 'ours';

for (const story of [...STORIES, ...COMBINATIONS]) {
  const { name, size, rare } = story;
  const alone = new Array<DaemonKind>(size).fill(OURS);
  const mixed = Array.from({ length: size }, (_, at): DaemonKind => (at % 2 === 0 ? 'ours' : 'stock'));
  t.test(name, { skip: skipReason(alone, rare, name) }, async (t) => {
    t.setTimeout(600_000);
    // One cluster of stock is enough for both.
    await play(t, story, FULL && !CHOSEN ? [alone, mixed] : [alone]);
  });
}
