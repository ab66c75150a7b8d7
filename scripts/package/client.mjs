// npm run package:client [-- --out DIRECTORY]: the package `rondo-client`, which is `rondo` without the daemon and the commands: what
// programs import, and nothing that they do not. Installed as `npm install rondo@npm:rondo-client`, programs need no change.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ENTRIES } from '../commonjs.mjs';
import { closure } from '../imports.mjs';
import { root } from './stage.mjs';

const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'dist/packages') } } });
/** Parts of the daemon that clusters for tests are made of: without maps, as in `rondo`. */
const DAEMON_PARTS = /dist\/(?:src|cjs)\/(?:config|services\/(?:cmap|host|quorum|sync|votequorum))\//;
const out = resolve(values.out);
const tree = join(out, 'client-tree');
rmSync(tree, { recursive: true, force: true });

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const folders = { 'dist/src': join(root, 'dist/src'), 'dist/cjs': join(root, 'dist/cjs') };
const packages = new Set();
for (const folder of Object.values(folders)) {
  const modules = closure(ENTRIES.map((entry) => join(folder, `${entry}.js`)));
  const types = closure(ENTRIES.map((entry) => join(folder, `${entry}.d.ts`)));
  for (const file of modules.files) {
    copy(file);
    if (!DAEMON_PARTS.test(file)) copy(`${file}.map`);
  }
  for (const file of types.files) copy(file);
  for (const name of modules.packages) packages.add(name);
}
for (const name of [
  'dist/cjs/package.json',
  'LICENSE',
  'docs/client.md',
  'docs/platform.md',
  'docs/service-engines.md',
])
  copy(join(root, name));

writeFileSync(
  join(tree, 'README.md'),
  `# rondo-client\n\nThe client of a node of a Corosync cluster (Rondo's daemon, or stock Corosync 3.1) for Node.js programs, without the daemon: \`rondo\` has both.\n
${readFileSync(join(root, 'README.md'), 'utf8')
  .match(/```ts\n[^`]*```/)[0]
  .replaceAll("'rondo'", "'rondo-client'")}\n
See [docs/client.md](docs/client.md) and [docs/platform.md](docs/platform.md), where the package is called \`rondo\`: \`npm install rondo@npm:rondo-client\` gives it that name.\n`,
);
const { name, version, license, type, keywords, engines, publishConfig, main, types, exports, dependencies } = manifest;
writeFileSync(
  join(tree, 'package.json'),
  `${JSON.stringify(
    {
      name: `${name}-client`,
      version,
      description: 'Client of a Corosync cluster node: CPG, CMAP, CFG, quorum, replicated state, locks and elections',
      license,
      type,
      keywords,
      engines,
      publishConfig,
      sideEffects: false,
      main,
      types,
      exports: Object.fromEntries(
        Object.entries(exports).filter(
          ([entry, { require: form }]) => form !== undefined || entry === './package.json',
        ),
      ),
      dependencies: Object.fromEntries(Object.entries(dependencies).filter(([dependency]) => packages.has(dependency))),
    },
    null,
    2,
  )}\n`,
);
execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', out], {
  cwd: tree,
  stdio: ['ignore', 2, 2],
});
rmSync(tree, { recursive: true, force: true });
console.log(join(out, `${name}-client-${version}.tgz`));

function copy(file) {
  const target = join(tree, relative(root, file));
  mkdirSync(dirname(target), { recursive: true });
  cpSync(file, target);
}
