import t from 'tap';
import { compareMembers } from '../../src/transport/datagram/members.ts';

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
