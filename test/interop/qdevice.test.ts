import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { describe, FULL, mixtures, skipReason } from './lab/cases.ts';
import { DeviceLab, type DeviceOptions, type DeviceView } from './lab/device.ts';
import { qdeviceUnavailable } from './lab/host.ts';
import type { DaemonKind, LabNode } from './lab/node.ts';
import { sleep } from './lab/process.ts';

/**
 * Corosync's own qdevice and qnetd, unmodified, on a stock cluster and on one with our daemon. Both go through the same
 * story; after every step each node must be quorate or not as it should, and the tools must say the same on both.
 */
const AGREE_MS = 40_000;
const RING_MS = 60_000;

type Flags = Readonly<Record<number, boolean>>;

interface Step {
  readonly name: string;
  readonly act: (side: DeviceLab) => Promise<void>;
  readonly quorate: Flags;
}

interface DeviceCase {
  readonly options: DeviceOptions;
  readonly kinds: readonly DaemonKind[];
  readonly steps: readonly Step[];
  readonly rare: boolean;
}

const node = (side: DeviceLab, id: number): LabNode => side.lab.node(id);

/** Cuts the ring between two groups; all of them still reach the server. */
async function split(side: DeviceLab, one: readonly number[], other: readonly number[]): Promise<void> {
  const [left, right] = [one.map((id) => node(side, id)), other.map((id) => node(side, id))];
  for (const member of left) await member.cut({ peers: right });
  for (const member of right) await member.cut({ peers: left });
  await Promise.all([side.lab.waitRing(left, RING_MS), side.lab.waitRing(right, RING_MS)]);
}

async function heal(side: DeviceLab): Promise<void> {
  for (const member of side.lab.nodes) await member.heal();
  await side.lab.waitRing(side.lab.nodes, RING_MS);
}

async function boot(side: DeviceLab): Promise<void> {
  for (const member of side.lab.nodes) member.startDaemon();
  await side.lab.waitRing(side.lab.nodes, RING_MS);
}

async function devices(side: DeviceLab): Promise<void> {
  await side.startServer();
  for (const member of side.lab.nodes) await side.startDevice(member);
}

/** What is true of both algorithms with two nodes and the node with the lower id as tie breaker. */
const TWO_NODES: readonly Step[] = [
  { name: 'ring without devices', act: boot, quorate: { 1: true, 2: true } },
  { name: 'devices and their server', act: devices, quorate: { 1: true, 2: true } },
  {
    name: 'ring cut in halves',
    act: (side) => split(side, [1], [2]),
    quorate: { 1: true, 2: false },
  },
  { name: 'ring healed', act: heal, quorate: { 1: true, 2: true } },
  {
    name: 'node 1 cut off from the ring and from the server',
    act: async (side) => {
      await node(side, 1).cut();
      await Promise.all([1, 2].map((id) => side.lab.waitRing([node(side, id)], RING_MS)));
    },
    quorate: { 1: false, 2: true },
  },
  { name: 'node 1 back', act: heal, quorate: { 1: true, 2: true } },
  {
    name: 'daemon of node 1 killed',
    act: async (side) => {
      await node(side, 1).killDaemon();
      await side.lab.waitRing([node(side, 2)], RING_MS);
    },
    quorate: { 2: true },
  },
  {
    name: 'node 1 started again',
    act: async (side) => {
      await side.stopDevice(node(side, 1), 'SIGKILL');
      node(side, 1).startDaemon();
      await side.lab.waitRing(side.lab.nodes, RING_MS);
      await side.startDevice(node(side, 1));
    },
    quorate: { 1: true, 2: true },
  },
  { name: 'server dead', act: (side) => side.stopServer(), quorate: { 1: true, 2: true } },
  { name: 'server back', act: (side) => side.startServer(), quorate: { 1: true, 2: true } },
  {
    name: 'device of node 2 stopped',
    act: (side) => side.stopDevice(node(side, 2), 'SIGTERM'),
    quorate: { 1: true, 2: true },
  },
];

