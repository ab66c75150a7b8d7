import t from 'tap';
import { LinkObserver, ViewKeys } from '../../src/daemon/connectivity.ts';
import { RESERVE_BLOCK } from '../../src/daemon/ring-id-store.ts';
import { CmapType } from '../../src/lib/cmap-value.ts';
import type { ConnectivityView, SeenLink } from '../../src/lib/connectivity.ts';
import { StatsMap } from '../../src/services/cmap/stats-map.ts';
import { ENOUGH } from '../../src/totem/reservation.ts';

class CountingMap extends StatsMap {
  added = 0;
  override add(branch: Parameters<StatsMap['add']>[0]): void {
    this.added++;
    super.add(branch);
  }
}

const map = (): CountingMap => new CountingMap({ setTimer: () => ({ cancel: () => {} }) });
const link = (peerId: number, latencyUs = 100): SeenLink => ({
  peerId,
  link: 0,
  up: true,
  heard: true,
  latencyUs,
  mtu: 1400,
  downs: 0,
});
const view = (nodeId: number, ...links: readonly SeenLink[]): [number, ConnectivityView] => [
  nodeId,
  { nodeId, configuration: 'c', version: '1', key: 'k', keyFile: 'k', links },
];

t.test('keys of views are made once, and read what is known then', async (t) => {
  const statistics = map();
  const keys = new ViewKeys(statistics);
  keys.show(new Map([view(1, link(2), link(3)), view(2, link(1), link(3))]));
  const { added } = statistics;
  keys.show(new Map([view(1, link(2, 250), link(3)), view(2, link(1), link(3))]));
  t.equal(statistics.added, added, 'another latency makes no key anew');
  t.equal(statistics.numberOf('rondo.view.node1.peer2.link0.', 'latency_us'), 250);
  keys.show(new Map([view(1, link(3))]));
  t.same([...statistics.branchesBelow('rondo.view.')], ['rondo.view.node1.peer3.link0.', 'rondo.view.node1.self.']);
});

t.test('a look at the links asks nobody but their counters', async (t) => {
  const statistics = map();
  let looks = 0;
  statistics.onLook(() => looks++);
  const table = { connected: CmapType.U8, mtu: CmapType.U32, rx_ping_packets: CmapType.U64 };
  const read = (name: string): number => (name === 'mtu' ? 1397 : 1);
  for (const nodeId of [1, 2, 3]) statistics.add({ prefix: `stats.knet.node${nodeId}.link0.`, table, read });
  const observer = new LinkObserver(statistics, 1, () => 1000);
  t.match(observer.links(0), [
    { peerId: 2, up: true, heard: true, mtu: 1397 },
    { peerId: 3, up: true, heard: true, mtu: 1397 },
  ]);
  t.same(observer.peers(), [2, 3]);
  t.equal(looks, 0, 'each was a system call, seven a link and second');
});

t.test('the numbers that a start reserves are enough for the ring: it does not wait for the disk again', async (t) => {
  t.ok(RESERVE_BLOCK > ENOUGH);
});
