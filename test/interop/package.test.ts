import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FULL } from './lab/cases.ts';
import { hasCommand, overlayUnavailable, pacemakerUnavailable, ROOT } from './lab/host.ts';
import { must, type Running, type RunResult, run, start } from './lab/process.ts';

/**
 * Our Debian package in place of stock's, in a root tree that lies over this machine's own: `apt-get install` replaces stock's `corosync`
 * while Pacemaker, pcs and crmsh stay, three nodes of it form a cluster on which they see what they see on stock, and nothing is left
 * behind. With a process space of its own: `pcs cluster kill` ends processes by their names.
 */
const STORY = join(ROOT, 'dist/test/interop/lab/package-story.js');
const COMMAND_MS = 240_000;
const STORY_MS = 300_000;
const OWN_PROCESSES = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const OWN_DIRECTORIES = ['usr/lib/rondo', 'var/lib/corosync', 'var/log/corosync', 'etc/corosync'];

function unavailable(): string | false {
  const missing = ['dpkg-deb', 'apt-get', 'pcs', 'crm', 'ha_cluster_exporter'].filter(
    (command) => !hasCommand(command),
  );
  return pacemakerUnavailable() || (missing.length > 0 ? `needs Debian’s ${missing.join(', ')}` : overlayUnavailable());
}

/** A root tree of its own, kept by a process that ends with the test. */
class Tree {
  private constructor(
    private readonly holder: Running,
    /** The first process of the tree's own process space. */
    private readonly first: string,
  ) {}

  static async over(directory: string, deb: string): Promise<Tree> {
    mkdirSync(directory, { recursive: true });
    const mounts = [
      `mount -t tmpfs tmpfs '${directory}'`,
      `cd '${directory}'`,
      'mkdir upper work root',
      'mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root',
      `cp '${deb}' root/package.deb`,
      'mount --rbind /dev root/dev',
      'mount --make-rslave root/dev',
      'mount --rbind /sys root/sys',
      'mount -t proc proc root/proc',
      'mount -t tmpfs tmpfs root/run',
      'mount -t tmpfs -o size=4g tmpfs root/dev/shm',
      // Not chroot: whoever enters the namespace later would be outside of it.
      'cd root',
      'pivot_root . mnt',
      'umount -l /mnt',
    ].join(' && ');
    const script = `${mounts} && echo ready && exec cat >/dev/null`;
    const holder = start('unshare', [...OWN_PROCESSES, '--net', 'sh', '-c', script]);
    await holder.waitFor(/ready/);
    const first = await must('ps', ['--ppid', String(holder.pid), '-o', 'pid=']);
    return new Tree(holder, first.trim());
  }

  run(script: string, timeoutMs = COMMAND_MS): Promise<RunResult> {
    const enter = ['-t', this.first, '--mount', '--net', '--pid', '--'];
    return run('nsenter', [...enter, 'sh', '-c', script], { timeoutMs });
  }

  async close(): Promise<void> {
    await this.holder.stop('SIGKILL');
  }
}

