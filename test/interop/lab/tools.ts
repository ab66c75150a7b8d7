import type { LabNode } from './node.ts';
import { sleep } from './process.ts';

/** One command of a stock tool whose output must be the same on both kinds of daemon. */
export interface ToolCase {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Rewrites what must differ between two runs even of the same daemon. */
  readonly normalise?: (line: string) => string | null;
  readonly sorted?: boolean;
}

export interface ToolOutput {
  readonly status: number;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
}

/** Scripts with five processes of ours take their time on a machine with other things to do. */
const HANGS_MS = 90_000;

/** What it prints has to do with the nodes and their network: values that somebody sets, usage texts and keys are the same on all rings. */
export function showsRing({ command, name }: ToolCase): boolean {
  return (
    /^corosync-(?:cfg|quorum)tool$/.test(command) ||
    /^(?:configuration map|statistics map|keys with|after the)/.test(name)
  );
}

/** Runs the tool on a node; `directory` is looked into first for a program of that name. */
export async function runTool(node: LabNode, tool: ToolCase, directory: string | null = null): Promise<ToolOutput> {
  const path = `PATH=${directory === null ? '' : `${directory}:`}/usr/sbin:/usr/bin:/sbin:/bin`;
  const { code, stdout, stderr } = await node.space.run('env', [path, tool.command, ...tool.args], {
    timeoutMs: HANGS_MS,
  });
  // Some orders travel round the ring after their response.
  if (/^-[evR]$/.test(tool.args[0] ?? '')) await sleep(300);
  return { status: code, stdout: lines(stdout, tool), stderr: lines(stderr, tool) };
}

function lines(text: string, tool: ToolCase): string[] {
  const result = text
    .split('\n')
    .map((line) => volatile(line))
    .map((line) => (line === null || tool.normalise === undefined ? line : tool.normalise(line)))
    .filter((line): line is string => line !== null);
  return tool.sorted ? result.sort() : result;
}

