import t from 'tap';
import { CsError } from '../../src/lib/errors.ts';
import { ReloadAgreement } from '../../src/services/cfg/agreement.ts';
import { CfgEngine } from '../../src/services/cfg/engine.ts';
import type { CfgPorts, PreparedReload } from '../../src/services/cfg/ports.ts';
import * as wire from '../../src/services/codec/cfg.ts';
import { nameValue } from '../../src/services/codec/fields.ts';
import { ServiceId } from '../../src/services/codec/ids.ts';
import { messageError, messageId } from '../../src/services/codec/struct.ts';
import { QuorumNode } from './cluster.ts';
import type { FakeConnection } from './fake-node.ts';
import { FakeRing } from './fake-ring.ts';

const CRYPTO_ID = 0x00010004;

interface CfgNode {
  readonly node: QuorumNode;
  readonly said: string[];
  reload: PreparedReload;
}

async function cluster(size: number, agreeing: (nodeId: number) => boolean = () => false) {
  const ring = new FakeRing();
  const nodes: CfgNode[] = [];
  for (let nodeId = 1; nodeId <= size; nodeId++) {
    const node = new QuorumNode(ring, nodeId, {}, undefined, false);
    const said: string[] = [];
    const own: CfgNode = {
      node,
      said,
      reload: { ok: true, ignoredKeys: [], apply: () => ({ cryptoChanged: false, errorMessage: null }) },
    };
    const ports: CfgPorts = {
      reloader: { prepare: () => own.reload },
      ringLinks: () => [{ name: `0 10.0.0.${nodeId}`, status: 'OK' }],
      nodeReport: (wanted) => Promise.resolve(wanted > size ? null : report(wanted)),
      nodeAddresses: (wanted) => (wanted > size ? null : { family: 2, addresses: [Uint8Array.of(10, 0, 0, wanted)] }),
      reopenLogs: () => CsError.OK,
      killed: () => said.push('killed'),
      shutdown: () => said.push('shutdown'),
      holdRing: (what) => node.host.hold(what),
      reloadDone: () => said.push('reload done'),
    };
    if (agreeing(nodeId)) {
      const agreement = new ReloadAgreement(ports.reloader);
      await node.start(new CfgEngine({ ...ports, agreement }), agreement);
    } else await node.start(new CfgEngine(ports));
    ring.add(node);
    nodes.push(own);
  }
  ring.partition(nodes.map(({ node }) => node.nodeId));
  ring.settle();
  return { ring, nodes, connect: (at: number) => nodes[at]!.node.connect(ServiceId.CFG) };
}

const report = (nodeId: number) => ({
  reachable: true,
  remote: false,
  external: false,
  onwireMin: 1,
  onwireMax: 1,
  onwireVersion: 1,
  links: [
    { enabled: 1, connected: 1, dynconnected: 0, mtu: 1397, source: '10.0.0.1', destination: `10.0.0.${nodeId}` },
  ],
});
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

t.test('simple questions', async (t) => {
  const { connect } = await cluster(2);
  const client = connect(0);
  const status = wire.CFG_RING_STATUS_RESPONSE.decodeChecked(client.call(wire.CFG_RING_STATUS.message())!);
  t.match(status, { error: CsError.OK, interfaceCount: 1 });
  t.equal(status.names[0], '0 10.0.0.1');
  t.equal(wire.CFG_LOCAL_GET_RESPONSE.decodeChecked(client.call(wire.CFG_LOCAL_GET.message())!).nodeId, 1);
  t.equal(client.status(wire.CFG_RING_REENABLE.message()), CsError.NOT_SUPPORTED);
  t.equal(client.status(wire.CFG_REOPEN_LOGS.message()), CsError.OK);
  const addresses = client.call(wire.CFG_NODE_ADDRESSES.message({ nodeId: 2 }))!;
  t.match(wire.CFG_NODE_ADDRESSES_RESPONSE.decodeChecked(addresses), { family: 2, count: 1, size: 48 });
  t.same([...addresses.subarray(32, 36)], [10, 0, 0, 2]);
  const nobody = client.call(wire.CFG_NODE_ADDRESSES.message({ nodeId: 9 }))!;
  t.match(wire.CFG_NODE_ADDRESSES_RESPONSE.decodeChecked(nobody), { error: CsError.NOT_EXIST, family: 0, count: 0 });
  const nodeStatus = async (nodeId: number, version: number) => {
    client.call(wire.CFG_NODE_STATUS.message({ nodeId, version }));
    await turn();
    return client.responses.at(-1)!;
  };
  t.match(wire.CFG_NODE_STATUS_RESPONSE.decodeChecked(await nodeStatus(2, 1)), { nodeId: 2, reachable: 1, size: 4200 });
  t.equal(messageError(await nodeStatus(9, 1)), CsError.FAILED_OPERATION);
  t.equal((await nodeStatus(2, 2)).length, 32);
  t.equal(messageError(await nodeStatus(2, 2)), CsError.NOT_SUPPORTED);
});

