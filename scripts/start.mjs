// npm start: from a fresh checkout to a running ring. Plain Node.js: it runs before anything is installed or built.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 20;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const built = join(root, 'dist/src/cli/demo/main.js');

function run(what, command, args) {
  process.stdout.write(`${what} …\n`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status === 0) return;
  process.stderr.write(
    `${what}: failed${error === undefined ? '' : ` (${error.message})`}. Try: (cd '${root}' && ${command} ${args.join(' ')})\n`,
  );
  process.exit(1);
}

function newest(path) {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

const timeOf = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(`rondo needs Node.js ${NODE_MAJOR_MIN} or later; this is ${process.version}\n`);
  process.exit(1);
}
// npm leaves this file behind as the mark of what it installed.
if (timeOf(join(root, 'node_modules/.package-lock.json')) === 0 || !existsSync(join(root, 'node_modules/koffi'))) {
  run('Installing packages', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
}
const sources = ['src', 'workers', 'tsconfig.json', 'package.json'].map((name) => join(root, name)).filter(existsSync);
if (timeOf(built) < Math.max(...sources.map(newest))) run('Building', 'npm', ['run', '--silent', 'build']);

const { runDemo } = await import(built);
process.exitCode = await runDemo(process.argv.slice(2));
process.exit();
