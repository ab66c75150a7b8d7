// The tree of an installed cluster node, below a directory: what the Debian package and the RPM hold.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { tablePages } from './pages.mjs';
import { helpPage, manualPage } from './roff.mjs';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Stock's release that the daemon stands for comes first: other packages compare with it. */
export const corosyncVersion = /COROSYNC_VERSION = '([\d.]+)'/.exec(
  readFileSync(join(root, 'src/lib/corosync-version.ts'), 'utf8'),
)[1];
export const version = `${corosyncVersion}+rondo${manifest.version}`;

const HOME = 'usr/lib/rondo';
/** Where stock's packages have these; the others are for root, and in sbin. */
const IN_BIN = [
  'corosync-blackbox',
  'corosync-xmlproc',
  'corosync-qnetd',
  'corosync-qnetd-certutil',
  'corosync-qnetd-tool',
  'corosync-vqsim',
];
/** The programs beside the daemon, as scripts of SysV and OpenRC start them. */
const DAEMONS = {
  notifyd: {
    NAME: 'corosync-notifyd',
    PATH: '/usr/sbin/corosync-notifyd',
    TITLE: 'Notices of the cluster engine',
    AFTER: 'corosync',
    USER: 'root',
    OPTIONS: 'OPTIONS',
  },
  qdevice: {
    NAME: 'corosync-qdevice',
    PATH: '/usr/sbin/corosync-qdevice',
    TITLE: 'Quorum device',
    AFTER: 'corosync',
    USER: 'root',
    OPTIONS: 'COROSYNC_QDEVICE_OPTIONS',
  },
  qnetd: {
    NAME: 'corosync-qnetd',
    PATH: '/usr/bin/corosync-qnetd',
    TITLE: 'Arbiter of quorum devices',
    AFTER: '',
    USER: 'coroqnetd',
    OPTIONS: 'COROSYNC_QNETD_OPTIONS',
  },
};
const RIGHTS = { file: 0o644, program: 0o755 };

