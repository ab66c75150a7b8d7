import t from 'tap';
import { describe, FULL, skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import type { DaemonKind, LabNode } from '../interop/lab/node.ts';
import { program } from '../interop/lab/programs.ts';
import { memberships, spoofIcmp } from './spoof.ts';

/**
 * Somebody on the network without the key, who knows addresses and ports, forges ICMP to node 1 of an encrypted ring: "port unreachable" from node 2, and
 * "fragmentation needed" with an MTU of 68. Stock takes the link down at the first; ours asks for a PONG, and loses no packet by either. The same on
 * udpu and udp rings, where the kernel believes the second for stock: it cuts packets into pieces of `net.ipv4.route.min_pmtu` (552 bytes) for ten minutes.
 */
const GROUP = '239.192.106.83';
const DRESSES = {
  'knet, encrypted': { transport: 'knet', crypto: { cipher: 'aes256', hash: 'sha256' } },
  udpu: { transport: 'udpu' },
  udp: { transport: 'udp', totem: [`interface {\n  linknumber: 0\n  mcastaddr: ${GROUP}\n  mcastport: 5405\n}`] },
} as const;
const SECONDS = FULL ? 5 : 2;
const RATE = FULL ? 5_000 : 1_000;
/** udpu and udp do not look for it. */
const MTU_UNKNOWN = 1_500;
const FORGERIES = [
  { what: 'port unreachable', code: 3, mtu: 0 },
  { what: 'fragmentation needed, MTU 68', code: 4, mtu: 68 },
] as const;

const linkStat = async (node: LabNode, name: string): Promise<number> =>
  Number(await node.cmap(`stats.knet.node2.link0.${name}`, 'stats'));

/** Packets that the kernel of the node's host cut into pieces. */
async function cutPackets(node: LabNode): Promise<number> {
  const [names = '', values = ''] = (await node.space.shell("grep '^Ip:' /proc/net/snmp")).split('\n');
  return Number(values.split(' ')[names.split(' ').indexOf('FragOKs')]);
}

async function throughput(node: LabNode): Promise<number> {
  const args = ['flood', '3000', `${SECONDS}`];
  const text = await node.space.must(await program('cpgbench'), args, { timeoutMs: 60_000 });
  return Number(/"perSecond":\s*([\d.]+)/.exec(text)?.[1] ?? 0);
}

for (const [dress, kind] of (['knet, encrypted', 'udpu', 'udp'] as const).flatMap((dress) => [
  [dress, 'ours'] as const,
  [dress, 'stock'] as const,
])) {
  const kinds: readonly DaemonKind[] = [kind, kind, kind];
  const isKnet = dress === 'knet, encrypted';
  t.test(
    `forged ICMP, ${dress}: ${describe(kinds)}`,
    { skip: skipReason(kinds, !isKnet || kind === 'stock', dress) },
    async (t) => {
      const lab = await Lab.create(DRESSES[dress], kinds);
      t.teardown(() => lab.close());
      const [victim, other, attacker] = [lab.node(1), lab.node(2), lab.node(3)];
      const members = [victim, other];
      for (const node of members) node.startDaemon();
      await lab.waitRing(members, 60_000);
      for (const { what, code, mtu } of FORGERIES) {
        const before = {
          rings: memberships(victim),
          downs: isKnet ? await linkStat(victim, 'down_count') : 0,
          cut: await cutPackets(victim),
        };
        const [sent, rate] = await Promise.all([
          spoofIcmp(attacker, victim, other, code, mtu, RATE, SECONDS),
          throughput(victim).catch(() => 0),
        ]);
        t.ok(sent > SECONDS * 50, `${sent} sent`);
        const rings = memberships(victim) - before.rings;
        const downs = isKnet ? (await linkStat(victim, 'down_count')) - before.downs : 0;
        const size = isKnet ? await linkStat(victim, 'mtu') : MTU_UNKNOWN;
        const cut = (await cutPackets(victim)) - before.cut;
        t.comment(
          `${kind}, ${what}: ${rings} memberships, link down ${downs} times, ${rate} messages/s, link MTU ${size}, ${cut} packets cut`,
        );
        if (kind === 'ours') {
          t.equal(rings, 0, `${what}: no membership`);
          t.equal(downs, 0, 'the link stays up');
          t.ok(size > 1_300, `the MTU stays: ${size}`);
          t.equal(cut, 0, 'no packet is cut into pieces');
          if (!isKnet) t.ok(rate > 0, 'clients are served');
        }
        await lab.waitRing(members, 60_000);
      }
    },
  );
}
