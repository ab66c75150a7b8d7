import t from 'tap';
import { Cpg, type CpgEvent } from '../../src/client/index.ts';
import { LentMemory } from '../../src/client/lent-memory.ts';
import { createTestCluster } from '../../src/testing/index.ts';

const message = (data: Uint8Array): CpgEvent => ({ type: 'message', group: 'g', nodeId: 1, pid: 2, data });

async function* events(list: readonly CpgEvent[]): AsyncGenerator<CpgEvent, undefined> {
  yield* list;
}

t.test('the memory of a message is used again when the next event is asked for, not before', async (t) => {
  const memory = new LentMemory();
  const source = new Uint8Array(1000).fill(1);
  const kept = [memory.copy(source), memory.copy(source)];
  t.not(kept[0]!.buffer, kept[1]!.buffer, 'both are in use');
  t.not(kept[0]!.buffer, source.buffer);
  const loop = memory.lending(events(kept.map(message)));
  await loop.next();
  t.not(memory.copy(source).buffer, kept[0]!.buffer, 'the reader has it');
  await loop.next();
  const again = memory.copy(new Uint8Array(700).fill(2));
  t.equal(again.buffer, kept[0]!.buffer, 'given back, and used for another length');
  t.same(again, new Uint8Array(700).fill(2));
  await loop.return?.();
  t.equal(memory.copy(source).buffer, kept[1]!.buffer, 'a loop that is left gives back, too');
});

t.test('memory of others, or that was given away, is never used', async (t) => {
  const memory = new LentMemory();
  const foreign = Buffer.from('from the pool that all buffers share');
  const loop = memory.lending(events([message(foreign), message(memory.copy(new Uint8Array(600)))]));
  await loop.next();
  const { value } = await loop.next();
  t.notOk(Array.from({ length: 3 }, () => memory.copy(foreign).buffer).includes(foreign.buffer));
  if (value?.type !== 'message') return t.fail('no message');
  structuredClone(value.data.buffer, { transfer: [value.data.buffer as ArrayBuffer] });
  await loop.next();
  t.equal(memory.copy(new Uint8Array(600)).length, 600);
});

t.test('little is kept: what a long queue needed is given up', async (t) => {
  const memory = new LentMemory();
  const source = new Uint8Array(1 << 20);
  const copies = Array.from({ length: 8 }, () => memory.copy(source));
  for await (const _ of memory.lending(events(copies.map(message))));
  const buffers = new Set<ArrayBufferLike>(copies.map(({ buffer }) => buffer));
  t.equal(copies.map(() => memory.copy(source)).filter(({ buffer }) => buffers.has(buffer)).length, 2);
});

t.test('a client whose messages are lent sees every one of them, whole', async (t) => {
  const cluster = await createTestCluster(1);
  const cpg = await Cpg.connect({ ...cluster.connectOptions(1), messageMemory: 'lent' });
  await cpg.join('g');
  const sizes = [0, 1, 600, 5000, 600, 70_000, 2_000_000, 3];
  for (const [index, size] of sizes.entries()) await cluster.run(cpg.send(new Uint8Array(size).fill(index)));
  await cluster.settle();
  const seen: string[] = [];
  for await (const event of cpg.events()) {
    if (event.type !== 'message') continue;
    seen.push(`${event.data.length} ${new Set(event.data).size <= 1} ${event.data[0] ?? '-'}`);
    if (seen.length === sizes.length) break;
  }
  t.same(
    seen,
    sizes.map((size, index) => `${size} true ${size === 0 ? '-' : index}`),
  );
  await cpg.close();
  await cluster.close();
});

t.test('owned messages of all lengths stay as they were, whatever comes after them', async (t) => {
  const cluster = await createTestCluster(1, { seed: 1 });
  t.teardown(() => cluster.close());
  const cpg = await cluster.run(Cpg.connect(cluster.connectOptions(1)));
  await cluster.run(cpg.join('g'));
  const lengths = [0, 1, 7, 64, 65, 1400, 2048, 2049, 4096, 100_000, 3, 2000];
  const sent = [...lengths, ...lengths].map((length, at) => new Uint8Array(length).fill(at));
  for (const data of sent) await cluster.run(cpg.send(data));
  const kept: Uint8Array[] = [];
  for await (const event of cpg.events()) {
    if (event.type === 'message') kept.push(event.data);
    if (kept.length === sent.length) break;
    await cluster.settle();
  }
  t.same(kept, sent);
  for (const data of kept) data.fill(255); // the program may write, too
  t.ok(kept.every((data) => data.every((byte) => byte === 255)));
});
