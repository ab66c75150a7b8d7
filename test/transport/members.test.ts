import t from 'tap';
import { Arena } from '../../src/os/arena.ts';
import { encodeSockaddr } from '../../src/os/sockaddr.ts';
import type { DatagramSockets } from '../../src/transport/datagram/datagram-transport.ts';
import { compareMembers, MemberAddresses } from '../../src/transport/datagram/members.ts';
import { UdpSockets } from '../../src/transport/datagram/udp-sockets.ts';
import { UdpuSockets } from '../../src/transport/datagram/udpu-sockets.ts';
import { totemConfig } from '../ring/ring-harness.ts';
import { TestStatistics } from '../ring/shown-counters.ts';

t.test('a node keeps the address that it had, also when a reload says otherwise', async (t) => {
  const member = (nodeId: number, address: string | null) => ({ nodeId, name: `n${nodeId}`, addresses: [address] });
  const before = [member(1, '10.0.0.1'), member(2, '10.0.0.2'), member(3, null)];
  const after = [member(1, '10.0.0.9'), member(3, '10.0.0.3'), member(4, '10.0.0.4')];
  const { added, removed, moved, members } = compareMembers(before, after);
  const ids = (list: readonly { readonly nodeId: number }[]) => list.map(({ nodeId }) => nodeId);
  t.same([ids(added), ids(removed), ids(moved)], [[4], [2], [1]]);
  t.same(
    members.map(({ addresses }) => addresses[0]),
    ['10.0.0.1', '10.0.0.3', '10.0.0.4'],
  );
});

t.test('whose address a datagram comes from, this node included', async (t) => {
  const arena = Arena.map(1 << 20);
  const members = new MemberAddresses(arena, 1, 4);
  const member = (nodeId: number) => ({ nodeId, name: `n${nodeId}`, addresses: [`10.0.0.${nodeId}`] });
  members.set([member(1), member(2), member(3)], 5405, 0);
  const source = arena.allocate(32, 8);
  for (const node of [1, 2, 3, 4]) {
    encodeSockaddr(arena.u8, source, `10.0.0.${node}`, 40_000, 0);
    t.equal(members.hear(source, { nowMs: () => 10 * node }), node < 4);
    t.same(
      [1, 2, 3, 4].map((other) => members.isAddressOf(source, other)),
      [1, 2, 3, 4].map((other) => node < 4 && other === node),
    );
  }
});

t.test('when a member was heard last: over udp, and over udpu whoever may send', async (t) => {
  const arena = Arena.map(8 << 20);
  const config = totemConfig(1, 3, 5405);
  const link = config.links[0]!;
  const statistics = new TestStatistics();
  let nowMs = 0;
  const host = { arena, nowMs: () => nowMs, counter: (name: string) => statistics.counter(name) };
  const open = { ...config, filter: { ...config.filter, blockUnlistedIps: false } };
  for (const make of [
    (members: MemberAddresses) => new UdpSockets(host, link, members),
    (members: MemberAddresses) => new UdpuSockets(host, link, members),
  ]) {
    const members = new MemberAddresses(arena, 1, 4);
    const set = (...ids: number[]): void =>
      members.set(
        ids.map((id) => ({ nodeId: id, name: '', addresses: [`10.0.0.${id}`] })),
        5405,
        0,
      );
    set(1, 2, 3);
    const sockets: DatagramSockets = make(members);
    const { batch } = sockets.inputs[0]!;
    const source = arena.allocate(32, 8);
    batch.source = source;
    for (const [ms, node] of [
      [10, 2],
      [20, 3],
      [30, 9],
    ] as const) {
      nowMs = ms;
      encodeSockaddr(arena.u8, source, `10.0.0.${node}`, 5404, 0);
      t.equal(sockets.accepts(batch, open), true);
    }
    t.same(
      [1, 2, 3, 9].map((id) => members.heardAt(id)),
      [0, 10, 20, 0],
    );
    set(1, 4, 3);
    t.same(
      [1, 2, 3, 4].map((id) => members.heardAt(id)),
      [0, 0, 20, 0],
      'sockets opened again, another member',
    );
  }
});
