import t from 'tap';
import { CsError } from '../../src/lib/errors.ts';
import { ServiceId, TrackFlag } from '../../src/services/codec/ids.ts';
import * as wire from '../../src/services/codec/votequorum.ts';
import { QuorumCluster } from './cluster.ts';
import type { FakeConnection } from './fake-node.ts';

/** The worked values of services.md 7.14, and the rules around them. */
const connect = (cluster: QuorumCluster, nodeId: number): FakeConnection =>
  cluster.node(nodeId).connect(ServiceId.VOTEQUORUM);

t.test('three nodes with one vote each', async (t) => {
  const cluster = await new QuorumCluster(3).bootAll();
  t.equal(cluster.common(), 'Q total 3 quorum 2 expected 3');
  const client = connect(cluster, 1);
  const setExpected = (expectedVotes: number) => client.status(wire.VQ_SET_EXPECTED.message({ expectedVotes }));
  t.equal(setExpected(1), CsError.INVALID_PARAM);
  t.equal(setExpected(2), CsError.INVALID_PARAM);
  t.equal(setExpected(6), CsError.INVALID_PARAM, 'quorum would be above the votes that are there');
  t.equal(setExpected(4), CsError.OK);
  cluster.ring.settle();
  t.equal(cluster.common(), 'Q total 3 quorum 3 expected 4');
});

t.test('a minority loses quorum, a majority keeps it, and the merge heals', async (t) => {
  const cluster = await new QuorumCluster(3).bootAll();
  cluster.form([1], [2, 3]);
  t.match(cluster.summaries(), {
    1: '- total 1 quorum 2 expected 3',
    2: 'Q total 2 quorum 2 expected 3',
    3: 'Q total 2 quorum 2 expected 3',
  });
  cluster.form([1, 2, 3]);
  t.equal(cluster.common(), 'Q total 3 quorum 2 expected 3');
  cluster.ring.kill(2);
  cluster.form([1, 3]);
  t.equal(cluster.common(), 'Q total 2 quorum 2 expected 3');
  await cluster.boot(2);
  cluster.form([2]);
  t.equal(cluster.node(2).summary(), '- total 1 quorum 2 expected 3');
  cluster.form([1, 2, 3]);
  t.equal(cluster.common(), 'Q total 3 quorum 2 expected 3');
});

t.test('votes of a node can be changed', async (t) => {
  const cluster = await new QuorumCluster(3).bootAll();
  const client = connect(cluster, 2);
  const setVotes = (nodeId: number, votes: number) => client.status(wire.VQ_SET_VOTES.message({ nodeId, votes }));
  t.equal(setVotes(9, 1), CsError.NAME_NOT_FOUND);
  t.equal(setVotes(3, 3), CsError.OK);
  cluster.ring.settle();
  t.equal(cluster.common(), 'Q total 5 quorum 3 expected 5', 'raising votes raises the expected votes');
  t.equal(setVotes(3, 1), CsError.OK);
  cluster.ring.settle();
  t.equal(cluster.common(), 'Q total 3 quorum 3 expected 5', 'lowering does not lower them');
});

t.test('two nodes', async (t) => {
  const cluster = new QuorumCluster(2, { 'quorum.two_node': true });
  await cluster.boot(1);
  cluster.form([1]);
  t.equal(cluster.node(1).summary(), '- total 1 quorum 1 expected 2', 'waits for all by default');
  t.ok(cluster.node(1).logged('Waiting for all cluster members. Current votes: 1 expected_votes: 2'));
  await cluster.boot(2);
  cluster.form([2]);
  cluster.form([1, 2]);
  t.equal(cluster.common(), 'Q total 2 quorum 1 expected 2');
  cluster.ring.kill(2);
  cluster.form([1]);
  t.equal(cluster.node(1).summary(), 'Q total 1 quorum 1 expected 2', 'the survivor goes on');
  t.equal(cluster.node(1).cmap.getU8('runtime.votequorum.wait_for_all_status'), 0);
  await cluster.boot(2);
  cluster.form([2]);
  t.equal(cluster.node(2).quorate, false);
  cluster.form([1, 2]);
  t.equal(cluster.common(), 'Q total 2 quorum 1 expected 2');
});

t.test('wait for all can be cancelled by an operator', async (t) => {
  const cluster = new QuorumCluster(3, { 'quorum.wait_for_all': true });
  await cluster.boot(1);
  await cluster.boot(2);
  cluster.form([1, 2]);
  t.equal(cluster.common(), '- total 2 quorum 2 expected 3');
  cluster.node(1).cmap.setU8('quorum.cancel_wait_for_all', 1);
  t.equal(cluster.node(1).cmap.getU8('quorum.cancel_wait_for_all'), 0);
  cluster.ring.settle();
  t.equal(cluster.common(), 'Q total 2 quorum 2 expected 3');
  t.ok(cluster.node(2).logged('wait_for_all_status reset by user on node 1.'));
});

