import t from 'tap';
import { Drop, Group } from '../../src/totem/index.ts';
import { LoneNode } from './lone-node.ts';

const SMALL = 700_000;
const RING = { rep: 2, seq: 5 };

t.test('a full pool is like a lossy network, and what is next in order still finds room', async (t) => {
  const node = new LoneNode({}, SMALL).toOperational();
  const high = node.state.high;
  let seq = high + 40;
  while (node.mcast(2, RING, seq) === Drop.NONE) seq++;
  t.equal(node.mcast(2, RING, seq), Drop.NO_MEMORY);
  t.ok(seq > high + 300, `${seq - high} messages fit`);
  const delivered = node.delivered.length;
  for (let missing = high + 1; missing < high + 40; missing++) t.equal(node.mcast(2, RING, missing), Drop.NONE);
  t.equal(node.delivered.length - delivered, seq - high - 1, 'everything up to the lost one is delivered');
});

t.test('an application cannot take the room of synchronisation, nor that of the ring', async (t) => {
  const node = new LoneNode({}, SMALL).toOperational();
  node.groups.synchronizationCompleted();
  const payload = new Uint8Array(1300);
  let sent = 0;
  while (node.groups.mcast(Group.SERVICES, payload)) sent++;
  t.ok(sent > 50, `${sent} messages were accepted`);
  node.groups.srp.interfaceChanged();
  node.hearItself(12);
  t.equal(node.groups.srp.phase, 'operational', 'the ring forms again');
  t.equal(node.groups.mcast(Group.SYNC, payload), true, 'a sync message has room');
});
