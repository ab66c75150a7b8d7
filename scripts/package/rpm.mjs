// npm run package:rpm [-- --with-node] [-- --out DIRECTORY]: an RPM that takes the place of stock's `corosync`. Needs rpmbuild.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { corosyncVersion, manifest, root, sourceSeconds, stage } from './stage.mjs';

const { values } = parseArgs({
  options: {
    'with-node': { type: 'boolean', default: false },
    out: { type: 'string', default: join(root, 'dist/packages') },
  },
});
const out = resolve(values.out);
const [tree, work] = [join(out, 'rpm-tree'), join(out, 'rpm-work')];
mkdirSync(out, { recursive: true });
rmSync(work, { recursive: true, force: true });
stage(tree, { node: values['with-node'] ? process.execPath : null });

const definitions = {
  _topdir: work,
  tree,
  corosync_version: corosyncVersion,
  rondo_release: `1.rondo${manifest.version}`,
  ...(values['with-node'] ? { with_node: '1' } : {}),
};
const options = Object.entries(definitions).flatMap(([name, value]) => ['--define', `${name} ${value}`]);
execFileSync('rpmbuild', ['-bb', '--quiet', ...options, join(root, 'conf/package/corosync.spec')], {
  env: { ...process.env, SOURCE_DATE_EPOCH: String(sourceSeconds()) },
  stdio: ['ignore', 'ignore', 'inherit'],
});
for (const name of readdirSync(join(work, 'RPMS'), { recursive: true }).filter((name) => name.endsWith('.rpm'))) {
  const file = join(out, name.replace(/.*\//, ''));
  renameSync(join(work, 'RPMS', name), file);
  process.stdout.write(`${file}\n`);
}
for (const path of [tree, work]) rmSync(path, { recursive: true, force: true });
