// npm run example -- NAME [ARGUMENT…]: an example on a node of the ring that `npm start` shows: the node on which the fewest programs are, so that the next
// program is on another one. For example: npm run example -- chat alice
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, root } from './built.mjs';

const names = readdirSync(join(root, 'examples')).flatMap((file) => (/^(\w+)\.mjs$/.exec(file) ?? []).slice(1));
const [, , name, ...args] = process.argv;
if (!names.includes(name)) {
  process.stderr.write(`npm run example -- NAME [ARGUMENT…], NAME is one of: ${names.join(', ')}\n`);
  process.exit(2);
}
ensureBuilt();
const { Cpg } = await import(join(root, 'dist/src/client/index.js'));
const { runningInstances } = await import(join(root, 'dist/src/ipc/instances.js'));

/** The node of a demo with the fewest programs. */
async function freeNode() {
  const found = [];
  for (const instance of runningInstances().filter((one) => /^rondo-demo-\d+-\d+$/.test(one))) {
    const cpg = await Cpg.connect({ instance }).catch(() => null); // killed with a key just now
    if (cpg === null) continue;
    const programs = (await cpg.processes()).filter(({ nodeId }) => nodeId === cpg.nodeId).length;
    found.push({ instance, programs });
    await cpg.close();
  }
  return found.sort((a, b) => a.programs - b.programs)[0]?.instance;
}

const instance = process.env.RONDO_IPC_INSTANCE ?? (await freeNode());
if (instance === undefined) {
  process.stderr.write('no ring of `npm start` runs here: start it in another terminal first\n');
  process.exit(1);
}
process.stderr.write(`on ${instance}\n`);
const env = { ...process.env, RONDO_IPC_INSTANCE: instance };
const child = spawn(process.execPath, [join(root, 'examples', `${name}.mjs`), ...args], { env, stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('close', (code) => process.exit(code ?? 1));