/** With algorithm 2nodelms stock's server leaves the node with the higher id without a vote when the other one vanishes. */
const NOT_ALONE: readonly Step[] = TWO_NODES.filter(({ name }) => !/^node 1 (?:cut off|back)/.test(name));

const HALVES: readonly Step[] = [
  { name: 'ring of four', act: boot, quorate: { 1: true, 2: true, 3: true, 4: true } },
  { name: 'devices and their server', act: devices, quorate: { 1: true, 2: true, 3: true, 4: true } },
  {
    name: 'halves',
    act: (side) => split(side, [1, 2], [3, 4]),
    quorate: { 1: true, 2: true, 3: false, 4: false },
  },
  { name: 'healed', act: heal, quorate: { 1: true, 2: true, 3: true, 4: true } },
  {
    name: 'the lower half cut off from everything',
    act: async (side) => {
      const [lower, upper] = [side.lab.nodes.slice(0, 2), side.lab.nodes.slice(2)];
      for (const [at, member] of lower.entries()) {
        await member.cut({ peers: upper });
        await member.space.must('nft', ['add', 'rule', 'inet', 'lab', 'out', 'tcp', 'dport', '5403', 'drop']);
        if (at === 0) for (const other of upper) await other.cut({ peers: lower });
      }
      await Promise.all([side.lab.waitRing(lower, RING_MS), side.lab.waitRing(upper, RING_MS)]);
    },
    quorate: { 1: false, 2: false, 3: true, 4: true },
  },
  { name: 'whole again', act: heal, quorate: { 1: true, 2: true, 3: true, 4: true } },
];

const OURS: readonly DaemonKind[] = ['ours', 'ours'];
const [two = OURS] = mixtures([OURS]);
const vote = ['votes: 1'];
/** Our arbiter and our device, with stock's or with each other: every algorithm, with TLS and without. */
const SIDES: readonly (readonly [DaemonKind, DaemonKind])[] = [
  ['ours', 'ours'],
  ['ours', 'stock'],
  ['stock', 'ours'],
];
const MIXED: readonly DeviceCase[] = SIDES.flatMap(([server, client]) =>
  (['ffsplit', 'lms', '2nodelms'] as const).flatMap((algorithm) =>
    (['required', 'off'] as const).map((tls) => ({
      options: { algorithm, tls, server, client, ...(algorithm === 'ffsplit' ? { device: vote } : {}) },
      kinds: two,
      steps: algorithm === '2nodelms' ? NOT_ALONE : TWO_NODES,
      rare: !(algorithm === 'ffsplit' && tls === 'required' && server === client),
    })),
  ),
);
const CASES: readonly DeviceCase[] = [
  ...MIXED,
  {
    options: { algorithm: 'ffsplit', tls: 'off', device: vote, server: 'ours', client: 'ours' },
    kinds: [...OURS, ...OURS],
    steps: HALVES,
    rare: true,
  },
  { options: { algorithm: 'ffsplit', tls: 'off', device: vote }, kinds: two, steps: TWO_NODES, rare: false },
  { options: { algorithm: 'lms', tls: 'required' }, kinds: two, steps: TWO_NODES, rare: false },
  { options: { algorithm: 'ffsplit', tls: 'required', device: vote }, kinds: two, steps: TWO_NODES, rare: true },
  { options: { algorithm: 'lms', tls: 'off' }, kinds: two, steps: TWO_NODES, rare: true },
  { options: { algorithm: '2nodelms', tls: 'off' }, kinds: two, steps: NOT_ALONE, rare: true },
  { options: { algorithm: '2nodelms', tls: 'required' }, kinds: two, steps: NOT_ALONE, rare: true },
  {
    options: { algorithm: 'ffsplit', tls: 'off', device: [...vote, 'master_wins: 1'] },
    kinds: two,
    steps: TWO_NODES,
    rare: true,
  },
  { options: { algorithm: 'lms', tls: 'off', device: ['master_wins: 0'] }, kinds: two, steps: TWO_NODES, rare: true },
  { options: { algorithm: 'lms', tls: 'required' }, kinds: ['stock', 'ours'], steps: TWO_NODES, rare: true },
  {
    options: { algorithm: 'ffsplit', tls: 'off', device: vote },
    kinds: ['ours', 'stock'],
    steps: TWO_NODES,
    rare: true,
  },
  { options: { algorithm: 'ffsplit', tls: 'off', device: vote }, kinds: [...OURS, ...OURS], steps: HALVES, rare: true },
];