/** Writes the tree below `directory`. `node`: the path of a Node.js to go into it, or null for the system's. */
export function stage(directory, { node = null } = {}) {
  const at = (...parts) => join(directory, ...parts);
  const write = (path, content, mode = RIGHTS.file) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), content, { mode });
    chmodSync(at(path), mode);
  };
  const conf = (name) => readFileSync(join(root, 'conf', name));
  const link = (path, target) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    symlinkSync(relative(dirname(at(path)), at(target)), at(path));
  };

  rmSync(directory, { recursive: true, force: true });
  // The program: what npm would pack and install, without documents and development packages.
  for (const path of ['bin', 'dist/src', 'dist/bundle', 'dist/workers', 'package.json', 'LICENSE'])
    copy(join(root, path), at(HOME, path));
  for (const script of ['caches', 'code-cache', 'interpreter'])
    copy(join(root, `scripts/${script}.mjs`), at(HOME, `scripts/${script}.mjs`));
  for (const path of productionPackages()) copy(path, at(HOME, relative(root, path)));
  if (node !== null) {
    copyFileSync(node, at(HOME, 'node'));
    chmodSync(at(HOME, 'node'), RIGHTS.program);
  }

  // Stock's names.
  link('usr/sbin/corosync', `${HOME}/bin/rondod`);
  for (const [name, target] of Object.entries(manifest.bin)) {
    const place = name.startsWith('corosync') && !IN_BIN.includes(name) ? 'usr/sbin' : 'usr/bin';
    link(`${place}/${name}`, join(HOME, target));
  }
  write('usr/bin/corosync-xmlproc', conf('package/corosync-xmlproc'), RIGHTS.program);
  write('usr/share/corosync/xml2conf.xsl', conf('package/xml2conf.xsl'));
  write('usr/share/augeas/lenses/corosync.aug', conf('package/corosync.aug'));

  // Configuration, places, services.
  write('etc/corosync/corosync.conf', conf('package/corosync.conf'));
  write('etc/default/corosync', conf('package/default'));
  write('etc/init.d/corosync', conf('package/init.d'), RIGHTS.program);
  const logrotate = conf('logrotate')
    .toString()
    .replace(/^\/var\/log\/cluster/m, '/var/log/corosync/*.log /var/log/cluster');
  write('etc/logrotate.d/corosync', logrotate);
  const unit = conf('corosync.service').toString().replace('/usr/bin/rondod', '/usr/sbin/corosync');
  write('lib/systemd/system/corosync.service', unit.replace('LogsDirectory=cluster', 'LogsDirectory=cluster corosync'));
  for (const [name, facts] of Object.entries(DAEMONS)) {
    write(`lib/systemd/system/corosync-${name}.service`, conf(`package/corosync-${name}.service`));
    write(`etc/default/corosync-${name}`, conf(`package/default-${name}`));
    const filled = (file) =>
      conf(`package/${file}`)
        .toString()
        .replace(/@(\w+)@/g, (_, key) => facts[key]);
    write(`etc/init.d/corosync-${name}`, filled('init.d-daemon'), RIGHTS.program);
    write(`usr/share/doc/corosync/examples/openrc-corosync-${name}`, filled('openrc-daemon'));
  }
  for (const path of [
    'etc/corosync/qdevice',
    'etc/corosync/qnetd',
    'etc/corosync/uidgid.d',
    'var/lib/corosync',
    'var/log/corosync',
  ])
    mkdirSync(at(path), { recursive: true });

  // Documents and manual pages.
  const docs = at('usr/share/doc/corosync');
  for (const name of ['docs', 'README.md', 'CHANGELOG.md', 'SECURITY.md']) copy(join(root, name), join(docs, name));
  copy(join(root, 'conf/examples'), join(docs, 'examples'));
  copy(join(root, 'conf/package/openrc'), join(docs, 'examples/openrc'));
  for (const name of ['ansible', 'container']) copy(join(root, 'conf', name), join(docs, 'examples', name));
  copy(join(root, 'LICENSE'), join(docs, 'copyright'));
  const page = (name, section, text) =>
    write(`usr/share/man/man${section}/${name}.${section}.gz`, gzipSync(text, { level: 9 }));
  const date = new Date(sourceSeconds() * 1000).toISOString().slice(0, 10);
  for (const [name, section, file, title] of [
    ['corosync', 8, 'operations.md', 'the cluster engine'],
    ['corosync.conf', 5, 'configuration.md', 'configuration of the cluster engine'],
    ['rondo', 1, 'cli.md', 'the command line of the cluster engine'],
  ]) {
    const markdown = readFileSync(join(root, 'docs', file), 'utf8');
    page(name, section, manualPage(markdown, { name, section, title, date, version: manifest.version }));
  }
  for (const { name, section, title, markdown } of tablePages(root))
    page(name, section, manualPage(markdown, { name, section, title, date, version: manifest.version }));
  for (const name of Object.keys(manifest.bin).filter((name) => name.startsWith('corosync-'))) {
    const head = {
      name,
      section: 8,
      title: 'as the command of this name in stock Corosync',
      date,
      version: manifest.version,
    };
    page(name, 8, helpPage(helpOf(name), head));
  }
  symlinkSync('corosync.8.gz', at('usr/share/man/man8/rondod.8.gz'));
  setModes(directory);
}

/** The time of the last commit (or SOURCE_DATE_EPOCH): the same commit makes the same package. */
export function sourceSeconds() {
  if (process.env.SOURCE_DATE_EPOCH !== undefined) return Number(process.env.SOURCE_DATE_EPOCH);
  return Number(execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }));
}

function productionPackages() {
  const list = execFileSync('npm', ['ls', '--omit=dev', '--parseable', '--all'], { cwd: root, encoding: 'utf8' });
  return list.split('\n').filter((path) => path.includes('/node_modules/'));
}

function helpOf(name) {
  const entry = join(root, 'dist/src/cli/stock/entry.js');
  try {
    return execFileSync(process.execPath, [entry, name, '-h'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    return `${error.stdout}${error.stderr}`;
  }
}

/** Symbolic links of a checkout are followed: a package holds files. */
function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, {
    recursive: true,
    dereference: true,
    filter: (path) => !/\.map$|\.tsbuildinfo$|\.new$/.test(path),
  });
}

/** Whatever the umask of the checkout was. */
function setModes(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const program = entry.isDirectory() || /\/(bin\/[^.]+|node|init\.d\/corosync[^/]*|corosync-xmlproc)$/.test(path);
    chmodSync(path, program ? RIGHTS.program : RIGHTS.file);
  }
}