t.test('a question during sync', async (t) => {
  const { ring, nodes, connect } = await cluster(2);
  ring.partition([1], [2]);
  t.ok(nodes[0]!.node.host.syncInProgress);
  const client = connect(0);
  const rejected = client.call(wire.CFG_RING_STATUS.message())!;
  t.equal(rejected.length, 10272, 'the library reads all of it whatever the status');
  t.equal(messageError(rejected), CsError.TRY_AGAIN);
  const bare = client.call(wire.CFG_TRACK_STOP.message())!;
  t.same([bare.length, messageId(bare), messageError(bare)], [24, 0, CsError.TRY_AGAIN]);
  t.equal(client.status(wire.CFG_LOCAL_GET.message()), CsError.OK);
  const unknown = new Uint8Array(16);
  unknown[0] = 77;
  t.equal(client.status(unknown), CsError.INVALID_PARAM);
  t.equal(client.status(wire.CFG_KILL_NODE.message({}).subarray(0, 100)), CsError.INVALID_PARAM, 'too short');
});

t.test('kill', async (t) => {
  const { ring, nodes, connect } = await cluster(3);
  const kill = (nodeId: number) =>
    connect(0).status(wire.CFG_KILL_NODE.message({ nodeId, reason: { ...nameValue('because'), length: 8 } }));
  t.equal(kill(9), CsError.NOT_EXIST);
  t.equal(kill(3), CsError.OK);
  ring.settle();
  t.same(
    nodes.map(({ said }) => said),
    [[], [], ['killed']],
  );
  t.ok(nodes[2]!.node.logged('Killed by node 1 : because'));
});

