import { randomBytes } from 'node:crypto';
import t from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import { sleep, until } from '../interop/lab/process.ts';
import { formsOfKey, searchProcess } from './process-memory.ts';

/** The old key is kept for two seconds after everybody uses the new one. */
const KEPT_MS = 2_000;
const FORGOTTEN_MS = 20_000;
type Forms = ReadonlyMap<string, Buffer>;
/** All of a process's memory is read for each form: these are looked for first. */
const asBytes = (forms: Forms): Forms => new Map([...forms].filter(([name]) => /^raw \d+$/.test(name)));

/** What is left of a key when the daemon has had its time to forget it. */
async function leftOf(pid: number, forms: Forms, what: string): Promise<readonly string[]> {
  let left: readonly string[] = [];
  const search = (): true | null => {
    left = searchProcess(pid, asBytes(forms));
    if (left.length === 0) left = searchProcess(pid, forms);
    return left.length === 0 || null;
  };
  await until(what, search, FORGOTTEN_MS, 500).catch(() => {});
  return left;
}

/** Engines of our own code and of OpenSSL's; the second only in the full programme. */
const CIPHERS = [
  ['aes256', 'sha256', false],
  ['aes128', 'sha512', true],
] as const;

for (const [cipher, hash, rare] of CIPHERS) {
  t.test(
    `nothing of a key is left after its rotation, ${cipher}/${hash}`,
    { skip: skipReason(['stock', 'ours'], rare) },
    async (t) => {
      const lab = await Lab.create({ transport: 'knet', crypto: { cipher, hash } }, ['ours', 'stock']);
      t.teardown(() => lab.close());
      const [before, after] = [randomBytes(256), randomBytes(256)];
      for (const node of lab.nodes) node.writeKey(before);
      for (const node of lab.nodes) node.startDaemon();
      await lab.waitRing(lab.nodes);
      const [old, next] = [formsOfKey(before), formsOfKey(after)];
      for (const node of lab.nodes) {
        t.not(
          searchProcess(node.daemon!.pid, asBytes(old)).length,
          0,
          `${node.kind}: the key in use is found in memory`,
        );
      }

      for (const node of lab.nodes) node.writeKey(after);
      await lab.nodes[0]!.space.must('corosync-cfgtool', ['-R']);
      await sleep(KEPT_MS);
      for (const node of lab.nodes) {
        const pid = node.daemon!.pid;
        const left = await leftOf(pid, old, `${node.kind} forgets the old key`);
        t.strictSame(left, [], `${node.kind}: nothing of the old key`);
        t.not(searchProcess(pid, asBytes(next)).length, 0, `${node.kind}: the new key is in use`);
      }
      await lab.waitRing(lab.nodes);
    },
  );
}

/** A key that stands in the file itself: the daemon has to read it, and to keep it in its map. */
t.test(
  'nothing of a key in corosync.conf is left after its rotation',
  { skip: skipReason(['stock', 'ours']) },
  async (t) => {
    const lab = await Lab.create({ transport: 'knet', crypto: { cipher: 'aes256', hash: 'sha256' } }, [
      'ours',
      'stock',
    ]);
    t.teardown(() => lab.close());
    const [before, after] = [randomBytes(150).toString('base64url'), randomBytes(150).toString('base64url')];
    lab.writeConfs({ totem: [`key: ${before}`] });
    for (const node of lab.nodes) node.startDaemon();
    await lab.waitRing(lab.nodes);
    const [ours, stock] = lab.nodes.map((node) => node.daemon!.pid) as [number, number];
    const old = formsOfKey(Buffer.from(`${before}\0`));
    const found = searchProcess(ours, old);
    t.not(found.length, 0, 'the key in use is found in memory');
    t.notMatch(found.join(), /UTF-16|hex|base64/, 'as bytes only');

    lab.writeConfs({ totem: [`key: ${after}`] });
    await lab.nodes[0]!.space.must('corosync-cfgtool', ['-R']);
    await sleep(KEPT_MS);
    const left = await leftOf(ours, old, 'the old key is forgotten');
    t.strictSame(left, [], 'nothing of the old key');
    t.comment(`stock: ${searchProcess(stock, old).join(', ') || 'nothing'}`);
    await lab.waitRing(lab.nodes);
    t.equal(await lab.nodes[0]!.cmap('totem.key'), after, 'the map has the new one');
  },
);
