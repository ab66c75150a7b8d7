import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import t from 'tap';
import { FULL } from './lab/cases.ts';
import { hasCommand, labUnavailable, ROOT } from './lab/host.ts';
import { buildPackage } from './lab/packaged.ts';
import { must, run } from './lab/process.ts';

/**
 * `conf/container`: the image is built as the file says, from a base that is made here (no registry is asked), and runs with the words of the
 * file's own line; then as the pod has it, with programs in containers of their own beside it.
 */
const STORY_MS = 400_000;
const FILE = join(ROOT, 'conf/container/Containerfile');
const PROGRAMS = ['podman', 'buildah', 'crun', 'conmon', 'mmdebstrap'];
const CONF = `totem {\n version: 2\n cluster_name: box\n transport: knet\n crypto_cipher: none\n crypto_hash: none\n}
nodelist {\n node {\n nodeid: 1\n name: one\n ring0_addr: 127.0.0.1\n }\n}
quorum {\n provider: corosync_votequorum\n}
logging {\n to_stderr: yes\n to_logfile: no\n to_syslog: no\n}\n`;

const missing = PROGRAMS.filter((name) => !hasCommand(name));
const rare = FULL ? false : 'only with RONDO_LAB_FULL=1: packages of a base image are fetched';
const skip = labUnavailable() || rare || (missing.length > 0 ? `needs Debian’s ${missing.join(', ')}` : false);

