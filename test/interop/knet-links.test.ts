import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import type { CryptoConfig } from '../../src/config/totem-config.ts';
import type { LinkStatus } from '../../src/transport/transport.ts';
import { CLEAR, crypto, keyOf, type NodeOptions, totemConfig } from '../transport/knet/harness.ts';
import { skipReason } from './lab/cases.ts';
import type { ClusterOptions } from './lab/conf.ts';
import { ROOT } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';
import { type Running, until } from './lab/process.ts';

/**
 * Links between stock Corosync and our knet core, without a ring: both sides must call every link connected, path MTU
 * discovery must end on both, and neither may drop a packet.
 */
const PEER = join(ROOT, 'dist/test/interop/knet-peer.js');

interface PeerState {
  readonly links: readonly LinkStatus[];
  readonly received: number;
  readonly types: Readonly<Record<string, number>>;
  readonly bad: number;
  readonly drops: Readonly<Record<string, number>>;
  readonly stats: Readonly<Record<string, number>>;
  readonly log: readonly string[];
}

/** A stock daemon of this kind on node 1 and our links on node 2. */
class Pair {
  private constructor(
    readonly lab: Lab,
    private readonly peer: Running,
  ) {}

  static async up(kind: DaemonKind, options: Partial<ClusterOptions>, own: Partial<NodeOptions>): Promise<Pair> {
    const lab = await Lab.create({ transport: 'knet', ...options }, [kind, 'ours']);
    const [stock, ours] = lab.nodes;
    const members = Object.fromEntries(lab.nodes.map((node) => [node.id, node.plan.addresses]));
    const key = own.crypto === undefined ? null : keyOf(own.crypto);
    if (key !== null) stock?.writeKey(key);
    stock?.startDaemon();
    const config = totemConfig({ nodeId: 2, members, tokenMs: 1_000, ...own });
    const peer = ours!.space.start(process.execPath, [
      PEER,
      JSON.stringify(config),
      Buffer.from(key ?? []).toString('hex'),
    ]);
    await peer.waitFor(/ready\n/);
    return new Pair(lab, peer);
  }

  async state(): Promise<PeerState> {
    const before = this.peer.output.length;
    this.peer.write('?\n');
    await until('an answer of the peer', async () => this.peer.output.indexOf('\n', before) >= 0 || null, 5_000);
    return JSON.parse(this.peer.output.slice(before)) as PeerState;
  }

  /** Waits until both sides say that all links are up. */
  async connected(): Promise<PeerState> {
    const links = this.lab.options.links ?? 1;
    let seen = '';
    return until(
      'links connected on both sides',
      async () => {
        const ours = await this.state();
        const stats = await this.stock.cmapDump('stats.knet.node2.', 'stats');
        const theirs = Array.from({ length: links }, (_, link) => stats.get(`stats.knet.node2.link${link}.connected`));
        const mine = ours.links.map((link) => link.peers.find(({ nodeId }) => nodeId === 1)?.connected);
        seen = JSON.stringify({ theirs, mine, log: ours.log });
        return theirs.every((value) => value === '1') && mine.every((value) => value === true) ? ours : null;
      },
      15_000,
    ).catch((error: Error) => {
      throw new Error(`${error.message}: ${seen}\n${this.lab.logs()}`);
    });
  }

  get stock() {
    return this.lab.node(1);
  }

  async close(): Promise<void> {
    await this.peer.stop('SIGKILL');
    await this.lab.close();
  }
}

interface Case {
  readonly name: string;
  readonly cluster?: Partial<ClusterOptions>;
  readonly own?: Partial<NodeOptions>;
  /** Data MTU of a link of 1500 bytes (knet.md 4.1). */
  readonly mtu: number;
}

const MTUS: Readonly<Record<string, number>> = {
  'none/none': 1446,
  'none/md5': 1430,
  'none/sha1': 1426,
  'none/sha256': 1414,
  'none/sha384': 1398,
  'none/sha512': 1382,
  'aes/md5': 1413,
  'aes/sha1': 1397,
  'aes/sha256': 1397,
  'aes/sha384': 1381,
  'aes/sha512': 1365,
};

const key = randomBytes(256);
const encrypted = (cipher: CryptoConfig['cipher'], hash: CryptoConfig['hash']): Case => ({
  name: `${cipher} ${hash}`,
  cluster: { crypto: { cipher, hash } },
  own: { crypto: crypto(cipher, hash, key) },
  mtu: MTUS[`${cipher === 'none' ? 'none' : 'aes'}/${hash}`] ?? 0,
});

const cases: Case[] = [
  { name: 'clear text', own: { crypto: CLEAR }, mtu: 1446 },
  { name: 'clear text, two links over IPv6', cluster: { links: 2, family: 6 }, mtu: 1426 },
  {
    ...encrypted('aes256', 'sha256'),
    name: 'aes256 sha256 over IPv6',
    cluster: { family: 6, crypto: { cipher: 'aes256', hash: 'sha256' } },
    mtu: 1365,
  },
];
for (const hash of ['md5', 'sha1', 'sha256', 'sha384', 'sha512'] as const) {
  for (const cipher of ['aes128', 'aes192', 'aes256'] as const) cases.push(encrypted(cipher, hash));
}
const brief = new Set([
  'clear text',
  'clear text, two links over IPv6',
  'aes256 sha256',
  'aes128 sha512',
  'aes192 md5',
]);

for (const kind of ['stock', 'newer'] as const) {
  for (const { name, cluster = {}, own = {}, mtu } of cases) {
    const rare = kind === 'newer' || !brief.has(name);
    t.test(`links with ${kind}: ${name}`, { skip: skipReason([kind], rare, name) }, async (t) => {
      const pair = await Pair.up(kind, cluster, own);
      t.teardown(() => pair.close());
      await pair.connected();
      const stats = await until(
        'path MTU on both sides',
        async () => {
          const theirs = await pair.stock.cmap('stats.knet.node2.link0.mtu', 'stats');
          const state = await pair.state();
          const peer = state.links[0]?.peers.find(({ nodeId }) => nodeId === 1);
          return theirs === String(mtu) && peer?.mtu === mtu && state.received > 3 ? state : null;
        },
        10_000,
      ).catch(async (error: Error) => {
        throw new Error(`${error.message}: ${JSON.stringify(await pair.state())}\n${pair.lab.logs()}`);
      });
      t.same(stats.drops, {}, 'we dropped nothing');
      t.equal(stats.bad, 0, 'every message is a Totem message');
      t.ok((stats.types['2'] ?? 0) + (stats.types['3'] ?? 0) > 0, 'among them JOIN or MERGE_DETECT');
      t.notMatch(
        pair.stock.log(),
        /(error|warning) +\[KNET *\] (?!host: host: \d has no active)/,
        'stock has nothing to complain about',
      );
      const { stdout } = await pair.stock.tool('corosync-cfgtool', '-s');
      t.match(stdout, /nodeid:\s+2:\s+connected/, 'cfgtool -s says so');
    });
  }
}
