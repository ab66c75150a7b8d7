import t from 'tap';
import { Cpg, type CpgMessageEvent } from '../../src/client/index.ts';
import { createTestCluster } from '../../src/testing/index.ts';

t.test('messages as they lie in the ring, at once and in order; everything else as events', async (t) => {
  const cluster = await createTestCluster(2);
  const order: string[] = [];
  const views: Uint8Array[] = [];
  const onMessage = ({ nodeId, data }: CpgMessageEvent): void => {
    order.push(`${nodeId} ${Buffer.from(data)}`);
    views.push(data);
  };
  const a = await Cpg.connect({ ...cluster.connectOptions(1), onMessage });
  const b = await Cpg.connect(cluster.connectOptions(2));
  await a.join('g');
  await cluster.settle();
  await b.join('g');
  await cluster.settle();
  await b.send('one');
  await a.send('two', { confirm: 'delivered' });
  await b.send('three', { confirm: 'delivered' });
  await cluster.settle();
  t.same([...order].sort(), ['1 two', '2 one', '2 three']);
  t.ok(order.indexOf('2 one') < order.indexOf('2 three'));
  t.ok(
    views.every(({ buffer, byteLength }) => buffer.byteLength > byteLength),
    'not copied',
  );
  const types: string[] = [];
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 20);
  for await (const { type } of a.events({ signal: stop.signal })) types.push(type);
  t.same(types, ['membership', 'membership']);
  await b.close();
  const failing = await Cpg.connect({
    ...cluster.connectOptions(2),
    onMessage: () => {
      throw new RangeError('no');
    },
  });
  await failing.join('h');
  await failing.send('x');
  t.match(await failing.ended, { cause: { message: 'no' } });
  await a.close();
  await cluster.close();
});
