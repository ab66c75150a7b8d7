import t from 'tap';
import { CsError } from '../../src/lib/errors.ts';
import { ServiceId, TrackFlag } from '../../src/services/codec/ids.ts';
import * as wire from '../../src/services/codec/quorum.ts';
import { messageError } from '../../src/services/codec/struct.ts';
import { nodeListChange } from '../../src/services/quorum/node-list.ts';
import { QuorumCluster, QuorumNode } from './cluster.ts';
import { FakeRing } from './fake-ring.ts';

const { CURRENT, CHANGES, CHANGES_ONLY } = TrackFlag;
const trackStart = (trackFlags: number) => wire.QUORUM_TRACK_START.message({ trackFlags });
const selectModel = (model: number) => wire.QUORUM_MODEL_TYPE.message({ model });

t.test('who joined and who left', async (t) => {
  t.same(nodeListChange([], [], [1]), { joined: [1], left: [] });
  t.same(nodeListChange([1, 2, 3], [1, 2], [1, 2]), { joined: [], left: [3] });
  t.same(nodeListChange([1, 2], [1, 2], [1, 2, 3]), { joined: [3], left: [] });
  t.same(nodeListChange([1, 2, 3], [1, 2], [1, 2, 3]), { joined: [3], left: [3] }, 'gone and back');
  t.same(nodeListChange([1, 2], [1, 2], [1]), { joined: [], left: [2] }, 'lost between the two configurations');
});

t.test('the plain model', async (t) => {
  const cluster = await new QuorumCluster(3).bootAll();
  const client = cluster.node(1).connect(ServiceId.QUORUM);
  t.match(wire.QUORUM_TYPE_RESPONSE.decodeChecked(client.call(wire.QUORUM_TYPE.message())!), { quorumType: 1 });
  t.match(wire.QUORUM_QUORATE_RESPONSE.decodeChecked(client.call(wire.QUORUM_QUORATE.message())!), { quorate: 1 });
  t.equal(client.status(trackStart(CURRENT)), CsError.OK);
  t.same(client.eventIds(), [3]);
  t.match(wire.decodeQuorumChangeV0(client.takeEvents()[0]!), { quorate: true, view: [1, 2, 3] });
  t.equal(client.status(trackStart(CHANGES_ONLY)), CsError.OK);
  t.same(client.eventIds(), [], 'no report of the current state');
  t.equal(client.status(trackStart(CHANGES)), CsError.EXIST);
  t.same(client.takeEvents().length, 1, 'reported even so');
  cluster.form([1], [2, 3]);
  t.same(client.eventIds(), [3], 'no node list in this model');
  t.match(wire.decodeQuorumChangeV0(client.takeEvents()[0]!), { quorate: false, view: [1] });
  t.equal(client.status(wire.QUORUM_TRACK_STOP.message()), CsError.OK);
  t.equal(client.status(wire.QUORUM_TRACK_STOP.message()), CsError.OK, 'also when not tracking');
  cluster.form([1, 2, 3]);
  t.same(client.eventIds(), []);
});

t.test('the model with node lists', async (t) => {
  const cluster = await new QuorumCluster(3).bootAll();
  const client = cluster.node(1).connect(ServiceId.QUORUM);
  const response = client.call(selectModel(5))!;
  t.equal(messageError(response), CsError.INVALID_PARAM);
  t.equal(wire.QUORUM_MODEL_TYPE_RESPONSE.decodeChecked(response).quorumType, 1);
  client.call(selectModel(1));
  client.call(trackStart(CHANGES));
  t.same(client.eventIds(), [7, 6]);
  t.match(wire.decodeNodeListChange(client.events[0]!), { members: [1, 2, 3], joined: [], left: [] });
  client.takeEvents();
  cluster.ring.kill(3);
  cluster.form([1, 2]);
  t.same(client.eventIds(), [7, 6], 'node list, then quorum');
  const [list, change] = client.takeEvents();
  t.match(wire.decodeNodeListChange(list!), { members: [1, 2], joined: [], left: [3] });
  t.match(wire.decodeQuorumChangeV1(change!), { quorate: true, view: [1, 2] });
  t.same(wire.decodeQuorumChangeV1(change!)!.ringId, wire.decodeNodeListChange(list!)!.ringId);
});

t.test('without provider', async (t) => {
  const ring = new FakeRing();
  const node = new QuorumNode(ring, 1, {}, undefined, false);
  await node.start();
  ring.add(node);
  ring.partition([1]);
  ring.settle();
  const client = node.connect(ServiceId.QUORUM);
  client.call(selectModel(1));
  client.call(trackStart(CHANGES));
  t.match(wire.decodeNodeListChange(client.events[0]!), { members: [1] });
  t.match(wire.decodeQuorumChangeV1(client.events[1]!), { quorate: true, view: [], ringId: { rep: 0, seq: 0 } });
  client.takeEvents();
  ring.partition([1]);
  ring.settle();
  t.same(client.eventIds(), [7], 'node lists only');
  t.match(wire.QUORUM_TYPE_RESPONSE.decodeChecked(client.call(wire.QUORUM_TYPE.message())!), { quorumType: 0 });
});

t.test('the log has the lines of stock', async (t) => {
  const cluster = await new QuorumCluster(2).bootAll();
  const { logs } = cluster.node(1);
  for (const line of [
    'notice QUORUM Using quorum provider corosync_votequorum',
    'notice SERV Service engine loaded: corosync vote quorum service v1.0 [5]',
    'notice SERV Service engine loaded: corosync cluster quorum service v0.1 [3]',
    'notice QUORUM Sync members[2]: 1 2',
    'notice QUORUM Sync joined[2]: 1 2',
    'notice QUORUM This node is within the primary component and will provide service.',
    'notice QUORUM Members[2]: 1 2',
  ])
    t.ok(logs.includes(line), line);
});