t.test('last man standing with wait for all and a tie breaker', async (t) => {
  const cluster = await new QuorumCluster(3, {
    'quorum.last_man_standing': true,
    'quorum.last_man_standing_window': 5000,
    'quorum.wait_for_all': true,
    'quorum.auto_tie_breaker': true,
  }).bootAll();
  t.equal(cluster.common(), 'Q total 3 quorum 2 expected 3');
  cluster.ring.kill(3);
  cluster.form([1, 2]);
  t.equal(cluster.common(), 'Q total 2 quorum 2 expected 3');
  cluster.ring.advance(5000);
  t.equal(cluster.common(), 'Q total 2 quorum 2 expected 2');
  cluster.ring.kill(2);
  cluster.form([1]);
  t.equal(cluster.common(), 'Q total 1 quorum 2 expected 2', 'the tie breaker decides');
  cluster.ring.advance(5000);
  t.equal(cluster.common(), 'Q total 1 quorum 1 expected 1');
});

t.test('tie breakers in a split of four', async (t) => {
  const split = async (tieBreaker: string) => {
    const settings = { 'quorum.auto_tie_breaker': true, 'quorum.auto_tie_breaker_node': tieBreaker };
    const cluster = await new QuorumCluster(4, settings).bootAll();
    cluster.form([1, 2], [3, 4]);
    return cluster;
  };
  const quorate = (cluster: QuorumCluster) => cluster.ids.map((nodeId) => cluster.node(nodeId).quorate);
  t.same(quorate(await split('lowest')), [true, true, false, false]);
  t.same(quorate(await split('highest')), [false, false, true, true]);
  const listed = await split('3 1');
  t.same(quorate(listed), [false, false, true, true]);
  t.equal(listed.node(3).summary(), 'Q total 2 quorum 3 expected 4');
  t.equal(listed.node(3).cmap.getU32('runtime.votequorum.atb_type'), 3);
  t.same(quorate(await split('7 1')), [true, true, false, false], 'who was not there before does not count');
  t.same(quorate(await split('nonsense')), [false, false, false, false]);
});

t.test('an odd cluster has no tie to break', async (t) => {
  const cluster = await new QuorumCluster(3, { 'quorum.auto_tie_breaker': true }).bootAll();
  t.equal(cluster.node(1).info().flags & wire.InfoFlag.AUTO_TIE_BREAKER, 0);
  t.equal(cluster.node(1).cmap.getU32('runtime.votequorum.atb_type'), 0, 'what was configured is said to be off');
  const settings = { 'quorum.auto_tie_breaker': true, 'quorum.auto_tie_breaker_node': 'nobody' };
  const invalid = await new QuorumCluster(4, settings).bootAll();
  t.equal(invalid.node(1).cmap.getU32('runtime.votequorum.atb_type'), 0, 'and so is what is not valid');
  const plain = await new QuorumCluster(3).bootAll();
  t.equal(plain.node(1).cmap.getU32('runtime.votequorum.atb_type'), null, 'what was not is not mentioned');
});

t.test('downscaling: nodes that leave in order are not expected any more', async (t) => {
  const cluster = await new QuorumCluster(4, { 'quorum.allow_downscale': true, 'quorum.expected_votes': 4 }).bootAll();
  t.equal(cluster.common(), 'Q total 4 quorum 3 expected 4');
  const leaving = cluster.node(4);
  void leaving.host.unloadAll();
  cluster.ring.settle();
  cluster.ring.kill(4);
  cluster.form([1, 2, 3]);
  t.equal(cluster.common(), 'Q total 3 quorum 3 expected 3', 'quorum stays above half of the configured votes');
  t.equal(cluster.node(1).info(4).state, 2, 'dead');
});

t.test('a message that says of the last node that it leaves while its device votes', async (t) => {
  const cluster = await new QuorumCluster(2, { 'quorum.device.model': 'net' }).bootAll();
  const node = cluster.node(1);
  const flags = wire.NodeFlag.LEAVING | wire.NodeFlag.QDEVICE_REGISTERED | wire.NodeFlag.QDEVICE_CAST_VOTE;
  cluster.form([1], [2]);
  node.host.deliver(1, wire.VQ_NODE_INFO.message({ nodeId: 1, votes: 1, expectedVotes: 3, flags }));
  t.same(node.failures, []);
  t.equal(node.cmap.getU32('runtime.votequorum.lowest_node_id'), 1, 'as stock has it: it looks for a lower one');
});

t.test('a node speaks for itself and its device only', async (t) => {
  const cluster = await new QuorumCluster(3).bootAll();
  const node = cluster.node(1);
  const said = { votes: 7, expectedVotes: 9, flags: 0 };
  for (const nodeId of [3, 77]) node.host.deliver(2, wire.VQ_NODE_INFO.message({ ...said, nodeId }));
  t.equal(cluster.common(), 'Q total 3 quorum 2 expected 3');
  t.equal(node.info(77).error, CsError.NOT_EXIST, 'and makes no others up');
});

t.test('without provider there is always quorum', async (t) => {
  const { QuorumNode } = await import('./cluster.ts');
  const { FakeRing } = await import('./fake-ring.ts');
  const ring = new FakeRing();
  const node = new QuorumNode(ring, 1, {}, undefined, false);
  await node.start();
  t.equal(node.quorate, true);
  t.same(
    node.host.libraryServices().map((service) => service.name),
    ['cmap', 'quorum'],
  );
});

