import t, { type Test } from 'tap';
import { describe, skipReason } from './lab/cases.ts';
import { type ClusterOptions, TOKEN_MS } from './lab/conf.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind, LabNode } from './lab/node.ts';
import { type Running, sleep } from './lab/process.ts';
import { program } from './lab/programs.ts';

/**
 * Votequorum side by side: two clusters, one of stock and one of ours, go through the same story. After every step every
 * node must show the same: quorate, votes, expected votes, quorum, flags, members, and the keys of the service.
 */
const OURS: DaemonKind = process.env['RONDO_LAB_KINDS'] === undefined ? 'ours' : 'stock';
const AGREE_MS = 15_000;

/** One of the two clusters. */
class Side {
  readonly devices = new Map<number, Running>();
  constructor(readonly lab: Lab) {}

  node(id: number): LabNode {
    return this.lab.node(id);
  }

  living(): LabNode[] {
    return this.lab.nodes.filter((node) => node.daemon?.alive);
  }

  /** What `corosync-quorumtool -s` and the keys say on every living node, without what differs between two runs. */
  async view(): Promise<Record<string, string[]>> {
    const views: Record<string, string[]> = {};
    for (const node of this.living()) {
      const { stdout, code } = await node.tool('corosync-quorumtool', '-s');
      const lines = stdout.split('\n').filter((line) => line.trim() !== '' && !/^(Date|Ring ID|---)/.test(line));
      const keys = (await node.tool('corosync-cmapctl', 'runtime.votequorum.')).stdout.trimEnd().split('\n');
      const quorate = lines.some((line) => /^Quorate:\s+Yes/.test(line));
      // Lowest and highest id are those of the last moment with quorum; without quorum that moment depends on timing.
      const steady = quorate ? keys : keys.filter((key) => !/\.(?:lowest|highest)_node_id /.test(key));
      views[node.plan.name] = [`status ${code}`, ...lines.map((line) => line.trimEnd()), ...steady];
    }
    return views;
  }

  /** Cuts the network between the groups. */
  async split(groups: readonly (readonly number[])[]): Promise<void> {
    for (const group of groups) {
      const others = this.lab.nodes.filter((node) => !group.includes(node.id));
      for (const id of group) await this.node(id).cut({ peers: others });
    }
    await Promise.all(groups.map((group) => this.lab.waitRing(group.map((id) => this.node(id)))));
  }

  async heal(): Promise<void> {
    for (const node of this.lab.nodes) await node.heal();
    await this.together();
  }

  async together(): Promise<void> {
    await this.lab.waitRing(this.living());
  }

  async device(id: number, command: string): Promise<void> {
    let running = this.devices.get(id);
    if (running === undefined || !running.alive) {
      running = this.node(id).space.start(await program('qdevice'));
      this.devices.set(id, running);
      await running.waitFor(/^start 1$/m);
    }
    running.output = '';
    running.write(`${command}\n`);
    await running.waitFor(new RegExp(`^${command} \\d+$`, 'm'));
  }

  async close(): Promise<void> {
    for (const device of this.devices.values()) await device.stop('SIGKILL');
    await this.lab.close();
  }
}

type Step = readonly [name: string, act: (side: Side) => Promise<void>];

const boot = (...ids: number[]): Step => [
  `boot ${ids.join(' ')}`,
  async (side) => {
    for (const id of ids) side.node(id).startDaemon();
    await side.together();
  },
];
const kill = (...ids: number[]): Step => [
  `kill ${ids.join(' ')}`,
  async (side) => {
    for (const id of ids) await side.node(id).killDaemon();
    await side.together();
  },
];
const stop = (id: number): Step => [
  `stop ${id}`,
  async (side) => {
    await side.node(id).stopDaemon();
    await side.together();
  },
];
const split = (...groups: number[][]): Step => [`split ${groups.join(' | ')}`, (side) => side.split(groups)];
const heal: Step = ['heal', (side) => side.heal()];
const wait = (ms: number): Step => [`wait ${ms} ms`, () => sleep(ms)];
const quorumtool = (id: number, ...args: string[]): Step => [
  `quorumtool ${args.join(' ')} on ${id}`,
  async (side) => void (await side.node(id).tool('corosync-quorumtool', ...args)),
];
const setKey = (id: number, key: string, type: string, value: string): Step => [
  `set ${key} = ${value} on ${id}`,
  async (side) => void (await side.node(id).tool('corosync-cmapctl', '-s', key, type, value)),
];
const device = (id: number, command: string): Step => [
  `device of ${id}: ${command}`,
  (side) => side.device(id, command),
];
const reload = (name: string, changes: Partial<ClusterOptions>): Step => [
  `reload: ${name}`,
  async (side) => {
    side.lab.writeConfs(changes);
    await side.living()[0]!.tool('corosync-cfgtool', '-R');
    await sleep(500);
  },
];