t.test('our package in place of stock’s', { skip: unavailable() }, async (t) => {
  t.setTimeout(1_800_000);
  const directory = mkdtempSync(join(tmpdir(), 'rondo-package-'));
  await must(process.execPath, [join(ROOT, 'scripts/package/deb.mjs'), '--out', directory], {
    timeoutMs: 2 * STORY_MS,
  });
  const [deb = ''] = readdirSync(directory).filter((name) => name.endsWith('.deb'));
  const tree = await Tree.over(join(directory, 'tree'), join(directory, deb));
  t.teardown(async () => {
    await tree.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const inTree = async (script: string, timeoutMs?: number): Promise<string> => {
    const { code, stdout, stderr } = await tree.run(script, timeoutMs);
    if (code !== 0) throw new Error(`${script}: status ${code}: ${stderr}${stdout}`.slice(-2000));
    return stdout;
  };

  await t.test('apt-get install replaces it, and keeps the others', async (t) => {
    t.setTimeout(400_000);
    await inTree('printf "#!/bin/sh\\nexit 101\\n" >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d');
    const options = '-y --no-install-recommends -o Dpkg::Options::=--force-confnew';
    await inTree(`DEBIAN_FRONTEND=noninteractive apt-get install ${options} /package.deb`);
    const states = await inTree("dpkg -l corosync pacemaker pcs crmsh libcpg4 | awk '/^ii/ { print $2 }'");
    t.strictSame(states.trim().split('\n').sort(), ['corosync', 'crmsh', 'libcpg4:amd64', 'pacemaker', 'pcs']);
    t.match(await inTree('corosync -v'), /^Corosync Cluster Engine, version '3\.\d+\.\d+'\nRondo /);
    t.match(await inTree('dpkg -S /usr/sbin/corosync /usr/bin/rondo'), /^corosync: .*\ncorosync: /);
  });

  await t.test('one node of it: names, processes, tools', async (t) => {
    t.setTimeout(300_000);
    // Detached: the daemon's process goes on after the script, in this process space.
    const seen = await inTree(
      'ip link set lo up && corosync && pidof corosync | wc -w && ps -C corosync -o comm= && pgrep -xc corosync && ' +
        'corosync-quorumtool -s && corosync-cfgtool -s && crm_node -l; kill -TERM $(cat /run/corosync.pid)',
    );
    t.match(seen, /^1\ncorosync\n1\n/, 'one process of the name');
    t.match(seen, /^Quorate: +Yes$/m);
    t.match(seen, /^Local node ID 1, transport knet$/m);
  });

  await t.test('pcs sets up an arbiter and a node’s keys; the arbiter runs as its own user', async (t) => {
    t.setTimeout(600_000);
    const asked = 'corosync-qnetd-tool -s && ps -C corosync-qnetd -o user= && rondo qnetd status --json';
    const arbiter = (script: string): Promise<string> =>
      inTree(`/etc/init.d/corosync-qnetd start && ${script}; status=$?; /etc/init.d/corosync-qnetd stop; exit $status`);
    if ((await tree.run('test -e /etc/corosync/qnetd/nssdb/cert9.db')).code === 0)
      t.match(
        await arbiter(asked),
        /^TLS:\s+Supported[\s\S]*^coroqnetd$[\s\S]*"tls": "supported"/m,
        'with stock’s database',
      );
    await inTree('rm -rf /etc/corosync/qnetd/nssdb');
    t.match(await inTree('pcs qdevice setup model net 2>&1'), /initialized/);
    t.match(
      (await tree.run('pcs qdevice setup model net')).stderr,
      /already initialized/,
      'pcs sees that there are keys',
    );
    t.match(await arbiter(asked), /^coroqnetd$/m, 'with ours');
    t.match(
      await inTree('stat -c "%U:%G %a" /etc/corosync/qnetd/nssdb/*.key'),
      /^root:coroqnetd 600\nroot:coroqnetd 640\n$/,
    );
    // What pcs does on the nodes and on the arbiter's host, by its own functions.
    const client = [
      'import logging, os',
      'from pcs.lib.corosync import qdevice_net as q',
      'from pcs.lib.external import CommandRunner',
      'from pcs.cli.reports.processor import ReportProcessorToConsole as P',
      'r = CommandRunner(logging.getLogger(), P())',
      'ca = open("/etc/corosync/qnetd/nssdb/qnetd-cacert.crt", "rb").read()',
      'q.client_setup(r, ca)',
      'q.client_setup(r, ca)', // removes what is there, and makes it again
      'signed = q.qdevice_sign_certificate_request(r, q.client_generate_certificate_request(r, "lab"), "lab")',
      'q.client_import_certificate_and_key(r, q.client_cert_request_to_pk12(r, signed))',
      'print(q.client_initialized(), sorted(os.listdir("/etc/corosync/qdevice/net/nssdb")))',
      'q.client_destroy()',
      'print(os.path.exists("/etc/corosync/qdevice/net/nssdb"))',
    ];
    await inTree(`cat >/tmp/client.py <<'END'\n${client.join('\n')}\nEND`);
    t.match(
      await inTree('/usr/bin/python3 /tmp/client.py'),
      /^True \[.*'ca\.crt'.*'node\.crt', 'node\.key'.*\nFalse\n$/,
    );
  });

  const full = FULL ? false : 'only with RONDO_LAB_FULL=1';
  await t.test('what stands above sees what it sees on stock', { skip: full }, async (t) => {
    t.setTimeout(2 * STORY_MS + 60_000);
    const parse = ({ code, stdout, stderr }: RunResult): Record<string, unknown> => {
      if (code !== 0) throw new Error(`status ${code}: ${stderr.slice(-3000)}`);
      return JSON.parse(stdout.slice(stdout.lastIndexOf('\n{') + 1)) as Record<string, unknown>;
    };
    const stock = await run('unshare', [...OWN_PROCESSES, process.execPath, STORY], { timeoutMs: STORY_MS });
    const ours = parse(await tree.run(`exec '${process.execPath}' '${STORY}'`, STORY_MS));
    for (const [step, expected] of Object.entries(parse(stock))) t.same(ours[step], expected, step);
  });

  await t.test('purge leaves no file', async (t) => {
    t.setTimeout(400_000);
    const files = (await inTree('dpkg -L corosync'))
      .trim()
      .split('\n')
      .filter((path) => /rondo|corosync/.test(path));
    await inTree('dpkg --purge --force-depends corosync');
    // Directories that stock's packages, removed and not purged, own as well stay.
    const left = (await inTree(`for path in ${files.join(' ')}; do [ ! -e "$path" ] || echo "$path"; done`)).trim();
    t.strictSame(
      left.split('\n').filter((path) => path !== '' && !/^\/(etc\/corosync(\/(uidgid\.d|qnetd))?)$/.test(path)),
      [],
      'files of the package',
    );
    t.equal(
      await inTree(
        `cd / && find ${OWN_DIRECTORIES.join(' ')} -type f -newer /usr/sbin/policy-rc.d 2>/dev/null || true`,
      ),
      '',
    );
  });
});
