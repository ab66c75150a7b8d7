import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { hasCommand, labUnavailable, ROOT } from './lab/host.ts';

t.setTimeout(0);

/** The files of our packages that other programs read: each is read by its program, beside stock's where that has one. */
const PACKAGE = join(ROOT, 'conf/package');
const without = (...commands: readonly string[]): string | false => {
  const missing = commands.filter((command) => !hasCommand(command));
  return missing.length > 0 ? `needs ${missing.join(', ')}` : false;
};

function directory(t: { teardown(end: () => void): unknown }): string {
  const path = mkdtempSync(join(tmpdir(), 'rondo-package-files-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const XML = `<?xml version="1.0"?>
<corosync top="1"><totem version="2" cluster_name="a &amp; b"><interface linknumber="0"/>text<interface linknumber="1" mcastport="5407"/>
</totem><nodelist><node ring0_addr="127.0.0.1" nodeid="1"/></nodelist><quorum/></corosync>
`;

t.test('corosync-xmlproc writes what stock’s writes', { skip: without('corosync-xmlproc', 'xsltproc') }, async (t) => {
  const input = join(directory(t), 'corosync.xml');
  writeFileSync(input, XML);
  const convert = (sheet: string): string => {
    const { stdout, stderr } = spawnSync('xsltproc', ['--stringparam', 'inputfile', 'x', sheet, input], {
      encoding: 'utf8',
    });
    t.equal(stderr, '');
    return stdout.replace(/ at \S+$/m, ' at …');
  };
  t.equal(convert(join(PACKAGE, 'xml2conf.xsl')), convert('/usr/share/corosync/xml2conf.xsl'));
  const usage = spawnSync(join(PACKAGE, 'corosync-xmlproc'), { encoding: 'utf8' });
  t.match(usage, { status: 1, stdout: /input_config \[output\]/ });
  const output = join(directory(t), 'corosync.conf');
  t.match(spawnSync(join(PACKAGE, 'corosync-xmlproc'), [input, output], { encoding: 'utf8' }), {
    stderr: /^(|.*xml2conf.*)$/s,
  });
});

const AUGEAS = `module Test_rondo =
  let conf = "# c\\n\\ntotem {\\n\\tversion: 2\\n\\tinterface {\\n\\t\\tlinknumber: 0\\n\\t}\\n}\\n"
  test Corosync.lns get conf =
    { "#comment" = "c" } { }
    { "totem" { "version" = "2" } { "interface" { "linknumber" = "0" } } }
  test Corosync.lns put conf after set "/totem/version" "3" ; set "/totem/token" "1000" =
    "# c\\n\\ntotem {\\n\\tversion: 3\\n\\tinterface {\\n\\t\\tlinknumber: 0\\n\\t}\\n\\ttoken: 1000\\n}\\n"
`;

t.test('the Augeas lens reads a configuration, and writes it back', { skip: without('augparse') }, async (t) => {
  const file = join(directory(t), 'test_rondo.aug');
  writeFileSync(file, AUGEAS);
  const { status, stderr } = spawnSync('augparse', ['-I', PACKAGE, file], { encoding: 'utf8' });
  t.equal(status, 0, stderr);
});

t.test('rpmbuild accepts the spec', { skip: without('rpmbuild', 'rpm') }, async (t) => {
  t.setTimeout(180_000);
  const out = directory(t);
  const made = spawnSync(process.execPath, [join(ROOT, 'scripts/package/rpm.mjs'), '--out', out], { encoding: 'utf8' });
  t.equal(made.status, 0, made.stderr);
  const [name = ''] = readdirSync(out);
  const { stdout } = spawnSync('rpm', ['-qlp', '--nosignature', join(out, name)], { encoding: 'utf8' });
  const files = stdout.split('\n');
  for (const path of [
    '/usr/sbin/corosync',
    '/usr/sbin/corosync-qdevice',
    '/usr/bin/corosync-qnetd',
    '/usr/lib/systemd/system/corosync.service',
    '/usr/lib/systemd/system/corosync-qdevice.service',
    '/usr/lib/systemd/system/corosync-qnetd.service',
    '/etc/sysconfig/corosync',
    '/etc/sysconfig/corosync-qnetd',
  ])
    t.ok(files.includes(path), path);
});

t.test('scripts are what a POSIX shell reads', async (t) => {
  for (const path of [
    'init.d',
    'init.d-daemon',
    'openrc-daemon',
    'corosync-xmlproc',
    'debian/preinst',
    'debian/postinst',
    'debian/prerm',
    'debian/postrm',
  ]) {
    const { status, stderr } = spawnSync('sh', ['-n', join(PACKAGE, path)], { encoding: 'utf8' });
    t.equal(status, 0, `${path}: ${stderr}`);
  }
  t.match(readFileSync(join(PACKAGE, 'openrc'), 'utf8'), /^#!\/sbin\/openrc-run\n/);
});

/** Takes its lock file away and goes on for a while, as a daemon on a busy host does. */
const SLOW_END = `trap 'rm /run/corosync.pid; sleep 1.5; exit' TERM; echo $$ >/run/corosync.pid; while :; do sleep 0.1; done`;
const STOPPED = `mount -t tmpfs tmpfs /run && cp /bin/sh /run/corosync && { /run/corosync -c "$0" & }
until [ -s /run/corosync.pid ]; do sleep 0.1; done; pid=$(cat /run/corosync.pid); sh "$1" stop; echo "status $?"
grep -qs . "/proc/$pid/cmdline" && echo 'runs on' || echo ended`;

t.test(
  'a host without systemd: stopped is who has ended, not who has no lock file',
  { skip: labUnavailable() },
  async (t) => {
    const words = ['--mount', 'sh', '-c', STOPPED, SLOW_END, join(PACKAGE, 'init.d')];
    const { stdout, stderr } = spawnSync('unshare', words, { encoding: 'utf8', timeout: 60_000 });
    t.match(stdout, /status 0\nended\n$/, stderr);
  },
);

t.test('the files for other tools are what these read', { skip: without('python3') }, async (t) => {
  const conf = join(ROOT, 'conf');
  const files = readdirSync(join(conf, 'ansible'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yml'))
    .map((name) => join(conf, 'ansible', name));
  t.ok(files.length >= 4, `${files.length} of Ansible`);
  const read = 'import sys, yaml\nfor path in sys.argv[1:]: list(yaml.safe_load_all(open(path)))';
  const yaml = spawnSync('python3', ['-c', read, ...files, join(conf, 'container/pod.yaml')], { encoding: 'utf8' });
  if (/No module named/.test(yaml.stderr)) t.comment('needs python3-yaml');
  else t.equal(yaml.status, 0, yaml.stderr);
  if (!hasCommand('ansible-playbook')) t.comment('Ansible is not installed: its syntax is not checked');
  else {
    const options = ['--syntax-check', '-i', 'node1,', join(conf, 'ansible/site.yml')];
    const checked = spawnSync('ansible-playbook', options, { encoding: 'utf8', cwd: join(conf, 'ansible') });
    t.equal(checked.status, 0, checked.stderr);
  }
});

t.test('manual pages that are made from tables', { skip: without('man') }, async (t) => {
  const module = `import { tablePages } from '${ROOT}/scripts/package/pages.mjs'; import { manualPage } from '${ROOT}/scripts/package/roff.mjs';
    const head = { date: '2026-01-01', version: '0' };
    console.log(JSON.stringify(tablePages('${ROOT}').map((page) => [page.name, manualPage(page.markdown, { ...page, ...head })])));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', module], { encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  const pages = new Map(JSON.parse(stdout) as readonly (readonly [string, string])[]);
  const work = directory(t);
  const shown = (name: string): string => {
    const file = join(work, name);
    writeFileSync(file, pages.get(name) ?? '');
    const { stdout: text, stderr: warnings } = spawnSync('man', ['--warnings', '-l', file], {
      encoding: 'utf8',
      env: { ...process.env, MANWIDTH: '200', LC_ALL: 'C.UTF-8', MANPAGER: 'cat' },
    });
    t.equal(warnings, '', `${name} without warnings`);
    return text;
  };
  t.match(shown('votequorum'), /auto_tie_breaker_node[\s\S]*quorum_votes[\s\S]*exec_/);
  t.match(shown('cmap_keys'), /runtime\.force_gather[\s\S]*mtt_rx_token/);
  t.match(shown('corosync_overview'), /rondo doctor/);
});
