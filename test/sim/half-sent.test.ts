import t from 'tap';
import type { SimNode } from './sim-node.ts';
import { World } from './world.ts';

t.setTimeout(600_000); // the machine may be busy

/**
 * A node joins while a member has sent a part of a message (half-sent.ts): the message, and the leave of a process behind
 * it, reach everybody. What is delivered to whom the checker knows; here the moment is made sure of.
 */
const SEEDS = 25;
const MESSAGES = 30;

function run(seed: number): { readonly violations: readonly string[]; readonly halfSent: boolean; sentAgain: number } {
  let sentAgain = 0;
  const spoil = (node: SimNode) => {
    const halfSent = node.groups['halfSent'];
    const sendAgain = halfSent.sendAgain.bind(halfSent);
    halfSent.sendAgain = (queue, begun) => {
      const again = sendAgain(queue, begun);
      if (again) sentAgain++;
      return again;
    };
  };
  const world = new World(seed, { nodes: 3, faults: false, spoil });
  world.network.partition([[0, 1], [2]]);
  for (let index = 0; index < 3; index++) world.startNode(index);
  world.runFor(10 * world.timings.tokenMs);
  const [sender] = world.nodes as readonly SimNode[];
  for (let i = 0; i < 8; i++) sender!.cpgAct();
  world.runFor(world.timings.tokenMs);
  // From now on there is always a message under way when the two rings meet.
  world.network.heal();
  const { state } = sender!.groups.srp;
  const begun = () => state.newQueue.headContinues && state.state !== 'operational';
  for (let i = 0; i < MESSAGES && !begun(); i++) {
    sender!.send(25_000);
    sender!.cpgAct();
    world.runWhile(world.timings.tokenMs / 10, begun);
  }
  const halfSent = begun();
  world.settle();
  return { violations: world.finish().violations, halfSent, sentAgain };
}

t.test('who joins in the middle of a message gets the whole of it', async (t) => {
  let halfSent = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = run(seed);
    t.same(result.violations, [], `seed ${seed}`);
    if (result.halfSent) halfSent++;
    if (result.halfSent) t.ok(result.sentAgain > 0, 'its beginning was sent again');
  }
  t.ok(halfSent > SEEDS / 3, `${halfSent} of ${SEEDS} runs had a message half sent when the nodes met`);
});
