import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { hasCommand, ROOT } from './lab/host.ts';

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
  for (const path of ['/usr/sbin/corosync', '/usr/lib/systemd/system/corosync.service', '/etc/sysconfig/corosync'])
    t.ok(files.includes(path), path);
});

t.test('scripts are what a POSIX shell reads', async (t) => {
  for (const path of ['init.d', 'corosync-xmlproc', 'debian/postinst', 'debian/prerm', 'debian/postrm']) {
    const { status, stderr } = spawnSync('sh', ['-n', join(PACKAGE, path)], { encoding: 'utf8' });
    t.equal(status, 0, `${path}: ${stderr}`);
  }
  t.match(readFileSync(join(PACKAGE, 'openrc'), 'utf8'), /^#!\/sbin\/openrc-run\n/);
});