t.test('shutdown negotiation', async (t) => {
  const tryShutdown = (client: FakeConnection, flags = 0) => client.status(wire.CFG_TRY_SHUTDOWN.message({ flags }));
  const reply = (client: FakeConnection, response: number) =>
    client.status(wire.CFG_REPLY_TO_SHUTDOWN.message({ response }));
  const track = (client: FakeConnection) => client.status(wire.CFG_TRACK_START.message());

  t.test('nobody objects', async (t) => {
    const { ring, nodes, connect } = await cluster(2);
    t.equal(tryShutdown(connect(0)), CsError.OK);
    t.equal(tryShutdown(connect(0)), CsError.EXIST, 'the session stays');
    ring.settle();
    t.same(
      nodes.map(({ said }) => said),
      [['shutdown'], []],
    );
    t.ok(nodes[1]!.node.logged('Node 1 was shut down by sysadmin'));
  });

  t.test('yes and no', async (t) => {
    const { ring, nodes, connect } = await cluster(1);
    const [asker, one, two] = [connect(0), connect(0), connect(0)];
    t.equal(reply(one, 1), CsError.ACCESS);
    t.equal(track(one), CsError.OK);
    t.equal(track(one), CsError.OK);
    track(two);
    t.equal(tryShutdown(asker), -1, 'answered later');
    t.same([one.eventIds(), two.eventIds()], [[10], [10]]);
    reply(one, 1);
    t.equal(asker.responses.length, 0);
    t.equal(reply(two, 0), CsError.OK);
    t.equal(messageError(asker.responses[0]!), CsError.BUSY);
    tryShutdown(asker);
    reply(one, 1);
    two.close();
    t.equal(messageError(asker.responses[1]!), CsError.OK, 'who goes agrees');
    ring.settle();
    t.same(nodes[0]!.said, ['shutdown']);
  });

  t.test('regardless, and time out', async (t) => {
    const { ring, nodes, connect } = await cluster(1);
    const [asker, one] = [connect(0), connect(0)];
    track(one);
    tryShutdown(asker);
    ring.advance(5000);
    t.equal(messageError(asker.responses[0]!), CsError.BUSY);
    t.equal(one.events.length, 1);
    tryShutdown(asker, wire.ShutdownFlag.REGARDLESS);
    reply(one, 0);
    t.equal(messageError(asker.responses[1]!), CsError.OK);
    ring.settle();
    t.same(nodes[0]!.said, ['shutdown']);
  });

  t.test('only those who were asked count, each of them once', async (t) => {
    const { ring, nodes, connect } = await cluster(1);
    const [first, one, two] = [connect(0), connect(0), connect(0)];
    track(one);
    track(two);
    tryShutdown(first);
    first.close(); // before anybody has replied
    tryShutdown(one); // this one is not asked
    t.equal(reply(one, 1), CsError.OK, 'to the request of the first one');
    const decisions = () => one.responses.filter((message) => messageId(message) === wire.CFG_TRY_SHUTDOWN_RESPONSE.id);
    t.same(decisions(), [], 'two is waited for');
    reply(two, 0);
    t.same(decisions().map(messageError), [CsError.BUSY]);
    const another = connect(0);
    tryShutdown(another);
    reply(one, 1);
    reply(one, 1);
    t.equal(another.responses.length, 0, 'a second reply of one is none of two');
    reply(two, 1);
    t.equal(messageError(another.responses[0]!), CsError.OK);
    ring.settle();
    t.same(nodes[0]!.said, ['shutdown']);
  });

  t.test('the asker goes, and a late tracker', async (t) => {
    const { ring, nodes, connect } = await cluster(1);
    const [asker, one, late] = [connect(0), connect(0), connect(0)];
    track(one);
    tryShutdown(asker);
    track(late);
    t.same(late.eventIds(), [10]);
    reply(one, 1);
    t.equal(asker.responses.length, 0, 'the late one counts');
    asker.close();
    reply(late, 1);
    ring.advance(10_000);
    t.same(nodes[0]!.said, []);
    t.equal(tryShutdown(connect(0), wire.ShutdownFlag.IMMEDIATE), CsError.OK);
    ring.settle();
    t.same(nodes[0]!.said, ['shutdown']);
  });
});

t.test('reload', async (t) => {
  const { ring, nodes, connect } = await cluster(2);
  const marks: string[] = [];
  const { cmap } = nodes[0]!.node;
  cmap.track('config.', 4 | 2 | 8, (_event, key, value) => marks.push(`${key.slice(7)}=${value?.bytes[0]}`));
  const client = connect(0);
  t.equal(client.status(wire.CFG_RELOAD.message()), -1);
  ring.settle();
  await turn();
  t.equal(messageError(client.responses[0]!), CsError.OK);
  t.same(marks, [
    'totemconfig_reload_in_progress=1',
    'reload_in_progress=1',
    'reload_status=1',
    'totemconfig_reload_in_progress=0',
    'reload_in_progress=0',
  ]);
  t.ok(nodes[1]!.node.logged('Config reload requested by node 1'));
  t.equal(nodes[1]!.node.cmap.getI32('config.reload_status'), 1);

  nodes[0]!.reload = { ok: false, reason: 'parser error: Missing closing brace' };
  client.call(wire.CFG_RELOAD.message());
  ring.settle();
  await turn();
  t.equal(messageError(client.responses[1]!), CsError.INVALID_PARAM);
  t.equal(cmap.getU8('config.totemconfig_reload_in_progress'), 0);
  t.equal(cmap.getString('config.reload_error_message'), 'parser error: Missing closing brace');
  t.equal(nodes[1]!.node.cmap.getI32('config.reload_status'), 1, 'the other node has its own file');
  t.ok(nodes[0]!.node.logged('Unable to reload config file: parser error: Missing closing brace'));

  nodes[0]!.reload = {
    ok: true,
    ignoredKeys: ['totem.transport'],
    apply: () => Promise.reject(new Error('disk on fire')),
  };
  client.call(wire.CFG_RELOAD.message());
  ring.settle();
  await turn();
  t.equal(messageError(client.responses[2]!), CsError.INVALID_PARAM);
  t.ok(nodes[0]!.node.logged("Modified entry 'totem.transport' in corosync.conf cannot be changed at run-time"));
});

