import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { ServerLink } from '../../src/arbiter/qdevice/server-link.ts';
import { Device } from '../../src/qnet/device.ts';
import { Heuristics, TlsMode, VOTE_NAMES } from '../../src/qnet/ids.ts';
import { nodes } from '../qnet/arbiter-harness.ts';

/**
 * The same stories with Debian's arbiter and with ours, by our devices over TCP: the votes must be the same, and so must what either's tool
 * says of them. No daemon of a cluster is needed.
 */
const STOCK = '/usr/bin/corosync-qnetd';
const OURS = new URL('../../src/cli/stock/entry.js', import.meta.url).pathname;
const skip = existsSync(STOCK) ? false : 'corosync-qnetd is not installed';
const work = mkdtempSync(join(tmpdir(), 'rondo-qnetd-'));
t.teardown(() => rmSync(work, { recursive: true, force: true }));
// Each story has a limit of its own.
t.setTimeout(0);
const STORY_MS = 120_000;
const SETTLED_MS = 20_000;
/** Nobody sends heartbeats here: an arbiter that waits for them ends the connection in the middle of a story on a slow machine. */
const HEARTBEAT_MS = 60_000;
const four = [1, 2, 3, 4];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** An arbiter, and devices that talk to it. */
class Side {
  readonly devices = new Map<number, Device>();
  readonly heuristics = new Map<number, number>();
  private readonly links = new Map<number, ServerLink>();
  private seq = 8n;

  private constructor(
    private readonly kind: 'stock' | 'ours',
    private readonly port: number,
    private readonly server: ChildProcess,
    private readonly socket: string,
    private readonly story: Story,
  ) {}

  static async start(kind: 'stock' | 'ours', story: Story): Promise<Side> {
    const port = await freePort();
    const directory = mkdtempSync(join(work, `${kind}-`));
    const socket = join(directory, 'socket');
    const settings = `local_socket_file=${socket},lock_file=${join(directory, 'lock')}`;
    const args = ['-f', '-4', '-s', 'off', '-l', '127.0.0.1', '-p', String(port), '-S', settings];
    const command = kind === 'stock' ? [STOCK] : [process.execPath, OURS, 'corosync-qnetd'];
    // It ends with the test, also with one that is killed.
    const server = spawn('setpriv', ['--pdeathsig', 'KILL', ...command, ...args], { stdio: 'ignore' });
    for (const end = Date.now() + SETTLED_MS; !existsSync(socket) && Date.now() < end; ) await sleep(50);
    await sleep(300); // the port is bound after the socket
    return new Side(kind, port, server, socket, story);
  }

  async close(): Promise<void> {
    for (const link of this.links.values()) link.end('shutdown');
    const ended = new Promise((resolve) => this.server.once('exit', resolve));
    this.server.kill('SIGTERM');
    await ended;
  }

  async connect(id: number): Promise<void> {
    let device = this.devices.get(id);
    if (device === undefined) {
      device = this.device(id);
      this.devices.set(id, device);
    }
    const known = device;
    known.connects();
    const link = ServerLink.open(
      { host: '127.0.0.1', port: this.port, family: 4 },
      { receiveBytesMax: 1 << 15, sendMessagesMax: 10, connectMs: 8000 },
      {
        opened: () => known.opened(),
        received: (message) => known.received(message),
        closed: (why) => void known.closed(why),
      },
      () => {},
    );
    this.links.set(id, link);
    await this.until(() => known.state === 'connected');
  }

  async cut(id: number): Promise<void> {
    this.links.get(id)?.end('serverClosed');
    await this.until(() => this.devices.get(id)?.state !== 'connected');
    await this.settle();
  }

  private device(id: number): Device {
    const { algorithm, tieBreaker = { mode: 1, nodeId: 0 }, keeps = false, ids = four } = this.story;
    const device: Device = new Device(
      {
        clusterName: 'lab',
        nodeId: id,
        algorithm,
        tieBreaker,
        tls: TlsMode.SUPPORTED,
        heartbeatMs: HEARTBEAT_MS,
        keepActivePartition: keeps,
        waitForAll: false,
        requestBytesMin: 1 << 15,
        replyBytesMax: 1 << 24,
      },
      {
        send: (message) => this.links.get(id)?.send(message),
        startTls: () => {},
        setReplyBytesMax: (bytes) => this.links.get(id)?.setReceiveBytesMax(bytes),
        poll: () => {},
        setVoteTimer: () => {},
        setEchoTimer: () => {},
        setHeuristicsTimer: () => {},
        runHeuristics: () => setImmediate(() => device.heuristicsDone(this.heuristics.get(id) ?? Heuristics.UNDEFINED)),
        heuristicsAreEnabled: () => false,
        established: () => this.links.get(id)?.established(),
        disconnect: (why) => this.links.get(id)?.end(why),
        log: () => {},
      },
    );
    device.configurationChanged(nodes(...ids), 3n);
    device.membershipChanged({ nodeId: ids[0]!, seq: this.seq }, ids);
    return device;
  }

