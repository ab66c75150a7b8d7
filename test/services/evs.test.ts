import t from 'tap';
import type { OpenChannel } from '../../src/client/channel.ts';
import { Evs, type EvsEventRecord } from '../../src/client/evs.ts';
import {
  decodeGroups,
  EVS_GROUPS_MAX,
  EVS_JOIN,
  EVS_MCAST,
  EVS_SERVICE_ID,
  encodeGroups,
} from '../../src/services/codec/evs.ts';
import { createEngine } from '../../src/services/evs/engine.ts';
import { over } from '../client/fake-channel.ts';
import { configured, type FakeConnection, FakeNode } from './fake-node.ts';
import { FakeRing } from './fake-ring.ts';

/** The real client library over the fake ring. */
async function cluster(size: number, seed = 1) {
  const ring = new FakeRing(seed);
  for (let nodeId = 1; nodeId <= size; nodeId++) {
    const node = new FakeNode({ nodeId, clock: ring.clock, cmap: configured({}), full: ring.full });
    await node.load(createEngine());
    ring.add(node);
  }
  ring.partition([...ring.nodes.keys()]);
  ring.settle();
  return ring;
}

async function connect(ring: FakeRing, nodeId: number): Promise<{ evs: Evs; pump: () => void }> {
  let connection: FakeConnection | null = null;
  let toClient: (event: Uint8Array) => void = () => {};
  const pump = (): void => {
    for (const event of connection?.takeEvents() ?? []) toClient(event);
  };
  const open: OpenChannel = async (_service, _options, handler) => {
    const opened = ring.nodes.get(nodeId)!.connect(EVS_SERVICE_ID);
    connection = opened;
    toClient = handler.event;
    return {
      call: async (request) => {
        const response = opened.call(request);
        pump();
        if (response === undefined) throw new Error('no answer');
        return response;
      },
      tryPost: () => false,
      pauseEvents: () => {},
      resumeEvents: () => {},
      close: () => opened.close(),
    };
  };
  const evs = await Evs.connect(over(open));
  return { evs, pump };
}

async function take(evs: Evs, count: number): Promise<EvsEventRecord[]> {
  const events: EvsEventRecord[] = [];
  const iterator = evs.events();
  while (events.length < count) events.push((await iterator.next()).value as EvsEventRecord);
  return events;
}

const text = (event: EvsEventRecord): string =>
  event.type === 'message' ? Buffer.from(event.data).toString() : `${event.type} ${event.members.join()}`;

t.test('groups and configurations in one order', async (t) => {
  const ring = await cluster(3);
  const [one, two] = [await connect(ring, 1), await connect(ring, 2)];
  await one.evs.join(['a', 'b']);
  await two.evs.join('b');
  t.match(await one.evs.membership(), { nodeId: 1, members: [1, 2, 3] });
  await one.evs.send('to both');
  await two.evs.send('only a', ['a']);
  await two.evs.send('nobody', ['c']);
  ring.settle();
  one.pump();
  two.pump();
  t.same((await take(one.evs, 3)).map(text), ['regular 1,2,3', 'to both', 'only a']);
  t.same((await take(two.evs, 2)).map(text), ['regular 1,2,3', 'to both']);
  await t.rejects(two.evs.leave('a'), { message: /NOT_EXIST/ });
  await two.evs.leave('b');
  await t.rejects(two.evs.send('to whom'), { message: /NOT_EXIST/ });
  await t.rejects(one.evs.join('x'.repeat(300)), { message: /255 bytes/ });

  ring.kill(3);
  ring.partition([1, 2]);
  ring.settle();
  one.pump();
  const [transitional, regular] = await take(one.evs, 2);
  t.match(transitional, { type: 'transitional', members: [1, 2], left: [3] });
  t.match(regular, { type: 'regular', members: [1, 2], joined: [] });
  one.evs.close();
});

t.test('a connection has as many groups as a message can name', async (t) => {
  const ring = await cluster(1);
  const { evs, pump } = await connect(ring, 1);
  const groups = Array.from({ length: EVS_GROUPS_MAX }, (_, at) => `group ${at}`);
  await evs.join(groups.slice(1));
  await t.rejects(evs.join(['one', 'two']), { message: /TOO_MANY_GROUPS/ });
  await evs.join(groups); // what it has already counts once
  await t.rejects(evs.join('one more'), { message: /TOO_MANY_GROUPS/ });
  await evs.send('to all that it has joined');
  ring.settle();
  pump();
  t.same((await take(evs, 2)).map(text), ['regular 1', 'to all that it has joined']);
});

t.test('who goes on together sees the same', async (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const ring = await cluster(4, seed);
    const clients = await Promise.all([1, 2, 3, 4].map((nodeId) => connect(ring, nodeId)));
    for (const { evs } of clients) await evs.join('g');
    for (let round = 0; round < 3; round++) {
      for (const [at, { evs }] of clients.entries()) await evs.send(`${seed}.${round}.${at}`).catch(() => {});
      ring.wander(Math.floor(ring.chance() * 20));
      ring.partition([1, 2], [3, 4]);
      ring.settle();
      ring.partition([1, 2, 3, 4]);
      ring.settle();
    }
    const seen: string[][] = [];
    for (const { evs, pump } of clients) {
      pump();
      const events: string[] = [];
      evs.close();
      // Where exactly among the last messages of a ring the transitional configuration comes may differ.
      for await (const event of evs.events()) if (event.type !== 'transitional') events.push(text(event));
      seen.push(events);
    }
    t.same(seen[0], seen[1], `seed ${seed}: 1 and 2`);
    t.same(seen[2], seen[3], `seed ${seed}: 3 and 4`);
  }
});

t.test('hostile requests', async (t) => {
  const ring = await cluster(1);
  const client = ring.nodes.get(1)!.connect(EVS_SERVICE_ID);
  t.equal(client.status(EVS_JOIN.message({ groupCount: 0xffff_ffff })), 7);
  t.equal(client.status(EVS_JOIN.message({ groupCount: 2 }, encodeGroups(['a']))), 7);
  t.equal(client.status(EVS_MCAST.message({ groupCount: 1 }, Uint8Array.of(255, 255, 255, 255))), 7);
  t.same(decodeGroups(encodeGroups(['ä', '']), 0, 2), { groups: ['ä', ''], end: 10 });
  t.same(ring.nodes.get(1)!.failures, []);
});
