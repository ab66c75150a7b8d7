// npm run package:deb [-- --with-node] [-- --out DIRECTORY] [-- --compression none]: a Debian package that takes the place of stock's `corosync`.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lutimesSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root, sourceSeconds, stage, version } from './stage.mjs';

const { values } = parseArgs({
  options: {
    'with-node': { type: 'boolean', default: false },
    compression: { type: 'string', default: 'xz' },
    out: { type: 'string', default: join(root, 'dist/packages') },
  },
});
const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch];
if (architecture === undefined) throw new Error(`no package for ${process.arch}: only x64 and arm64`);

const out = resolve(values.out);
const tree = join(out, 'deb-tree');
mkdirSync(out, { recursive: true });
stage(tree, { node: values['with-node'] ? process.execPath : null });

const files = readdirSync(tree, { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .sort();
const sizeKb = files.reduce((sum, path) => sum + Math.ceil(statSync(path).size / 1024), 0);
const sums = files.map(
  (path) => `${createHash('md5').update(readFileSync(path)).digest('hex')}  ${relative(tree, path)}\n`,
);
const needed = [
  values['with-node'] ? 'libstdc++6' : 'nodejs (>= 20)',
  ...[
    'libc6',
    'util-linux (>= 2.31)',
    'mawk | awk',
    'findutils',
    'adduser',
    'sysvinit-utils (>= 3.05-4~) | lsb-base (>= 3.0-6)',
    'xsltproc',
  ],
];
// What the tools of these packages did, ours do: they cannot be installed beside it.
const replaced = ['corosync-notifyd', 'corosync-qdevice', 'corosync-qnetd', 'corosync-vqsim'].filter((name) =>
  files.some((path) => path.endsWith(`/man8/${name}.8.gz`)),
);
const control = {
  Package: 'corosync',
  Version: `${version}-1`,
  Architecture: architecture,
  Maintainer: 'Rondo maintainers <maintainers@rondo.invalid>',
  'Installed-Size': sizeKb,
  'Pre-Depends': 'init-system-helpers (>= 1.54~)',
  Depends: needed.join(', '),
  Recommends: 'libqb-tools, logrotate',
  Suggests: 'pacemaker, pcs, crmsh, zlib1g, liblz4-1, liblzo2-2, liblzma5, libbz2-1.0, libzstd1',
  ...(replaced.length === 0
    ? {}
    : Object.fromEntries(['Provides', 'Conflicts', 'Replaces'].map((key) => [key, replaced.join(', ')]))),
  Section: 'admin',
  Priority: 'optional',
  Description: `cluster engine: Totem ring, process groups, quorum (Rondo)
 The job of the Corosync Cluster Engine, done in TypeScript on Node.js${values['with-node'] ? ' (inside)' : ''}: joins rings of stock
 Corosync 3.1, reads the same configuration, and serves the same C libraries (libcpg4 and others), Pacemaker and pcs among them.`,
};
const CONFFILES = [
  'corosync/corosync.conf',
  'default/corosync',
  'default/corosync-notifyd',
  'default/corosync-qdevice',
  'default/corosync-qnetd',
  'init.d/corosync',
  'init.d/corosync-notifyd',
  'init.d/corosync-qdevice',
  'init.d/corosync-qnetd',
  'logrotate.d/corosync',
];

const debian = join(tree, 'DEBIAN');
mkdirSync(debian);
const put = (name, text, mode = 0o644) => writeFileSync(join(debian, name), text, { mode });
put(
  'control',
  `${Object.entries(control)
    .map(([key, value]) => `${key}: ${value}`)
    .join('\n')}\n`,
);
put('conffiles', CONFFILES.map((name) => `/etc/${name}\n`).join(''));
put('md5sums', sums.join(''));
for (const name of ['preinst', 'postinst', 'prerm', 'postrm'])
  put(name, readFileSync(join(root, 'conf/package/debian', name)), 0o755);

// The same commit makes the same bytes.
const seconds = sourceSeconds();
for (const entry of readdirSync(tree, { withFileTypes: true, recursive: true }))
  lutimesSync(join(entry.parentPath ?? entry.path, entry.name), seconds, seconds);

const file = join(out, `corosync_${control.Version}_${architecture}.deb`);
rmSync(file, { force: true });
execFileSync('dpkg-deb', ['--root-owner-group', `-Z${values.compression}`, '--build', tree, file], {
  env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) },
  stdio: ['ignore', 'ignore', 'inherit'],
});
rmSync(tree, { recursive: true });
process.stdout.write(`${file}\n`);