  /** All parts report, and then that they have counted. */
  async ring(...parts: readonly (readonly number[])[]): Promise<void> {
    this.seq += 4n;
    for (const part of parts)
      for (const id of part) this.devices.get(id)?.membershipChanged({ nodeId: part[0]!, seq: this.seq }, part);
    await this.settle();
    for (const part of parts) for (const id of part) this.devices.get(id)?.quorumChanged(true, nodes(...part));
    await this.settle();
  }

  /** Until every connected device has a vote, and nothing changes any more. */
  async settle(): Promise<void> {
    const connected = (): Device[] => [...this.devices.values()].filter(({ state }) => state === 'connected');
    await this.until(() => connected().every(({ votes }) => votes)).catch(() => {});
    await sleep(150);
  }

  private async until(holds: () => boolean): Promise<void> {
    for (const end = Date.now() + SETTLED_MS; !holds(); await sleep(20))
      if (Date.now() > end) throw new Error(`${this.kind}: not within ${SETTLED_MS} ms`);
  }

  view(): { readonly votes: readonly string[]; readonly tool: readonly string[] } {
    const votes = [...this.devices].map(([id, { vote, state }]) => `${id} ${state} ${VOTE_NAMES[vote]}`);
    const args = ['-l', '-v', '-p', this.socket];
    const text = execFileSync('/usr/bin/corosync-qnetd-tool', args, { encoding: 'utf8' });
    // Which reply was the last besides the valid vote depends on the order in which the nodes reported.
    return {
      votes,
      tool: text
        .replace(/(address:\t\t127\.0\.0\.1):\d+/g, '$1')
        .replace(/(Vote:\t\t\t).*\((\w+)\)/g, '$1$2')
        .split('\n'),
    };
  }
}

interface Story {
  readonly name: string;
  readonly algorithm: number;
  readonly ids?: readonly number[];
  readonly tieBreaker?: { readonly mode: number; readonly nodeId: number };
  readonly keeps?: boolean;
  readonly steps: readonly (readonly [string, (side: Side) => Promise<void>])[];
}

const HALVES: Story['steps'] = [
  ['halves', (side) => side.ring([1, 2], [3, 4])],
  ['healed', (side) => side.ring(four)],
  [
    'a node is lost',
    async (side) => {
      await side.cut(2);
      await side.ring([1], [3, 4]);
    },
  ],
  [
    'and comes back',
    async (side) => {
      await side.connect(2);
      await side.ring(four);
    },
  ],
];
const TWO: Story['steps'] = [
  ['cut', (side) => side.ring([1], [2])],
  ['healed', (side) => side.ring([1, 2])],
];
const STORIES: readonly Story[] = [
  { name: 'ffsplit, lowest', algorithm: 1, steps: HALVES },
  {
    name: 'ffsplit, highest, active part kept',
    algorithm: 1,
    tieBreaker: { mode: 2, nodeId: 0 },
    keeps: true,
    steps: HALVES,
  },
  { name: 'ffsplit, node 3', algorithm: 1, tieBreaker: { mode: 3, nodeId: 3 }, steps: HALVES },
  {
    name: 'ffsplit, heuristics',
    algorithm: 1,
    steps: [
      [
        'those of node 1 fail',
        async (side) => {
          side.heuristics.set(1, Heuristics.FAIL);
          side.heuristics.set(3, Heuristics.PASS);
          await side.ring([1, 2], [3, 4]);
        },
      ],
    ],
  },
  { name: 'lms, lowest', algorithm: 3, steps: HALVES },
  { name: 'lms, highest', algorithm: 3, tieBreaker: { mode: 2, nodeId: 0 }, steps: HALVES },
  { name: '2nodelms', algorithm: 2, ids: [1, 2], steps: TWO },
  { name: 'test', algorithm: 0, steps: HALVES },
];

const RARE = ['ffsplit, node 3', 'lms, highest', 'test'];
const full = process.env['RONDO_LAB_FULL'] === '1';
for (const story of STORIES)
  t.test(
    story.name,
    { skip: skip || (!full && RARE.includes(story.name) && 'only with RONDO_LAB_FULL=1') },
    async (t) => {
      t.setTimeout(STORY_MS);
      const sides = await Promise.all([Side.start('stock', story), Side.start('ours', story)]);
      try {
        const all = story.ids ?? four;
        const begin = async (side: Side): Promise<void> => {
          for (const id of all) await side.connect(id);
          await side.ring(all);
        };
        for (const [name, act] of [['all connected', begin] as const, ...story.steps]) {
          await Promise.all(sides.map((side) => act(side)));
          const [stock, ours] = sides.map((side) => side.view());
          t.same(ours, stock, name);
        }
      } finally {
        await Promise.all(sides.map((side) => side.close()));
      }
    },
  );
