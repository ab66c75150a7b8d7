import t from 'tap';
import { asScenario, shrink } from './shrink.ts';
import type { SimNode } from './sim-node.ts';
import { World } from './world.ts';

t.setTimeout(600_000); // the machine may be busy

/** A bug that needs a fault: who comes back from a pause forgets that its ring has another id than its last one had. */
const plant = (node: SimNode): void => {
  const { state } = node.groups.srp;
  const { report } = state.observer;
  state.observer.report = (event) => {
    if (event.kind === 'operational' && event.lost.length > 0)
      state.membership.memb = [...event.members, ...event.lost];
    report(event);
  };
};

t.test('a failing seed becomes a shorter story that fails, too', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const options = { spoil: plant, nodes: 4, witnesses: false };
    const whole = new World(seed, options).run();
    if (whole.violations.length === 0 || whole.faults.length < 3) continue;
    const story = shrink(seed, options, 20_000);
    t.ok(story.report.violations.length > 0, `seed ${seed} still fails`);
    t.ok(
      story.report.faults.length < whole.faults.length,
      `${whole.faults.length} faults, then ${story.report.faults.length}`,
    );
    const again = new World(seed, { ...story.options, skip: new Set(story.skip) }).run();
    t.same(again.violations, story.report.violations, 'and every time in the same way');
    const text = asScenario(story, [1, 2, 3, 4]);
    t.match(text, /^boot 1 2 3 4$/m);
    t.match(text, /^status 1 2 3 4$/m);
    return;
  }
  t.fail('the bug was not found');
});
