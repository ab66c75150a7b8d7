import t from 'tap';
import { Presence, type PresenceChange, type PresentMember, Rpc, type RpcOutcome } from '../../src/platform/index.ts';
import { createTestCluster, type TestCluster } from '../../src/testing/index.ts';
import { seeded } from '../services/fake-clock.ts';
import { restOn, throwFault, wakeAll } from './fault-dice.ts';

t.setTimeout(300_000);

/** What has no test of its kind elsewhere: a simulated cluster with faults by seeds (`CHECK_FIRST`, `CHECK_SEEDS`), and rules that hold all the time. */
const FIRST = Number(process.env['CHECK_FIRST'] ?? 1);
const SEEDS = Number(process.env['CHECK_SEEDS'] ?? 4);
const ACTS = 8;

interface Field {
  readonly cluster: TestCluster;
  readonly int: (below: number) => number;
}

/** Faults while `work` goes on at each node, until `isOver()`; then the cluster is whole. */
async function campaign(
  seed: number,
  open: (field: Field) => Promise<(nodeId: number, isOver: () => boolean) => Promise<void>>,
): Promise<Field> {
  const random = seeded(seed * 7919);
  const field: Field = {
    cluster: await createTestCluster(3, { seed }),
    int: (below) => Math.floor(random() * below),
  };
  const { cluster, int } = field;
  const work = await open(field);
  let over = false;
  const working = cluster.nodeIds.map((nodeId) => work(nodeId, () => over));
  const paused = new Set<string>();
  for (let act = 0; act < ACTS; act++) {
    await throwFault(cluster, int, paused);
    await cluster.advance(int(3000));
  }
  await wakeAll(cluster, paused);
  await cluster.heal();
  await cluster.advance(3000);
  over = true;
  await cluster.run(Promise.all(working));
  return field;
}

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

t.test('calls: each is carried out at most once at a member, in one order, and what is told of it is so', async (t) => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const problems: string[] = [];
    const all = new Map<number, Rpc<number, string>>();
    /** Calls in the order in which a member carried them out. */
    const carriedOut = new Map<number, number[]>();
    const reported: { readonly call: number; readonly nodeId: number }[] = [];
    let lastCall = 0;
    let failures = 0;
    const note = (call: number, value: string): void => {
      const [nodeId, seen] = value.split(' ').map(Number);
      if (seen !== call) problems.push(`the reply to ${seen} came for ${call}`);
      reported.push({ call, nodeId: nodeId! });
    };
    const { cluster } = await campaign(seed, async ({ cluster, int }) => {
      for (const nodeId of cluster.nodeIds) {
        const list: number[] = [];
        carriedOut.set(nodeId, list);
        const handle = async (call: number): Promise<string> => {
          list.push(call);
          if (call % 3 === 0) await restOn(cluster, nodeId, call % 50);
          return `${nodeId} ${call}`;
        };
        const options = { ...cluster.connectOptions(nodeId), name: 'r', handle };
        all.set(nodeId, await cluster.run(Rpc.open<number, string>(options)));
      }
      await cluster.settle();
      return async (nodeId, isOver) => {
        const rpc = all.get(nodeId)!;
        while (!isOver()) {
          const call = ++lastCall;
          const limit = { timeoutMs: 200 + int(2000) };
          try {
            const dice = int(3);
            const members = rpc.members();
            if (dice === 0 && members.length > 0)
              note(call, await rpc.call(members[int(members.length)]!, call, limit));
            else if (dice === 1) note(call, await rpc.first(call, limit));
            else {
              const outcomes: readonly RpcOutcome<string>[] = await rpc.callAll(call, limit);
              const nodes = outcomes.map(({ member }) => member.nodeId);
              if (new Set(nodes).size < nodes.length) problems.push(`${call}: one member twice`);
              for (const outcome of outcomes) if (outcome.ok) note(call, outcome.value);
            }
          } catch {
            failures++;
          }
          await restOn(cluster, nodeId, int(100));
        }
      };
    });
    for (const [nodeId, list] of carriedOut) {
      const once = new Set(list);
      if (once.size < list.length) problems.push(`node ${nodeId} carried a call out twice`);
      for (const [other, others] of carriedOut) {
        if (other <= nodeId) continue;
        const common = new Set(others.filter((call) => once.has(call)));
        const [mine, theirs] = [list, others].map((calls) => calls.filter((call) => common.has(call)));
        if (mine!.join() !== theirs!.join()) problems.push(`nodes ${nodeId} and ${other} have different orders`);
      }
    }
    for (const { call, nodeId } of reported)
      if (!carriedOut.get(nodeId)!.includes(call)) problems.push(`${call} was not carried out on ${nodeId}`);
    for (const rpc of all.values()) {
      const outcomes = await cluster.run(rpc.callAll(++lastCall));
      t.same(
        outcomes.map(({ ok, member }) => [ok, member.nodeId]).sort(),
        [1, 2, 3].map((id) => [true, id]),
        'all reply again',
      );
    }
    await cluster.run(Promise.all([...all.values()].map((rpc) => rpc.close())));
    await cluster.close();
    t.same(problems, [], `seed ${seed}: ${lastCall} calls, ${failures} failed`);
    t.ok(reported.length > 30);
  }
});