const nameOf = ({ options, kinds }: DeviceCase): string => {
  const { server = 'stock', client = 'stock' } = options;
  return `${referenceOf(options)}, qnetd ${server}, qdevice ${client}, ${describe(kinds)}`;
};

/** What stock's cluster beside it is made from. */
function referenceOf({ algorithm, tls, device = [] }: DeviceOptions): string {
  const master = device.find((line) => line.startsWith('master_wins'));
  return `${algorithm}, TLS ${tls}${master === undefined ? '' : `, ${master}`}`;
}

/** Cases that have the same cluster of stock beside them, and therefore go through their steps together. */
function together(cases: readonly DeviceCase[]): Map<string, DeviceCase[]> {
  const groups = new Map<string, DeviceCase[]>();
  for (const one of cases) {
    const name = `${referenceOf(one.options)}, ${one.kinds.length} nodes`;
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return groups;
}

/** For each of ours, stock's view and its own of one moment: when they were equal, or else of when the time was over. */
async function agree(
  stock: DeviceLab,
  sides: readonly DeviceLab[],
): Promise<readonly (readonly [DeviceView, DeviceView])[]> {
  const end = Date.now() + AGREE_MS;
  const pairs = new Map<DeviceLab, readonly [DeviceView, DeviceView]>();
  let open = sides;
  for (;;) {
    const [expected, ...actual] = await Promise.all([stock, ...open].map((side) => side.view()));
    for (const [at, side] of open.entries()) pairs.set(side, [expected!, actual[at]!]);
    const late = Date.now() > end;
    open = open.filter((side) => !isDeepStrictEqual(...pairs.get(side)!));
    if (open.length === 0 || late) return sides.map((side) => pairs.get(side)!);
    await sleep(500);
  }
}

async function play(t: Test, cases: readonly DeviceCase[]): Promise<void> {
  const [{ kinds, options, steps }] = cases as [DeviceCase];
  const sides: DeviceLab[] = [];
  try {
    // Stock's first: it makes the certificates of all.
    const stock = { ...options, server: 'stock', client: 'stock' } as const;
    sides.push(await DeviceLab.create(stock, Array<DaemonKind>(kinds.length).fill('stock')));
    for (const one of cases) sides.push(await DeviceLab.create(one.options, one.kinds));
    for (const { name, act, quorate } of steps) {
      await Promise.all(sides.map((side) => act(side)));
      await Promise.all(sides.map((side) => side.reach(quorate)));
      const [stock, ...others] = sides as [DeviceLab, ...DeviceLab[]];
      const views = await agree(stock, others);
      for (const [at, one] of cases.entries()) {
        const [side, [expected, actual]] = [others[at]!, views[at]!];
        if (!t.same(actual, expected, `${nameOf(one)}: ${name}`)) t.comment(`${side.lab.logs(40)}\n${side.logs(20)}`);
      }
    }
  } finally {
    for (const side of sides) await side.close();
  }
}

/** Two clusters in each by default, up to six of them with everything; they wait for most of the time. */
t.jobs = FULL ? 1 : 3;

for (const [name, cases] of together(CASES)) {
  const chosen: DeviceCase[] = [];
  for (const one of cases) {
    const skip = qdeviceUnavailable() || skipReason(one.kinds, one.rare, nameOf(one));
    if (skip === false) chosen.push(one);
    else t.test(nameOf(one), { skip }, () => undefined);
  }
  if (chosen.length === 0) continue;
  t.test(name, { buffered: true }, async (t) => {
    t.setTimeout(900_000);
    await play(t, chosen);
  });
}
