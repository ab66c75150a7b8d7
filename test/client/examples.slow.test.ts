import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Quorum } from '../../src/client/index.ts';
import { LoopbackCluster } from '../daemon/loopback-cluster.ts';

t.setTimeout(300_000);

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const guide = readFileSync(join(ROOT, 'docs/client.md'), 'utf8');
/** Examples are the code blocks that import the package; the others are fragments. */
const examples = [...guide.matchAll(/```ts\n(.*?)```/gs)]
  .map(([, code]) => code!)
  .filter((code) => code.includes("from 'rondo'"));

function run(file: string, instance: string): Promise<{ readonly status: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, RONDO_IPC_INSTANCE: instance },
    timeout: 60_000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, output })));
}

t.test('the examples of the guide run as they stand', { timeout: 250_000 }, async (t) => {
  t.ok(examples.length >= 5, `${examples.length} examples`);
  // Inside of the package, so that they find it by its name.
  const directory = join(ROOT, 'dist', `examples-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const cluster = await LoopbackCluster.create(1, 'udpu');
  t.teardown(() => cluster.end());
  cluster.start(0);
  (await Quorum.connect(cluster.options(0))).close();
  for (const [index, code] of examples.entries()) {
    const file = join(directory, `example-${index}.mjs`);
    writeFileSync(file, code);
    const { status, output } = await run(file, cluster.instance(0));
    t.equal(status, 0, `${code}\n${output}`);
    t.ok(output.length > 0, 'it says something');
  }
});