/** What differs between two runs of the same daemon: times, process ids, ring sequences, counters. */
function volatile(line: string): string | null {
  // Pauses of the process: none on a quiet machine.
  if (line.startsWith('stats.schedmiss.')) return null;
  // Of the release after 3.1.10, which 3.1.7 does not have (docs/compatibility.md): a fifth message of votequorum, three options.
  if (line.startsWith('runtime.services.votequorum.4.') || /^ {2}-[WXC] .*\(votequorum only\)$/.test(line)) return null;
  const [, key, type, value] = /^(\S+) \((\w+)\) = (.*)$/.exec(line) ?? [];
  if (key !== undefined) return `${volatileKey(key)} (${type}) = ${volatileValue(key, value ?? '')}`;
  return line
    .replace(/^Date: .*/, 'Date: …')
    .replace(/^(Ring ID:\s+\w+)\..*/, '$1.…')
    .replace(/^\t\t *\d+(\t *\d+ \()/, '\t\tPID$1')
    .replace(/^(my group,)\d+(,\d+)$/, '$1PID$2');
}

function volatileKey(key: string): string {
  return key.replace(/^(stats\.ipcs\.service\d+)\.\d+\.0x[0-9a-f]+/, '$1.PID.PTR');
}

const COUNTERS = [
  /^runtime\.services\..*\.[rt]x$/,
  /^runtime\.members\.\d+\.join_count$/,
  /^resources\.system\..*\.(?:current|last_updated)$/,
  /^stats\.(?:srp|pg|knet|ipcs|schedmiss)\./,
];
/** Statistics whose values are the same everywhere once a ring stands. */
const STEADY =
  /\.(?:enabled|connected|mtu|procname|firewall_enabled_or_nic_failure|continuous_gather|operational_token_lost)$/;

function volatileValue(key: string, value: string): string {
  return COUNTERS.some((pattern) => pattern.test(key)) && !STEADY.test(key) ? '…' : value;
}

const cmapctl = (name: string, ...args: readonly string[]): ToolCase => ({ name, command: 'corosync-cmapctl', args });
const cfgtool = (name: string, ...args: readonly string[]): ToolCase => ({ name, command: 'corosync-cfgtool', args });
const shell = (name: string, command: string, script: string): ToolCase => ({
  name: `${command.replace('corosync-', '')}: ${name}`,
  command: 'sh',
  args: ['-c', script],
});
const quorumtool = (name: string, ...args: readonly string[]): ToolCase => ({
  name,
  command: 'corosync-quorumtool',
  args,
});
const cpgtool = (name: string, ...args: readonly string[]): ToolCase => ({ name, command: 'corosync-cpgtool', args });

/** Makes a key, and shows its size and mode. */
const KEYGEN = (options: string): string =>
  `d=$(mktemp -d) && cd $d && corosync-keygen ${options} -k key; s=$?; stat -c '%s %a' key; rm -r $d; exit $s`;

/** Ends it when the last member was printed. */
const MONITORED = `
  f=$(mktemp) && { stdbuf -oL corosync-quorumtool -m >$f & } && n=0 &&
  until grep -q 'node3$' $f || [ $((n += 1)) -gt 300 ]; do sleep 0.1; done;
  sleep 0.5; kill $!; wait $! 2>/dev/null; cat $f; rm -f $f; exit 0`;

/** Sets a key, sets it again and deletes it while the tool watches, then types q. */
const WATCH = (watch: string): string => `
  f=$(mktemp -u) && mkfifo $f && { corosync-cmapctl ${watch} <$f & } && exec 3>$f && sleep 1 &&
  corosync-cmapctl -s test.watch u8 1 && corosync-cmapctl -s test.watch u8 2 && corosync-cmapctl -d test.watch &&
  sleep 1 && echo q >&3; wait $!; s=$?; rm -f $f; exit $s`;

/** In this order, on a fresh ring of three. */
export const TOOL_CASES: readonly ToolCase[] = [
  cmapctl('configuration map'),
  { ...cmapctl('statistics map', '-m', 'stats'), sorted: true },
  cmapctl('keys with a prefix', 'totem.', 'quorum.'),
  cmapctl('no such prefix', 'nothing.here'),
  cmapctl('get', '-g', 'totem.token', 'totem.version'),
  cmapctl('get quietly', '-qg', 'totem.cluster_name'),
  cmapctl('get what is not there', '-g', 'no.such.key'),
  ...['i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64'].flatMap((type) => [
    cmapctl(`set ${type}`, '-s', `test.${type}`, type, '100'),
    cmapctl(`get ${type}`, '-g', `test.${type}`),
  ]),
  cmapctl('set negative', '-s', '--', 'test.negative', 'i64', '-9223372036854775808'),
  cmapctl('set u64 high', '-s', 'test.u64', 'u64', '18446744073709551615'),
  cmapctl('set flt', '-s', 'test.flt', 'flt', '1.5'),
  cmapctl('set dbl', '-s', 'test.dbl', 'dbl', '3.141592653589793'),
  cmapctl('set str', '-s', 'test.str', 'str', 'hello world'),
  cmapctl('change of type', '-s', 'test.str', 'u32', '7'),
  cmapctl('bad type', '-s', 'test.bad', 'foo', '1'),
  cmapctl('out of range', '-s', 'test.bad', 'u8', '300'),
  cmapctl('bad key name', '-s', 'bad key', 'u8', '3'),
  cmapctl('short key name', '-s', 'ab', 'u8', '3'),
  cmapctl('read-only key', '-s', 'totem.version', 'u32', '3'),
  cmapctl('read-only prefix', '-s', 'nodelist.node.0.name', 'str', 'x'),
  cmapctl('read-only delete', '-d', 'runtime.config.totem.token'),
  cmapctl('all of test', '-b', 'test.'),
  cmapctl('delete', '-d', 'test.i8'),
  cmapctl('delete what is not there', '-d', 'test.i8'),
  cmapctl('delete prefix', '-D', 'test.'),
  cmapctl('nothing left', 'test.'),
  cmapctl('no letter', '-x'),
  cmapctl('no key', '-g'),
  cmapctl('too few', '-s', 'a.key', 'u8'),
  cmapctl('no such map', '-m', 'nothing'),
  cmapctl('map without a value', '-m'),
  cmapctl('help', '-h'),
  cmapctl('not a number', '-s', 'test.bad', 'u8', 'abc'),
  cmapctl('something behind a number', '-s', 'test.tail', 'u8', '12abc'),
  cmapctl('a minus for a u64', '-s', '--', 'test.minus', 'u64', '-1'),
  cmapctl('hexadecimal float', '-s', 'test.hexfloat', 'dbl', '0x1.8p1'),
  cmapctl('infinite', '-s', 'test.inf', 'flt', 'inf'),
  cmapctl('empty string', '-s', 'test.empty', 'str', ''),
  cmapctl('long key name', '-s', `test.${'k'.repeat(300)}`, 'u8', '1'),
  cmapctl('quiet list', '-q', 'test.'),
  cmapctl('letters joined', '-bqg', 'test.tail'),
  cmapctl('option behind the key', 'test.tail', '-g'),
  shell('binary', 'corosync-cmapctl', "printf 'a\\\\b\\001\\377' | corosync-cmapctl -s test.bin bin -"),
  cmapctl('binary hidden', 'test.bin'),
  cmapctl('binary shown', '-b', 'test.bin'),
  shell('empty binary', 'corosync-cmapctl', 'corosync-cmapctl -s test.bin0 bin - </dev/null'),
  cmapctl('binary of no file', '-s', 'test.bin', 'bin', '/nothing/here'),
  shell(
    'settings from a file',
    'corosync-cmapctl',
    "f=$(mktemp) && printf '# c\\n\\n  test.p1 u8 5\\ntest.p2 str word more\\n^test.p1\\n^^test.tail\\n^test.none\\n' >$f && corosync-cmapctl -p $f; s=$?; rm $f; corosync-cmapctl test.p; exit $s",
  ),
  shell(
    'settings without a type',
    'corosync-cmapctl',
    "f=$(mktemp) && printf 'test.p1\\n' >$f && corosync-cmapctl -p $f; s=$?; rm $f; exit $s",
  ),
  cmapctl('settings from nowhere', '-p', '/nothing/here'),
  shell('watched key', 'corosync-cmapctl', WATCH('-t test.watch')),
  shell('watched prefix', 'corosync-cmapctl', WATCH('-T test.')),
  cmapctl('clear nothing', '-C', 'nothing'),
  cmapctl('clear', '-C', 'all'),
  cmapctl('delete the rest', '-D', 'test.'),
  cmapctl('set a statistic', '-m', 'stats', '-s', 'stats.srp.mcast_tx', 'u64', '1'),
  cfgtool('status', '-s'),
  cfgtool('brief status', '-sb'),
  cfgtool('nodes', '-n'),
  cfgtool('addresses', '-a', '2'),
  cfgtool('usage'),
  cfgtool('help', '-h'),
  cfgtool('no letter', '-x'),
  cfgtool('no long option', '--nothing'),
  cfgtool('ambiguous', '--re'),
  cfgtool('argument that is not taken', '--status=1'),
  cfgtool('argument that is missing', '--kill'),
  cfgtool('long options', '--status', '--brief'),
  cfgtool('shortened', '--stat'),
  cfgtool('interface', '-i', '0', '-s'),
  cfgtool('node that is no number', '-k', 'x'),
  cfgtool('node 0', '-a', '0'),
  cfgtool('addresses of nobody', '-a', '9'),
  cfgtool('kill nobody', '-k', '9'),
  cfgtool('reload', '-R'),
  cfgtool('reopen logs', '-L'),
  cmapctl('after the reload', 'config.'),
  cmapctl('configuration map after the reload'),
  quorumtool('status', '-s'),
  quorumtool('list', '-l'),
  quorumtool('hexadecimal ids', '-siH'),
  quorumtool('machine readable', '-p'),
  quorumtool('sorted by name', '-l', '-o', 'n'),
  quorumtool('all addresses', '-la'),
  quorumtool('numeric, all addresses', '-lai'),
  quorumtool('sorted by id', '-l', '-o', 'i'),
  quorumtool('no such order', '-o', 'x'),
  quorumtool('help', '-h'),
  quorumtool('version', '-V'),
  quorumtool('no letter', '-x'),
  quorumtool('votes that are no number', '-v', 'x'),
  quorumtool('expected votes 0', '-e', '0'),
  quorumtool('node that is no number', '-n', 'x'),
  quorumtool('no device', '-f'),
  shell('monitored', 'corosync-quorumtool', MONITORED),
  quorumtool('too few expected votes', '-e', '1'),
  quorumtool('more expected votes', '-e', '4'),
  quorumtool('status with them', '-s'),
  quorumtool('back', '-e', '3'),
  quorumtool('votes of nobody', '-v', '1', '-n', '55'),
  quorumtool('two votes', '-v', '2', '-n', '2'),
  quorumtool('status with two votes', '-s'),
  quorumtool('one vote again', '-v', '1', '-n', '2'),
  cpgtool('groups'),
  cpgtool('names', '-n'),
  cpgtool('machine readable groups', '-d', ','),
  cpgtool('unescaped', '-e'),
  cpgtool('names with a delimiter', '-n', '-d', ':;'),
  cpgtool('help', '-h'),
  cpgtool('no letter', '-x'),
  cpgtool('delimiter that is missing', '-d'),
  shell('a key', 'corosync-keygen', KEYGEN('')),
  shell('a short key', 'corosync-keygen', KEYGEN('-s 128 -l')),
  shell('long options', 'corosync-keygen', KEYGEN('--size=4096 --random-file /dev/zero --less-secure')),
  { name: 'too short', command: 'corosync-keygen', args: ['-s', '127'] },
  { name: 'no size', command: 'corosync-keygen', args: ['-s', 'x'] },
  { name: 'help', command: 'corosync-keygen', args: ['-h'] },
  { name: 'no letter', command: 'corosync-keygen', args: ['-x'] },
  { name: 'nowhere', command: 'corosync-keygen', args: ['-k', '/nothing/here'] },
  { name: 'no source', command: 'corosync-keygen', args: ['-r', '/nothing/here', '-k', '/nothing/here'] },
];