interface VoteStory {
  readonly name: string;
  readonly size: number;
  /** Lines of the quorum section. */
  readonly quorum: readonly string[];
  readonly node?: NonNullable<ClusterOptions['node']>;
  readonly steps: readonly Step[];
  readonly rare?: boolean;
}

const tieBreaker = (node: string): VoteStory => ({
  name: `auto_tie_breaker ${node}`,
  size: 4,
  quorum: ['auto_tie_breaker: 1', `auto_tie_breaker_node: ${node}`],
  rare: node !== 'lowest',
  steps: [boot(1, 2, 3, 4), split([1, 2], [3, 4]), heal, split([1, 3], [2, 4]), heal, kill(1), kill(2), boot(1, 2)],
});

const STORIES: readonly VoteStory[] = [
  {
    name: 'plain',
    size: 3,
    quorum: [],
    steps: [
      boot(1),
      boot(2),
      boot(3),
      kill(3),
      boot(3),
      stop(2),
      boot(2),
      split([1], [2, 3]),
      heal,
      quorumtool(1, '-e', '1'),
      quorumtool(1, '-e', '4'),
      quorumtool(2, '-e', '3'),
      quorumtool(1, '-v', '2', '-n', '2'),
      quorumtool(1, '-v', '1', '-n', '2'),
      quorumtool(1, '-e', '3'),
      reload('expected votes 5', { quorum: ['provider: corosync_votequorum', 'expected_votes: 5'] }),
      reload('and back', {}),
      setKey(2, 'quorum.expected_votes', 'u32', '4'),
      kill(1),
      kill(2),
    ],
  },
  {
    // With quorum on one side a newcomer adopts its expected votes. (Without, it depends on whose message comes first.)
    name: 'expected votes are adopted',
    size: 4,
    quorum: [],
    steps: [boot(1, 2, 3, 4), quorumtool(1, '-e', '5'), kill(4), boot(4), split([1], [2, 3, 4]), heal],
  },
  {
    name: 'votes',
    size: 3,
    quorum: [],
    node: { 1: ['quorum_votes: 2'], 3: ['quorum_votes: 3'] },
    rare: true,
    steps: [boot(1), boot(2), boot(3), kill(3), boot(3), split([3], [1, 2]), heal],
  },
  {
    name: 'two_node',
    size: 2,
    quorum: ['two_node: 1'],
    steps: [boot(1), boot(2), kill(2), boot(2), split([1], [2]), heal, stop(1), boot(1)],
  },
  {
    name: 'wait_for_all',
    size: 3,
    quorum: ['wait_for_all: 1'],
    steps: [
      boot(1),
      boot(2),
      setKey(1, 'quorum.cancel_wait_for_all', 'u8', '1'),
      boot(3),
      kill(3),
      boot(3),
      split([1], [2, 3]),
      heal,
      kill(2, 3),
      boot(2),
      boot(3),
    ],
  },
  {
    name: 'last_man_standing, wait_for_all, auto_tie_breaker',
    size: 3,
    quorum: ['last_man_standing: 1', 'last_man_standing_window: 3000', 'wait_for_all: 1', 'auto_tie_breaker: 1'],
    steps: [boot(1), boot(2), boot(3), kill(3), wait(4000), kill(2), wait(4000), boot(2), boot(3), wait(4000)],
  },
  {
    name: 'last_man_standing',
    size: 4,
    quorum: ['last_man_standing: 1', 'last_man_standing_window: 2000'],
    rare: true,
    steps: [boot(1, 2, 3, 4), kill(4), wait(3000), kill(3), wait(3000), kill(2), wait(3000), boot(2), boot(3), boot(4)],
  },
  {
    name: 'last_man_standing, auto_tie_breaker',
    size: 4,
    quorum: ['last_man_standing: 1', 'last_man_standing_window: 2000', 'auto_tie_breaker: 1'],
    rare: true,
    steps: [boot(1, 2, 3, 4), kill(4), wait(3000), split([1], [2, 3]), heal, kill(3), wait(3000), kill(2), wait(3000)],
  },
  {
    name: 'two_node without wait_for_all',
    size: 2,
    quorum: ['two_node: 1', 'wait_for_all: 0'],
    rare: true,
    steps: [boot(1), boot(2), kill(1), boot(1), split([1], [2]), heal, reload('no two_node', {}), kill(2)],
  },
  {
    name: 'wait_for_all, auto_tie_breaker',
    size: 4,
    quorum: ['wait_for_all: 1', 'auto_tie_breaker: 1'],
    rare: true,
    steps: [boot(1, 2), boot(3), boot(4), split([1, 2], [3, 4]), heal, kill(1, 2), boot(1), boot(2)],
  },
  {
    name: 'expected_votes_tracking',
    size: 4,
    quorum: ['expected_votes: 2', 'expected_votes_tracking: 1'],
    steps: [boot(1, 2), boot(3), boot(4), kill(3, 4), kill(1), boot(1), quorumtool(2, '-e', '3'), kill(1), boot(1)],
  },
  {
    name: 'expected_votes_tracking, allow_downscale, wait_for_all',
    size: 3,
    quorum: ['expected_votes: 2', 'expected_votes_tracking: 1', 'allow_downscale: 1', 'wait_for_all: 1'],
    rare: true,
    // What comes back then adopts or not, as the order of the node infos has it, with stock, too.
    steps: [boot(1, 2, 3), stop(3), kill(2)],
  },
  tieBreaker('lowest'),
  tieBreaker('highest'),
  tieBreaker('3 1'),
  {
    name: 'allow_downscale',
    size: 4,
    quorum: ['allow_downscale: 1', 'expected_votes: 2'],
    // Nobody joins an inquorate ring here: what comes of that differs between two runs of stock, too.
    steps: [boot(1, 2, 3, 4), stop(4), boot(4), stop(3), boot(3), kill(2), boot(2), stop(4), stop(3)],
  },
  {
    name: 'device without votes',
    size: 3,
    quorum: ['device {', '  model: net', '  timeout: 3000', '  sync_timeout: 3000', '}'],
    steps: [
      boot(1, 2, 3),
      device(1, 'register'),
      device(2, 'register'),
      device(3, 'register'),
      device(1, 'vote 1'),
      device(2, 'vote 1'),
      device(3, 'vote 0'),
      device(3, 'vote 1'),
      split([1], [2, 3]),
      device(2, 'vote 0'),
      device(3, 'vote 0'),
      heal,
      device(2, 'vote 1'),
      device(3, 'pause'),
      wait(4000),
      device(3, 'vote 1'),
      device(2, 'unregister'),
      device(2, 'register'),
      kill(3),
      kill(2),
    ],
  },
  {
    name: 'device with votes, and a master',
    size: 3,
    quorum: [
      'expected_votes: 4',
      'device {',
      '  model: net',
      '  votes: 1',
      '  timeout: 3000',
      '  sync_timeout: 3000',
      '}',
    ],
    steps: [
      boot(1, 2, 3),
      device(1, 'register'),
      device(1, 'vote 1'),
      device(1, 'master 1'),
      split([1], [2, 3]),
      device(1, 'master 0'),
      heal,
      reload('no device', { quorum: ['provider: corosync_votequorum'] }),
    ],
  },
];