t.test('one late response at a time: who asks again before has to wait', async (t) => {
  const { connect } = await cluster(1);
  const client = connect(0);
  const question = wire.CFG_NODE_STATUS.message({ nodeId: 1, version: wire.NODE_STATUS_VERSION });
  t.equal(client.status(question), -1);
  t.equal(client.status(question), CsError.TRY_AGAIN);
  t.equal(connect(0).status(question), -1, 'others are not held up');
  await turn();
  t.equal(messageError(client.responses.at(-1)!), CsError.OK);
  t.equal(client.status(question), -1, 'and now again');
});

t.test('reloads that wait are bounded, by connection and by user', async (t) => {
  const { ring, nodes, connect } = await cluster(1);
  let reloads = 0;
  const reload = nodes[0]!.reload;
  const count = (): PreparedReload => {
    reloads++;
    return reload;
  };
  Object.defineProperty(nodes[0], 'reload', { get: count });
  const ofUser = (euid: number): FakeConnection => Object.assign(connect(0), { euid });
  const one = ofUser(1000);
  t.equal(one.status(wire.CFG_RELOAD.message()), -1, 'it is answered when it is done');
  t.equal(one.status(wire.CFG_RELOAD.message()), CsError.TRY_AGAIN, 'one of a connection');
  t.equal(ofUser(1000).status(wire.CFG_RELOAD.message()), -1);
  t.equal(ofUser(1000).status(wire.CFG_RELOAD.message()), CsError.TRY_AGAIN, 'two of a user');
  t.equal(ofUser(0).status(wire.CFG_RELOAD.message()), -1, 'root');
  for (let user = 1; user <= 3; user++)
    for (let at = 0; at < 2; at++) t.equal(ofUser(user).status(wire.CFG_RELOAD.message()), -1);
  t.equal(ofUser(4).status(wire.CFG_RELOAD.message()), CsError.TRY_AGAIN, 'eight of all users');
  t.equal(ofUser(0).status(wire.CFG_RELOAD.message()), -1, 'root has more room');
  one.close();
  t.equal(ofUser(1000).status(wire.CFG_RELOAD.message()), CsError.TRY_AGAIN, 'who leaves does not get out of it');
  ring.settle();
  for (let at = 0; at < 20; at++) await turn();
  t.equal(reloads, 10, 'all that were let in');
  t.equal(ofUser(1000).status(wire.CFG_RELOAD.message()), -1, 'and there is room again');
});

