import t from 'tap';
import { Group } from '../../src/totem/index.ts';
import { LoneNode } from './lone-node.ts';

/** Plays the loopback of a ring of one until nothing comes back any more; how many tokens went round. */
function turn(node: LoneNode): number {
  let tokens = 0;
  for (let frames = node.take(); frames.length > 0; frames = node.take()) {
    for (const { to, frame } of frames) {
      if (to !== 'all') tokens++;
      node.receive(frame);
    }
    if (tokens > 100) break;
  }
  return tokens;
}

t.test('a ring of one goes round a few times for a message, not seqno_unchanged_const times', async (t) => {
  const node = new LoneNode();
  node.groups.srp.interfaceChanged();
  turn(node);
  node.groups.synchronizationCompleted();
  t.equal(node.state.held, true, 'idle: it holds the token');
  for (let i = 0; i < 3; i++) {
    const delivered = node.delivered.length;
    node.groups.mcast(Group.SERVICES, new Uint8Array(64));
    node.groups.srp.wakeRing();
    const tokens = turn(node);
    t.equal(node.delivered.length, delivered + 1, 'delivered at once');
    t.ok(tokens <= 4, `${tokens} tokens`);
    t.equal(node.state.held, true);
    t.equal(node.state.released, node.state.high, 'and freed');
  }
});
