import t from 'tap';
import { Presence, type PresenceChange, type PresentMember } from '../../src/platform/index.ts';
import { campaign, FIRST, SEEDS } from './campaign.ts';
import { restOn } from './fault-dice.ts';

t.setTimeout(300_000);

type Attributes = { readonly node: number; readonly n: number };

t.test('presence: what was set is read by everybody who is told of it; a watch has every change', async (t) => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const problems: string[] = [];
    /** The last number whose `set` has resolved, and that was given to one, by node. */
    const done = new Map<number, number>();
    const asked = new Map<number, number>();
    const all = new Map<number, Presence<Attributes>>();
    const watched = new Map<number, Map<string, PresentMember<Attributes>>>();
    const watching: Promise<void>[] = [];
    let reads = 0;
    const watch = async (nodeId: number, presence: Presence<Attributes>): Promise<void> => {
      const seen = new Map(presence.members().map((member) => [member.life, member]));
      watched.set(nodeId, seen);
      const step = ({ type, member }: PresenceChange<Attributes>): void => {
        const has = seen.has(member.life);
        if (has !== (type !== 'joined')) problems.push(`${nodeId}: ${type} of one that is ${has ? '' : 'not '}there`);
        const before = seen.get(member.life)?.attributes.n ?? -1;
        if (type === 'changed' && member.attributes.n <= before) problems.push(`${nodeId}: back to an older value`);
        if (type === 'left') seen.delete(member.life);
        else seen.set(member.life, member);
      };
      for await (const change of presence.watch()) step(change);
    };
    const { cluster } = await campaign(seed, async ({ cluster, int }) => {
      const opened = cluster.nodeIds.map(async (nodeId) => {
        const attributes = { node: nodeId, n: 0 };
        all.set(nodeId, await Presence.open<Attributes>({ ...cluster.connectOptions(nodeId), name: 'p', attributes }));
      });
      await cluster.run(Promise.all(opened));
      await cluster.settle();
      for (const [nodeId, presence] of all) watching.push(watch(nodeId, presence));
      const limit = { timeoutMs: Number.POSITIVE_INFINITY };
      const set = async (nodeId: number, isOver: () => boolean): Promise<void> => {
        for (let n = 1; !isOver(); n++) {
          asked.set(nodeId, n);
          await all.get(nodeId)!.set({ node: nodeId, n }, limit);
          done.set(nodeId, n);
          await restOn(cluster, nodeId, int(150));
        }
      };
      const read = async (nodeId: number, isOver: () => boolean): Promise<void> => {
        while (!isOver()) {
          const before = new Map(done);
          const members = await all.get(nodeId)!.read(limit);
          reads++;
          const nodes = members.map(({ attributes }) => attributes.node);
          if (new Set(nodes).size < nodes.length) problems.push(`${nodeId} sees somebody twice`);
          for (const { attributes } of members) {
            const { node, n: value } = attributes;
            const [least = 0, most = 0] = [before.get(node), asked.get(node)];
            if (value < least) problems.push(`${nodeId} read ${value} of ${node}, which was ${least} already`);
            if (value > most) problems.push(`${nodeId} read ${value} of ${node}, which nobody set`);
          }
          await restOn(cluster, nodeId, int(150));
        }
      };
      return async (nodeId, isOver) => {
        await Promise.all([set(nodeId, isOver), read(nodeId, isOver)]);
      };
    });
    for (const [nodeId, presence] of all) {
      const members = await cluster.run(presence.read());
      const values = members.map(({ attributes }) => [attributes.node, attributes.n]).sort(([x], [y]) => x! - y!);
      t.same(
        values,
        [1, 2, 3].map((id) => [id, done.get(id) ?? 0]),
        `node ${nodeId} sees all, as they are`,
      );
      await cluster.settle();
      const followed = [...watched.get(nodeId)!.values()].map(({ life, attributes }) => `${life} ${attributes.n}`);
      t.same(
        followed.sort(),
        members.map(({ life, attributes }) => `${life} ${attributes.n}`).sort(),
        'so does its watch',
      );
    }
    await cluster.run(Promise.all([...all.values()].map((presence) => presence.close())));
    await Promise.all(watching);
    await cluster.close();
    t.same(problems, [], `seed ${seed}: ${reads} reads`);
    t.ok(reads > 10);
  }
});
