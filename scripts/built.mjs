// What npm start and npm pack need of a fresh checkout: packages and a build. Plain Node.js: it runs before anything is installed or built.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outputs = ['dist/src/client/index.js', 'dist/src/cli/demo/main.js', 'dist/src/daemon/entry.js'];

/** Standard output of its own: that of npm pack --json is for a program. */
function run(what, command, args) {
  process.stderr.write(`${what} …\n`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
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
const has = (name) => existsSync(join(root, 'node_modules', name));

export const canBuild = () => has('typescript');
export const isBuilt = () => outputs.every((path) => existsSync(join(root, path)));

export function ensureInstalled() {
  // npm leaves this file behind as the mark of what it installed.
  if (has('.package-lock.json') && has('koffi')) return;
  run('Installing packages', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
}

export function ensureBuilt() {
  const sources = ['src', 'workers', 'tsconfig.json', 'package.json']
    .map((name) => join(root, name))
    .filter(existsSync);
  const builtMs = Math.min(...outputs.map((path) => timeOf(join(root, path))));
  if (builtMs < Math.max(...sources.map(newest))) run('Building', 'npm', ['run', '--silent', 'build']);
}