t.test('the image of the Containerfile', { skip }, async (t) => {
  t.setTimeout(STORY_MS);
  const directory = mkdtempSync(join(tmpdir(), 'rondo-container-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  await image(directory);
  const seen = await sections(directory);

  t.match(seen['quorum'], /Quorate: +Yes\n.*one \(local\)\nstatus 0/s, 'tools within answer');
  t.match(seen['map'], /totem\.cluster_name \(str\) = box/, 'the map, too');
  t.match(seen['check'], /status 0/, 'what the image has as its check of health');
  t.match(seen['scheduling'], /SCHED_RR/, 'SYS_NICE gives the ring’s thread its priority');
  t.match(seen['end'], /^0$/m, 'SIGTERM: status 0');
  t.match(seen['end'], /exiting normally/, 'in order');
  t.match(seen['pod quorum'], /Quorate: +Yes/, 'a program in a container beside it');
  const alike = 'of two programs that are both process 1 one is refused: why the pod has shareProcessNamespace';
  t.match(seen['pod group'], /^members 1$.*EXIST \(14\)/ms, alike);
  t.match(seen['pod ids'], /^members 2$/m, 'with ids of their own both are members');
  t.match(seen['pod end'], /^0$/m);
});

/** The image `rondo`, in a store of its own below the directory. */
async function image(directory: string): Promise<void> {
  const base = join(directory, 'base');
  mkdirSync(join(directory, 'context/dist/packages'), { recursive: true });
  const deb = await buildPackage(directory);
  copyFileSync(deb, join(directory, 'context/dist/packages', basename(deb)));
  await must('mmdebstrap', ['--quiet', '--variant=minbase', 'bookworm', base], { timeoutMs: STORY_MS });
  cpSync(process.execPath, join(base, 'usr/local/bin/node'), { dereference: true });
  writeFileSync(join(directory, 'Basefile'), 'FROM scratch\nCOPY . /\n');
  const from = /^FROM (\S+)$/m.exec(readFileSync(FILE, 'utf8'))?.[1] ?? '';
  const bud = [...store(directory), 'bud', '--isolation', 'chroot', '--network', 'host', '--pull-never'];
  const build = (words: readonly string[]) => must('buildah', [...bud, ...words], { timeoutMs: STORY_MS });
  await build(['-f', join(directory, 'Basefile'), '-t', from, base]);
  await build(['--format', 'docker', '-f', FILE, '-t', 'rondo', join(directory, 'context')]);
}

const store = (directory: string): string[] => [
  ...['--root', join(directory, 'store'), '--runroot', join(directory, 'run'), '--storage-driver', 'vfs'],
];

/** Capabilities that this machine can give, of those that a text names. */
function givable(names: string, own: bigint): string {
  const bits: Readonly<Record<string, bigint>> = { SYS_RESOURCE: 24n, LINUX_IMMUTABLE: 9n, SYS_NICE: 23n };
  const given = (name: string) => bits[name] === undefined || (own >> bits[name]) % 2n === 1n;
  return names
    .split(/[',\s]+/)
    .filter((name) => name !== '' && given(name))
    .join(',');
}

/** What each step of the story wrote, by the step's name. */
async function sections(directory: string): Promise<Readonly<Record<string, string>>> {
  mkdirSync(join(directory, 'etc'));
  writeFileSync(join(directory, 'etc/corosync.conf'), CONF);
  const words = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', script(directory)];
  const { stdout, stderr } = await run('unshare', words, { timeoutMs: STORY_MS });
  const parts = stdout.split(/^=== (.*)\n/m).slice(1);
  const found: Record<string, string> = { errors: stderr };
  for (let at = 0; at < parts.length; at += 2) found[parts[at] ?? ''] = parts[at + 1] ?? '';
  if (found['pod end'] === undefined) throw new Error(`the story did not end: ${stdout}${stderr}`.slice(-9000));
  return found;
}

function script(directory: string): string {
  const own = BigInt(`0x${/CapBnd:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`);
  const line = /--cap-add (\S+)/.exec(readFileSync(FILE, 'utf8'))?.[1] ?? '';
  const pod = /add: \[(.*)\]/.exec(readFileSync(join(ROOT, 'conf/container/pod.yaml'), 'utf8'))?.[1] ?? '';
  const limits = '--cgroups disabled --ulimit nofile=1024:$(ulimit -Hn) --ulimit nproc=1024:1024';
  const volumes = '-v "$D/etc:/etc/corosync:ro" -v "$D/state:/var/lib/corosync"';
  return `
D='${directory}'; mkdir "$D/state" "$D/shm" "$D/prun"; ip link set lo up
umount /sys/fs/cgroup/unified 2>/dev/null # crun takes no mixture of both versions
P="podman ${store(directory).join(' ')} --cgroup-manager cgroupfs --events-backend file --tmpdir $D/tmp --runtime crun"
step() { echo "=== $1"; }
formed() { for i in $(seq 60); do $P exec $1 rondo quorum --check >/dev/null 2>&1 && return; sleep 0.5; done; $P logs $1; }
$P run -d --name node1 --network host --shm-size 512m ${limits} --cap-add ${givable(line, own)} ${volumes} rondo && formed node1
step quorum; $P exec node1 corosync-quorumtool -s; echo status $?
step map; $P exec node1 corosync-cmapctl -g totem.cluster_name
step check; $P exec node1 rondo quorum --check; echo status $?
step scheduling; $P exec node1 chrt -a -p 1
step end; $P stop -t 30 node1; $P inspect node1 --format '{{.State.ExitCode}}'; $P logs node1 2>&1 | tail -n 1
mount -t tmpfs -o size=512m tmpfs "$D/shm"; mount -t tmpfs tmpfs "$D/prun"; shared="-v $D/shm:/dev/shm -v $D/prun:/run"
$P run -d --name pod ${limits} --network host --cap-drop ALL --cap-add ${givable(pod, own)} $shared ${volumes} rondo && formed pod
beside() { name=$1; program=$2; shift 2; $P run --name $name --network container:pod ${limits} --cap-drop ALL $shared --entrypoint $program rondo "$@"; }
step 'pod quorum'; beside asks corosync-quorumtool -s
members() { $P exec pod rondo cpg list group --json | grep -c '"pid"'; }
become() { for i in $(seq 30); do [ "$(members)" = $1 ] && break; sleep 0.5; done; echo members $(members); }
beside first rondo cpg watch group >/dev/null 2>&1 &
step 'pod group'; become 1; beside second rondo cpg watch group 2>&1
step 'pod ids'; $P exec pod rondo cpg watch group >/dev/null 2>&1 &
become 2
$P stop -t 5 first >/dev/null
step 'pod end'; $P stop -t 30 pod; $P inspect pod --format '{{.State.ExitCode}}'
`;
}
