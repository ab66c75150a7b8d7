import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import t from 'tap';
import { ConnectionError, messagePackCodec, textCodec } from '../../src/client/index.ts';
import { type GroupEvent, ProcessGroup } from '../../src/platform/index.ts';
import { createTestCluster } from '../../src/testing/index.ts';

t.setTimeout(60_000);

async function take<T>(group: ProcessGroup<T>, count: number, wanted: GroupEvent<T>['type']): Promise<GroupEvent<T>[]> {
  const found: GroupEvent<T>[] = [];
  for await (const event of group.events()) {
    if (event.type === wanted && found.push(event) === count) break;
  }
  return found;
}

t.test('values, their places, and those that are none', async (t) => {
  const cluster = await createTestCluster(2, { settings: { 'quorum.two_node': true } });
  const codec = messagePackCodec<{ n: bigint; bytes: Uint8Array }>();
  const a = await cluster.run(ProcessGroup.open({ ...cluster.connectOptions(1), name: 'g', codec, quorum: true }));
  const b = await cluster.run(ProcessGroup.open<string>({ ...cluster.connectOptions(2), name: 'g', codec: textCodec }));
  t.match(await cluster.run(take(a, 1, 'quorum')), [{ quorate: true }]);
  await cluster.settle();
  const value = { n: 2n ** 60n, bytes: new Uint8Array([1, 2]) };
  t.match(await cluster.run(a.send(value, { confirm: 'delivered' })), { index: 0 });
  t.strictSame(await cluster.run(take(a, 1, 'message')), [
    { type: 'message', from: { nodeId: 1, pid: process.pid }, value },
  ]);
  await cluster.run(b.send('not MessagePack'));
  t.match(await cluster.run(take(a, 1, 'undecodable')), [
    { from: { nodeId: 2 }, data: Buffer.from('not MessagePack') },
  ]);
  await cluster.run(a.close());
  t.equal(await a.ended, null);
  await t.rejects(a.send(value), { code: 'RONDO_CLOSED' });
  t.strictSame(await a.events().next(), { done: true, value: undefined });
  await cluster.run(b.close());
  await cluster.close();
});

t.test('a lost connection is a gap, and made again; sends wait for it', async (t) => {
  const cluster = await createTestCluster(3);
  const reconnecting = { ...cluster.connectOptions(1), reconnect: true }; // of single connections: no concern of a group's
  const a = await cluster.run(ProcessGroup.open<number>({ ...reconnecting, name: 'g' }));
  const b = await cluster.run(ProcessGroup.open<number>({ ...cluster.connectOptions(2), name: 'g' }));
  await cluster.run(b.send(1));
  t.match(await cluster.run(take(a, 1, 'message')), [{ value: 1 }]);
  await cluster.kill(1);
  t.match(await cluster.run(take(a, 1, 'gap')), [{ reason: { code: 'RONDO_DISCONNECTED' } }]);
  t.notOk(a.isConnected);
  await cluster.run(b.send(2));
  await t.rejects(cluster.run(a.send(3, { timeoutMs: 500 })), { code: 'RONDO_TIMEOUT' });
  const stop = new AbortController();
  const stopped = a.send(4, { signal: stop.signal });
  stop.abort(new Error('enough'));
  await t.rejects(stopped, /enough/);
  const waiting = a.send(5, { confirm: 'delivered' });
  await cluster.restart(1);
  t.match(await cluster.run(waiting), { index: 0 });
  t.match(await cluster.run(take(a, 1, 'members')), [{ members: { length: 2 } }]);
  t.match(await cluster.run(take(a, 1, 'message')), [{ value: 5 }], 'nothing of what was missed');
  t.match(await cluster.run(take(b, 3, 'message')), [{ value: 1 }, { value: 2 }, { value: 5 }]);
  await cluster.run(Promise.all([a.close(), b.close()]));
  await cluster.close();
});

t.test('without reconnection its end is the end; a slow reader holds the connection', async (t) => {
  const cluster = await createTestCluster(2);
  const a = await cluster.run(
    ProcessGroup.open<number>({ ...cluster.connectOptions(1), name: 'g', backoff: null, queueEvents: 10 }),
  );
  const b = await cluster.run(ProcessGroup.open<number>({ ...cluster.connectOptions(2), name: 'g' }));
  for (let i = 0; i < 100; i++) await cluster.run(b.send(i));
  const events = await cluster.run(take(a, 100, 'message'));
  t.same(
    events.map((event) => event.type === 'message' && event.value),
    Array.from({ length: 100 }, (_, i) => i),
  );
  await cluster.kill(1);
  t.ok((await cluster.run(a.ended)) instanceof ConnectionError);
  await t.rejects(a.send(1), { code: 'RONDO_CLOSED' });
  await t.rejects(take(a, 1, 'message'), { code: 'RONDO_DISCONNECTED' });
  await t.rejects(ProcessGroup.open({ ...cluster.connectOptions(2), name: 'g' }), { code: 'RONDO_CS_EXIST' });
  await cluster.run(b.close());
  await cluster.close();
});

t.test('closing while a connection is made again ends at once', async (t) => {
  for (const during of ['quorum', 'cpg']) {
    const cluster = await createTestCluster(1);
    const a = await cluster.run(ProcessGroup.open<number>({ ...cluster.connectOptions(1), name: 'g', quorum: true }));
    await cluster.kill(1);
    await cluster.run(take(a, 1, 'gap'));
    let closing: Promise<void> | null = null;
    const close = (message: unknown): void => {
      if ((message as { readonly service: string }).service === during) closing ??= a.close();
    };
    subscribe('rondo:connect', close);
    await cluster.restart(1);
    await cluster.advance(1000);
    unsubscribe('rondo:connect', close);
    t.ok(closing, 'it was being made');
    await cluster.run(closing ?? Promise.resolve());
    t.notOk(a.isConnected, during);
    await cluster.close();
  }
});
