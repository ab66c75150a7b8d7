import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import t from 'tap';
import type { ConnectOptions } from '../../src/client/index.ts';
import { createLoopbackCluster } from '../../src/node/index.ts';

t.setTimeout(170_000);

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const tutorial = readFileSync(join(ROOT, 'docs/tutorial-lock-service.md'), 'utf8');

interface LockClient {
  acquire(name: string): Promise<bigint>;
  release(name: string): Promise<void>;
  close(): Promise<void>;
}

t.test('the tutorial’s lock service, as it stands there, on three nodes', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-tutorial-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(ROOT, join(directory, 'node_modules/rondo'));
  const files = [...tutorial.matchAll(/```js\n\/\/ (\w+\.mjs)\n(.*?)```/gs)];
  t.same(
    files.map(([, name]) => name),
    ['protocol.mjs', 'engine.mjs', 'client.mjs'],
  );
  for (const [, name, code] of files) writeFileSync(join(directory, name!), code!, { mode: 0o644 });
  const problems: string[] = [];
  await using cluster = await createLoopbackCluster(3, {
    config: `service {\n  name: locks\n  path: ${join(directory, 'engine.mjs')}\n}\n`,
    log: (nodeId, level, _, message) => {
      const isBusyHost = message.startsWith('Process pause detected');
      if ((level === 'emerg' || level === 'error') && !isBusyHost) problems.push(`${nodeId}: ${message}`);
    },
  });
  const module = (await import(pathToFileURL(join(directory, 'client.mjs')).href)) as {
    readonly LockClient: { connect(options: ConnectOptions): Promise<LockClient> };
  };
  const connect = (nodeId: number): Promise<LockClient> =>
    module.LockClient.connect({ ...cluster.connectOptions(nodeId), waitReadyMs: 20_000 });
  const [one, two, three] = await Promise.all(cluster.nodeIds.map(connect));

  const first = await one!.acquire('backup');
  let second: bigint | null = null;
  const waiting = two!.acquire('backup').then((token) => {
    second = token;
  });
  await delay(200);
  t.equal(second, null, 'nobody else has it');
  await t.rejects(three!.release('backup'), { code: 'RONDO_CS_NOT_EXIST', hint: /does not hold/ });
  await one!.release('backup');
  await waiting;
  t.ok(second! > first, 'tokens grow');

  const third = three!.acquire('backup');
  await two!.close();
  t.ok((await third) > second!, 'a client that ends gives its locks back');

  const fourth = one!.acquire('backup');
  await cluster.kill(3);
  const token = await fourth;
  t.ok(token > (await third), 'a node that dies gives its clients’ locks back');

  await cluster.start(3);
  const again = await connect(3);
  const fifth = again.acquire('backup');
  await one!.release('backup');
  t.ok((await fifth) > token, 'a node that joins has the state of the others');
  t.same(problems, []);
  await Promise.all([one!.close(), again.close()]);
});