t.test('contradictions stop the start', async (t) => {
  const refused = async (settings: Record<string, string | number | boolean>, text: RegExp, nodes = 2) =>
    t.rejects(new QuorumCluster(nodes, settings).boot(1), { message: text });
  const device = { 'quorum.device.model': 'net' };
  await refused({ ...device, 'quorum.two_node': true }, /two_node and quorum device/);
  await refused({ ...device, 'quorum.last_man_standing': true }, /not compatible with last_man_standing/);
  await refused({ ...device, 'quorum.auto_tie_breaker': true }, /not compatible with auto_tie_breaker/);
  await refused({ ...device, 'quorum.allow_downscale': true }, /not compatible with allow_downscale/);
  await refused({ ...device, 'quorum.expected_votes': 3 }, /device.votes must be specified when quorum.expected_votes/);
  await refused({ ...device, 'nodelist.node.0.quorum_votes': 2 }, /when not all nodes votes 1/);
  await refused({ ...device, 'quorum.expected_votes': 3, 'quorum.device.votes': 2 }, /too high/);
  await refused({ 'quorum.auto_tie_breaker': true, 'quorum.last_man_standing': true }, /odd sized cluster/, 3);
});

t.test('order of the records, and the events', async (t) => {
  const cluster = await new QuorumCluster(3).bootAll();
  const nodesOf = (nodeId: number): number[] => {
    const client = connect(cluster, nodeId);
    client.call(wire.VQ_TRACK_START.message({ context: 77n, trackFlags: TrackFlag.CURRENT }));
    t.same(client.eventIds(), [5, 3], 'node list, then quorum');
    const event = wire.decodeVotequorumQuorum(client.events[1]!)!;
    t.equal(event.context, 77n);
    client.close();
    return event.nodes.map((node) => node.nodeId);
  };
  t.same(nodesOf(1), [2, 3, 1]);
  t.same(nodesOf(3), [1, 2, 3]);
  const client = connect(cluster, 1);
  const track = wire.VQ_TRACK_START.message({ context: 1n, trackFlags: TrackFlag.CHANGES });
  t.equal(client.status(wire.VQ_TRACK_STOP.message()), CsError.NOT_EXIST);
  t.equal(client.status(track), CsError.OK);
  t.equal(client.status(track), CsError.EXIST);
  t.same(client.eventIds(), [5, 3, 5, 3], 'sent even when the call fails');
  client.takeEvents();
  cluster.ring.kill(3);
  cluster.form([1, 2]);
  t.same(client.eventIds(), [5, 3]);
  t.same(wire.decodeVotequorumNodeList(client.events[0]!)!.nodes, [1, 2]);
  t.same(
    wire.decodeVotequorumQuorum(client.events[1]!)!.nodes.map((node) => node.state),
    [1, 2, 1],
  );
});

t.test('an unknown node', async (t) => {
  const cluster = await new QuorumCluster(2).bootAll();
  const response = connect(cluster, 1).call(wire.VQ_GET_INFO.message({ nodeId: 99 }))!;
  t.equal(response.length, 320);
  t.equal(wire.VQ_GET_INFO_RESPONSE.decodeChecked(response).error, CsError.NOT_EXIST);
});

t.test('changes at run time: node list, expected votes, reload', async (t) => {
  const cluster = await new QuorumCluster(3).bootAll();
  for (const nodeId of [1, 2, 3]) {
    const { cmap } = cluster.node(nodeId);
    cmap.setU8('config.totemconfig_reload_in_progress', 1);
    cmap.setU32('nodelist.node.3.nodeid', 4);
    cluster.ring.settle();
    t.equal(cluster.node(nodeId).info().expectedVotes, nodeId === 1 ? 3 : cluster.node(1).info().expectedVotes);
    cmap.setI32('config.reload_status', 1);
    cmap.setU8('config.totemconfig_reload_in_progress', 0);
    cluster.ring.settle();
  }
  t.equal(cluster.common(), 'Q total 3 quorum 3 expected 4');
  for (const nodeId of [1, 2, 3]) cluster.node(nodeId).cmap.delete('nodelist.node.3.nodeid');
  cluster.ring.settle();
  t.equal(cluster.common(), 'Q total 3 quorum 2 expected 3', 'expected votes follow the node list down');
});

t.test('expected votes tracking remembers over a restart', async (t) => {
  const cluster = new QuorumCluster(4, { 'quorum.expected_votes_tracking': true, 'quorum.expected_votes': 2 });
  for (const nodeId of cluster.ids) await cluster.boot(nodeId);
  cluster.form(cluster.ids);
  t.equal(cluster.node(1).cmap.getU32('runtime.votequorum.ev_tracking_barrier'), 4);
  cluster.ring.kill(1);
  cluster.form([2, 3, 4]);
  const again = await cluster.boot(1);
  t.equal(again.info().expectedVotes, 4);
});