t.test('crypto changes in two phases, each node for itself', async (t) => {
  const { ring, nodes, connect } = await cluster(2);
  const phases: string[] = [];
  for (const { node } of nodes) {
    const deliver = node.deliver.bind(node);
    node.deliver = (message) => {
      const phase = wire.CFG_EXEC_CRYPTO_RECONFIGURE.decode(message.bytes);
      if (phase !== null && messageId(message.bytes) === CRYPTO_ID) phases.push(`${message.from}: ${phase.phase}`);
      deliver(message);
    };
  }
  for (const own of nodes)
    own.reload = { ok: true, ignoredKeys: [], apply: () => ({ cryptoChanged: true, errorMessage: null }) };
  connect(0).call(wire.CFG_RELOAD.message());
  ring.settle();
  await turn();
  ring.settle();
  t.same(
    nodes.map(({ said }) => said),
    [['reload done'], ['reload done']],
  );
  // Each of two nodes delivered each message of two nodes.
  t.same(phases.toSorted(), ['1: 1', '1: 1', '1: 2', '1: 2', '2: 1', '2: 1', '2: 2', '2: 2']);
});

t.test('a requester that is gone', async (t) => {
  const { ring, nodes, connect } = await cluster(1);
  const client = connect(0);
  client.call(wire.CFG_RELOAD.message());
  client.close();
  ring.settle();
  await turn();
  t.equal(client.responses.length, 0);
  t.same(nodes[0]!.node.failures, []);
});

t.test('nodes that are all ours reload together or not at all', async (t) => {
  const reloads = async (ring: FakeRing, client: FakeConnection): Promise<number> => {
    const before = client.responses.length;
    client.call(wire.CFG_RELOAD.message());
    for (let i = 0; i < 6; i++) {
      ring.settle();
      await turn();
    }
    const response = client.responses[before];
    return response === undefined ? -1 : messageError(response);
  };
  const applied: number[] = [];
  const good = (nodeId: number): PreparedReload => ({
    ok: true,
    ignoredKeys: [],
    apply: () => {
      applied.push(nodeId);
      return { cryptoChanged: false, errorMessage: null };
    },
  });
  const everywhere = (nodes: CfgNode[]): void => {
    for (const own of nodes) own.reload = good(own.node.nodeId);
  };

  const { ring, nodes, connect } = await cluster(3, () => true);
  const client = connect(0);
  everywhere(nodes);
  t.equal(await reloads(ring, client), CsError.OK);
  t.same(applied.splice(0).sort(), [1, 2, 3]);
  nodes[2]!.reload = { ok: false, reason: 'parser error: Missing closing brace' };
  t.equal(await reloads(ring, client), CsError.INVALID_PARAM);
  t.same(applied, [], 'nobody applied anything');
  const { cmap } = nodes[0]!.node;
  t.equal(cmap.getString('config.reload_error_message'), 'node 3: parser error: Missing closing brace');
  t.equal(cmap.getI32('config.reload_status'), CsError.INVALID_PARAM);
  t.equal(cmap.getU8('config.totemconfig_reload_in_progress'), 0);
  nodes[0]!.reload = { ok: false, reason: 'no interfaces defined', isLogged: true };
  t.equal(await reloads(ring, client), CsError.INVALID_PARAM);
  t.equal(cmap.getString('config.reload_error_message'), 'no interfaces defined');
  t.notOk(nodes[0]!.node.logged('Unable to reload config file: no interfaces defined'), 'not said twice');
  everywhere(nodes);
  t.equal(await reloads(ring, client), CsError.OK, 'and again');
  t.equal(applied.splice(0).length, 3);
  t.notOk(cmap.has('config.reload_error_message'));
  t.notOk(cmap.has('internal_configuration.service.15.name'), 'stock does not see it');

  client.call(wire.CFG_RELOAD.message());
  ring.partition([1, 2], [3]);
  for (let i = 0; i < 6; i++) {
    ring.advance(100);
    await turn();
  }
  t.equal(messageError(client.responses.at(-1)!), CsError.OK, 'the membership changed: those that are left are asked');
  t.same(applied.splice(0).sort(), [1, 2]);

  const mixed = await cluster(3, (nodeId) => nodeId !== 3);
  everywhere(mixed.nodes);
  mixed.nodes[1]!.reload = { ok: false, reason: 'broken' };
  t.equal(await reloads(mixed.ring, mixed.connect(0)), CsError.OK, 'with a stranger each node is for itself');
  t.same(applied.splice(0).sort(), [1, 3]);
});