/** Both views, once they are equal or the time is over. */
async function compare(sides: readonly [Side, Side]): Promise<[Record<string, string[]>, Record<string, string[]>]> {
  const end = Date.now() + AGREE_MS;
  for (;;) {
    const views = (await Promise.all(sides.map((side) => side.view()))) as [
      Record<string, string[]>,
      Record<string, string[]>,
    ];
    if (JSON.stringify(views[0]) === JSON.stringify(views[1]) || Date.now() > end) return views;
    await sleep(300);
  }
}

async function tell(t: Test, story: VoteStory, kinds: readonly DaemonKind[]): Promise<void> {
  const options: ClusterOptions = {
    transport: 'udpu',
    tokenMs: TOKEN_MS / 2,
    quorum: ['provider: corosync_votequorum', ...story.quorum],
    ...(story.node === undefined ? {} : { node: story.node }),
  };
  const stock = new Side(
    await Lab.create(
      options,
      kinds.map(() => 'stock'),
    ),
  );
  const ours = new Side(await Lab.create(options, kinds));
  try {
    for (const [name, act] of story.steps) {
      await Promise.all([act(stock), act(ours)]);
      await sleep(300);
      const [expected, actual] = await compare([stock, ours]);
      if (!t.same(actual, expected, name)) t.comment(ours.lab.logs(40));
    }
  } catch (error) {
    t.comment(`stock:\n${stock.lab.logs(40)}\nours:\n${ours.lab.logs(40)}`);
    throw error;
  } finally {
    await stock.close();
    await ours.close();
  }
}

function addStory(name: string, story: VoteStory, kinds: readonly DaemonKind[], rare: boolean | undefined): void {
  t.test(name, { skip: skipReason(kinds, rare) }, async (t) => {
    t.setTimeout(400_000);
    await tell(t, story, kinds);
  });
}

for (const story of STORIES) {
  addStory(story.name, story, new Array<DaemonKind>(story.size).fill(OURS), story.rare);
}
if (process.env['RONDO_LAB_KINDS'] === undefined) {
  for (const story of STORIES) {
    const kinds = Array.from({ length: story.size }, (_, at): DaemonKind => (at % 2 === 0 ? 'ours' : 'stock'));
    addStory(`${story.name}, ${describe(kinds)}`, story, kinds, true);
  }
}
