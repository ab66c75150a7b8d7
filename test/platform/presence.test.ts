import t from 'tap';
import { Presence, type PresenceChange } from '../../src/platform/index.ts';
import { createTestCluster } from '../../src/testing/index.ts';

t.setTimeout(60_000);

t.test('who is there, with attributes, through a cut, a change and a death', async (t) => {
  const cluster = await createTestCluster(3);
  const open = (id: number) =>
    Presence.open<{ role: string }>({ ...cluster.connectOptions(id), name: 'p', attributes: { role: `r${id}` } });
  const [a, b] = await cluster.run(Promise.all([open(1), open(2)]));
  const changes: PresenceChange<{ role: string }>[] = [];
  const watching = (async () => {
    for await (const change of b!.watch()) changes.push(change);
  })();
  const c = await cluster.run(open(3));
  await cluster.run(c.set({ role: 'other' }));
  const roles = (members: readonly { readonly nodeId: number; readonly attributes: { role: string } }[]): string[] =>
    members.map(({ nodeId, attributes }) => `${nodeId} ${attributes.role}`).sort();
  t.same(roles(await cluster.run(a!.read())), ['1 r1', '2 r2', '3 other']);
  await cluster.partition([3], [1, 2]);
  t.same(roles(await cluster.run(a!.read())), ['1 r1', '2 r2']);
  t.equal(c.members().length, 3, 'as before the cut');
  const late = c.set({ role: 'back' });
  await cluster.heal();
  await cluster.run(late);
  t.same(roles(await cluster.run(a!.read())), ['1 r1', '2 r2', '3 back']);
  await cluster.run(a!.close());
  t.same(roles(await cluster.run(c.read())), ['2 r2', '3 back']);
  await cluster.settle();
  const story = changes.map(({ type, member }) => `${type} ${member.nodeId} ${member.attributes.role}`);
  t.same(story.slice(0, 3), ['joined 3 r3', 'changed 3 other', 'left 3 other']);
  t.equal(story.at(-1), 'left 1 r1');
  t.equal(story.filter((text) => text.startsWith('joined 3')).length, 2);
  await t.rejects(c.set({ role: 'x'.repeat(70_000) }), { code: 'RONDO_ARGUMENT' });
  await cluster.run(Promise.all([b!.close(), c.close()]));
  await watching;
  await cluster.close();
});
