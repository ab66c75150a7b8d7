import t from 'tap';
import { messagePackCodec } from '../../src/client/index.ts';
import { Rpc, RpcError } from '../../src/platform/index.ts';
import { RunningCalls } from '../../src/platform/rpc/running-calls.ts';
import { createTestCluster, type TestCluster } from '../../src/testing/index.ts';

t.setTimeout(60_000);

interface Ask {
  readonly op: 'square' | 'throw' | 'hang' | 'who';
  readonly n: bigint;
}

/** Handlers that hang, and what became of them. */
const hanging: { readonly nodeId: number; readonly signal: AbortSignal }[] = [];

const openOn = (cluster: TestCluster, nodeId: number): Promise<Rpc<Ask, bigint>> =>
  Rpc.open<Ask, bigint>({
    ...cluster.connectOptions(nodeId),
    name: 'r',
    requestCodec: messagePackCodec<Ask & { readonly [key: string]: bigint | string }>() as never,
    replyCodec: { encode: (n) => Buffer.from(n.toString()), decode: (bytes) => BigInt(Buffer.from(bytes).toString()) },
    handle: async ({ op, n }, { signal }) => {
      if (op === 'throw') throw new RangeError(`not on node ${nodeId}`);
      if (op === 'who') return BigInt(nodeId);
      if (op === 'square') return BigInt(n) * BigInt(n);
      hanging.push({ nodeId, signal });
      return new Promise(() => {});
    },
  });

const three = async (cluster: TestCluster): Promise<[Rpc<Ask, bigint>, Rpc<Ask, bigint>, Rpc<Ask, bigint>]> => {
  const all = await cluster.run(Promise.all(cluster.nodeIds.map((id) => openOn(cluster, id))));
  await cluster.settle();
  return all as [Rpc<Ask, bigint>, Rpc<Ask, bigint>, Rpc<Ask, bigint>];
};

const member = (rpc: Rpc<Ask, bigint>, nodeId: number) => rpc.members().find((other) => other.nodeId === nodeId)!;

t.test('one, all, the first; errors have codes', async (t) => {
  const cluster = await createTestCluster(3);
  const [a, b, c] = await three(cluster);
  t.equal(await cluster.run(a.call(member(a, 3), { op: 'square', n: 2n ** 33n })), 2n ** 66n);
  t.equal(await cluster.run(a.call(member(a, 1), { op: 'who', n: 0n })), 1n, 'also itself');
  const all = await cluster.run(b.callAll({ op: 'who', n: 0n }));
  t.same(all.map((outcome) => outcome.ok && Number(outcome.value)).sort(), [1, 2, 3]);
  const others = await cluster.run(b.callAll({ op: 'who', n: 0n }, { self: false }));
  t.same(others.map((outcome) => outcome.ok && Number(outcome.value)).sort(), [1, 3]);
  t.ok([1n, 2n, 3n].includes(await cluster.run(c.first({ op: 'who', n: 0n }))));
  const failed = a.call(member(a, 2), { op: 'throw', n: 0n });
  await t.rejects(cluster.run(failed), { code: 'RONDO_RPC_FAILED', message: 'not on node 2' });
  t.ok((await failed.catch((error) => error)) instanceof RpcError);
  await t.rejects(cluster.run(a.first({ op: 'throw', n: 0n })), { code: 'RONDO_RPC_FAILED' });
  t.match(await cluster.run(a.callAll({ op: 'throw', n: 0n })), [{ ok: false }, { ok: false }, { ok: false }]);
  const nobody = a.call({ nodeId: 9, pid: 1 }, { op: 'who', n: 0n });
  await t.rejects(cluster.run(nobody), { code: 'RONDO_RPC_MEMBER_LEFT' });
  await cluster.run(Promise.all([a.close(), c.close()]));
  await cluster.settle();
  await t.rejects(cluster.run(b.first({ op: 'who', n: 0n }, { self: false })), { code: 'RONDO_RPC_NOBODY' });
  t.same(await cluster.run(b.callAll({ op: 'who', n: 0n }, { self: false })), []);
  await cluster.run(b.close());
  await t.rejects(b.call({ nodeId: 1, pid: 1 }, { op: 'who', n: 0n }), { code: 'RONDO_RPC_CLOSED' });
  await cluster.close();
});

t.test('time limits and signals reach the handler; a member that dies rejects; a lost connection, too', async (t) => {
  hanging.length = 0;
  const cluster = await createTestCluster(3, { seed: 2 });
  const [a, b, c] = await three(cluster);
  const late = a.call(member(a, 2), { op: 'hang', n: 0n }, { timeoutMs: 500 });
  await t.rejects(cluster.run(late), { code: 'RONDO_RPC_TIMEOUT' });
  await cluster.settle();
  t.ok(hanging[0]!.signal.aborted, 'its handler knows that nobody waits');
  const stop = new AbortController();
  const stopped = a.call(member(a, 2), { op: 'hang', n: 0n }, { signal: stop.signal });
  await cluster.settle();
  stop.abort(new Error('enough'));
  await t.rejects(stopped, /enough/);
  await cluster.settle();
  t.ok(hanging[1]!.signal.aborted);
  const forever = { timeoutMs: Number.POSITIVE_INFINITY };
  const dies = t.rejects(a.call(member(a, 3), { op: 'hang', n: 0n }, forever), { code: 'RONDO_RPC_MEMBER_LEFT' });
  const tooLate = b.callAll({ op: 'hang', n: 0n }, { timeoutMs: 60_000 });
  const asked = t.rejects(tooLate, { code: 'RONDO_RPC_TIMEOUT' }, 'its own handler hangs');
  await cluster.settle();
  const interrupted = t.rejects(c.call(member(c, 1), { op: 'hang', n: 0n }), { code: 'RONDO_RPC_INTERRUPTED' });
  await cluster.settle();
  const atThird = hanging.filter(({ nodeId }) => nodeId === 1).at(-1)!;
  await cluster.kill(3);
  await cluster.run(Promise.all([dies, interrupted]));
  t.ok(atThird.signal.aborted, 'its caller is gone');
  await cluster.restart(3);
  await cluster.advance(6000);
  t.equal(await cluster.run(a.call(member(a, 3), { op: 'square', n: 3n })), 9n, 'it is back by itself');
  await cluster.run(a.close());
  await cluster.run(asked);
  await cluster.run(Promise.all([b.close(), c.close()]));
  await cluster.close();
});

t.test('how many calls run at a time is bounded, of one caller and in all', async (t) => {
  const calls = new RunningCalls();
  const begin = (caller: string, count: number): number =>
    Array.from({ length: count }, (_, at) => calls.begin(caller, `${caller}/${at}`)).filter((made) => made !== null)
      .length;
  t.equal(begin('a', 600), 500);
  t.equal(begin('b', 600), 500);
  t.equal(begin('c', 1), 0);
  t.ok(calls.end('a/0'));
  t.notOk(calls.end('a/0'));
  t.equal(begin('c', 2), 1);
  calls.cancelAbsent((caller) => caller !== 'b', new Error('gone'));
  t.equal(begin('c', 400), 399);
});
