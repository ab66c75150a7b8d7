// npm start: from a fresh checkout to a running ring.
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, root } from './built.mjs';

const NODE_MAJOR_MIN = 20;

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(`rondo needs Node.js ${NODE_MAJOR_MIN} or later; this is ${process.version}\n`);
  process.exit(1);
}
ensureInstalled();
ensureBuilt();

const { runDemo } = await import(join(root, 'dist/src/cli/demo/main.js'));
process.exitCode = await runDemo(process.argv.slice(2));
process.exit();
