import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOOLS } from '../src/cli/stock/index.ts';
import { DeviceLab } from '../test/interop/lab/device.ts';
import { qdeviceUnavailable, ROOT } from '../test/interop/lab/host.ts';
import type { LabNode } from '../test/interop/lab/node.ts';
import type { Space } from '../test/interop/lab/space.ts';
import { COUNT, toolNumber, toolOptions } from '../test/tool-options.ts';
import { type Spread, spreadOf } from './statistics.ts';

/**
 * From start to end: stock's commands and ours under the same names, in turn, against the same stock daemon, device and arbiter. What ours take
 * beyond stock's is their start, and the last rows say where that goes.
 */
const USAGE = `node dist/perf/startup.js [options]   what a run of each of stock's commands takes, stock's beside ours, as a table for docs/tools.md
  --runs 20
`;
/** What else the machine does is not to be measured: commands, and those that they ask, come first. */
const AHEAD = ['chrt', '--rr', '1'] as const;
const ASKED_AHEAD = `
for file in /run/corosync.pid /run/corosync-qdevice/*.pid /run/corosync-qnetd/*.pid; do
  [ ! -f "$file" ] || chrt --all-tasks --rr --pid 2 "$(cat "$file")"
done`;
const MEASURED_MS_MAX = 120_000;

const runs = toolNumber(USAGE, 'runs', toolOptions(USAGE, { runs: { type: 'string', default: '20' } }).runs, COUNT);

interface Command {
  readonly line: string;
  /** Of stock, of ours; the same line with another directory in front if left out. */
  readonly stock?: string;
  readonly ours?: string;
  readonly onArbiter?: boolean;
}

interface Cost {
  readonly ms: Spread;
  readonly cpuMs: Spread;
  readonly statuses: ReadonlySet<string>;
}

/** A run of each in turn: microseconds of the clock, exit status, and milliseconds of user and system time. */
const SCRIPT = `
TIMEFORMAT='%3U %3S'
runs=$1; shift
for round in $(seq $runs); do
  for at in $(seq $#); do
    begin=$EPOCHREALTIME
    { time { eval "\${!at}" </dev/null >/dev/null 2>&1; status=$?; }; } 2>"$SPENT"
    end=$EPOCHREALTIME
    echo "$at $(( \${end/./} - \${begin/./} )) $status $(<"$SPENT")"
  done
done`;

/** What each of these lines costs. The first round warms the files' pages, and does not count. */
async function costs(space: Space, directory: string, lines: readonly string[]): Promise<readonly Cost[]> {
  // Nothing else of the environment: some of it makes Node.js load files, and the launcher drops it.
  const environment = [`SPENT=${join(directory, 'spent')}`, 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'];
  const args = ['-i', ...environment, ...AHEAD, 'bash', '-c', SCRIPT, 'startup', String(runs + 1), ...lines];
  const output = await space.must('env', args, { timeoutMs: MEASURED_MS_MAX });
  const rows = output
    .trim()
    .split('\n')
    .map((row) => row.split(' '))
    .slice(lines.length);
  return lines.map((_, index) => {
    const own = rows.filter(([at]) => Number(at) === index + 1);
    return {
      ms: spreadOf(own.map(([, us]) => Number(us) / 1000)),
      cpuMs: spreadOf(own.map(([, , , user, system]) => (Number(user) + Number(system)) * 1000)),
      statuses: new Set(own.map(([, , status]) => status!)),
    };
  });
}

function commandsOf(directory: string): readonly Command[] {
  const key = join(directory, 'key');
  return [
    { line: 'corosync -v', ours: `${join(ROOT, 'bin/rondod')} -v` },
    { line: 'corosync-cfgtool -s' },
    { line: 'corosync-cmapctl -g totem.version' },
    { line: 'corosync-cmapctl' },
    { line: 'corosync-cpgtool' },
    { line: 'corosync-quorumtool -s' },
    { line: 'corosync-keygen -l -k KEY', stock: `corosync-keygen -l -k ${key}` },
    { line: 'corosync-blackbox' },
    { line: 'corosync-notifyd -h' },
    { line: 'corosync-vqsim -h' },
    { line: 'corosync-xmlproc', ours: join(ROOT, 'conf/package/corosync-xmlproc') },
    { line: 'corosync-qdevice-tool -s' },
    { line: 'corosync-qnetd-tool -s', onArbiter: true },
  ];
}

const shown = ({ median, low, high }: Spread): string => `${median.toFixed(1)} (${low.toFixed(1)}–${high.toFixed(1)})`;
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const ended = (...parts: readonly Cost[]): string => parts.map(({ statuses }) => [...statuses].join(' ')).join(' : ');

async function compare(lab: DeviceLab, node: LabNode, directory: string): Promise<void> {
  console.log(row(['Command', 'Stock, ms', 'Ours, ms', 'Processor, stock : ours, ms', 'Status']));
  console.log('|---|---|---|---|---|');
  for (const { line, stock = line, ours = join(directory, stock), onArbiter } of commandsOf(directory)) {
    const space = onArbiter === true ? lab.lab.wire : node.space;
    const [theirs, own] = (await costs(space, directory, [stock, ours])) as [Cost, Cost];
    const cpu = `${theirs.cpuMs.median.toFixed(0)} : ${own.cpuMs.median.toFixed(0)}`;
    console.log(row([`\`${line}\``, shown(theirs.ms), shown(own.ms), cpu, ended(theirs, own)]));
  }
}

/** What a start of ours is made of. A V8 option that the build did not have makes V8 refuse the code cache. */
async function explain(node: LabNode, directory: string): Promise<void> {
  const entry = `${join(ROOT, 'dist/src/cli/stock/entry.js')} corosync-cmapctl -g totem.version`;
  const lines = {
    'Node.js with an empty program': `${process.execPath} -e 0`,
    '`corosync-cmapctl -g`, without the shell that chooses Node.js': `${process.execPath} ${entry}`,
    'the same without the code cache': `${process.execPath} --no-flush-bytecode ${entry}`,
    'as it is called': join(directory, 'corosync-cmapctl -g totem.version'),
  };
  const found = await costs(node.space, directory, Object.values(lines));
  console.log(`\n${row(['What', 'ms', 'Processor, ms'])}\n|---|---|---|`);
  for (const [at, name] of Object.keys(lines).entries())
    console.log(row([name, shown(found[at]!.ms), found[at]!.cpuMs.median.toFixed(0)]));
}

const unavailable = qdeviceUnavailable();
if (unavailable !== false) {
  console.log(`start-up times cannot be measured here: ${unavailable}`);
  process.exit(1);
}
const directory = mkdtempSync(join(tmpdir(), 'rondo-startup-'));
for (const { name } of TOOLS) symlinkSync(join(ROOT, 'bin/corosync-tool'), join(directory, name));
const lab = await DeviceLab.create({ algorithm: 'ffsplit', tls: 'off', device: ['votes: 1'] }, ['stock', 'stock']);
try {
  for (const node of lab.lab.nodes) node.startDaemon();
  await lab.lab.waitRing(lab.lab.nodes);
  await lab.startServer();
  for (const node of lab.lab.nodes) await lab.startDevice(node);
  await lab.reach({ 1: true, 2: true });
  const node = lab.lab.node(1);
  for (const space of [node.space, lab.lab.wire]) await space.shell(ASKED_AHEAD);
  await compare(lab, node, directory);
  await explain(node, directory);
} finally {
  await lab.close();
  rmSync(directory, { recursive: true, force: true });
}
