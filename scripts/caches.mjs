// V8's code cache of each program's script (dist/bundle/NAME.cache): made by a build, and again by a package on the machine whose Node.js
// it runs on. A cache of another version of Node.js is not used, and costs nothing but the time that it would have saved.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const directory = join(root, 'dist/bundle');

/** V8's flags are part of a code cache's identity: as bin/NAME starts the program. */
const optionsOf = (launcher) =>
  (/^launch \S+(.*) -- /m.exec(readFileSync(join(root, 'bin', launcher), 'utf8'))?.[1] ?? '')
    .split(' ')
    .filter(Boolean);

export const PROGRAMS = [
  { name: 'daemon', entry: 'src/daemon/program.js', launcher: 'rondod' },
  { name: 'ring', entry: 'src/ring/run.js', launcher: 'rondod' },
  { name: 'transmit', entry: 'src/transport/knet/transmit/thread.js', launcher: 'rondod' },
  { name: 'cli', entry: 'src/cli/program.js', launcher: 'rondo' },
  { name: 'tools', entry: 'src/cli/stock/program.js', launcher: 'corosync-tool' },
];

export const scriptOf = (name) => join(directory, `${name}.js`);

/** The first line of a script is its identity; its cache begins with the same line. */
export function writeCache({ name, launcher }) {
  const script = scriptOf(name);
  const line = `${readFileSync(script, 'utf8').split('\n', 1)[0]}\n`;
  const maker = join(root, 'scripts/code-cache.mjs');
  const options = [...optionsOf(launcher), maker, script];
  const cache = execFileSync(process.execPath, options, { maxBuffer: 64 << 20, env: {} });
  replace(join(directory, `${name}.cache`), Buffer.concat([Buffer.from(line), cache]));
}

/** In one step: whoever starts meanwhile reads the old one or the new one. */
export function replace(file, content) {
  writeFileSync(`${file}.new`, content, { mode: 0o644 });
  renameSync(`${file}.new`, file);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const program of PROGRAMS) if (existsSync(scriptOf(program.name))) writeCache(program);
