import t from 'tap';
import { TrackEvent } from '../../src/config/icmap/index.ts';
import { CmapType, cmapInteger } from '../../src/lib/cmap-value.ts';
import { CsError } from '../../src/lib/errors.ts';
import { CMAP_CONNECTION_LIMITS, CMAP_LIMITS } from '../../src/services/cmap/limits.ts';
import { IPC_CONNECTION_STATS, SRP_STATS } from '../../src/services/cmap/stats-keys.ts';
import type { StatsGroup } from '../../src/services/cmap/stats-map.ts';
import * as wire from '../../src/services/codec/cmap.ts';
import { nameValue } from '../../src/services/codec/fields.ts';
import { CmapFn, ServiceId } from '../../src/services/codec/ids.ts';
import { messageError } from '../../src/services/codec/struct.ts';
import { ENGINE_DROP_REASONS } from '../../src/services/host/engine-host.ts';
import { mapOfMain, shownDrops } from '../ring/shown-counters.ts';
import { QuorumCluster, QuorumNode } from './cluster.ts';
import type { FakeConnection } from './fake-node.ts';
import { FakeRing } from './fake-ring.ts';

async function oneNode() {
  const ring = new FakeRing();
  const node = new QuorumNode(ring, 1, { 'totem.cluster_name': 'test' }, undefined, false);
  await node.start();
  ring.add(node);
  ring.partition([1]);
  ring.settle();
  return { ring, node, client: node.connect(ServiceId.CMAP) };
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** libcmap, as far as the tests need it. */
class Cmap {
  constructor(readonly connection: FakeConnection) {}
  set(key: string, type: number, value: Uint8Array): number {
    return this.connection.status(
      wire.CMAP_SET.message({ key: nameValue(key), type, valueBytes: value.length }, value),
    );
  }
  get(key: string, room: number) {
    const response = this.connection.call(wire.CMAP_GET.message({ key: nameValue(key), valueBytes: room }))!;
    return { ...wire.CMAP_GET_RESPONSE.decodeChecked(response), bytes: response.slice(40), length: response.length };
  }
  delete(key: string): number {
    return this.connection.status(wire.CMAP_DELETE.message({ key: nameValue(key) }));
  }
  adjust(key: string, step: number): number {
    return this.connection.status(wire.CMAP_ADJUST_INT.message({ key: nameValue(key), step }));
  }
  iterate(prefix: string): string[] {
    const start = this.connection.call(wire.CMAP_ITER_INIT.message({ prefix: nameValue(prefix) }))!;
    const { handle } = wire.CMAP_ITER_INIT_RESPONSE.decodeChecked(start);
    const keys: string[] = [];
    for (;;) {
      const next = this.connection.call(wire.CMAP_ITER_NEXT.message({ handle }))!;
      if (messageError(next) === CsError.NO_SECTIONS) break;
      keys.push(wire.CMAP_ITER_NEXT_RESPONSE.decodeChecked(next).key.text);
    }
    this.connection.call(wire.CMAP_ITER_FINALIZE.message({ handle }));
    return keys;
  }
  track(key: string, trackType: number, cookie = 42n) {
    const response = this.connection.call(wire.CMAP_TRACK_ADD.message({ key: nameValue(key), trackType, cookie }))!;
    return wire.CMAP_TRACK_ADD_RESPONSE.decodeChecked(response);
  }
  setMap(map: number): number {
    return this.connection.status(wire.CMAP_SET_CURRENT_MAP.message({ map }));
  }
  events() {
    return this.connection.takeEvents().map((event) => {
      const { key, event: kind, newBytes, oldBytes, newType, oldType, cookie } = wire.CMAP_NOTIFY.decodeChecked(event);
      const tail = event.subarray(336);
      return {
        key: key.text,
        kind,
        newType,
        oldType,
        cookie,
        newValue: Buffer.from(tail.subarray(0, newBytes)).toString('latin1'),
        oldValue: Buffer.from(tail.subarray(newBytes, newBytes + oldBytes)).toString('latin1'),
      };
    });
  }
}

t.test('set, get, delete, adjust', async (t) => {
  const { client } = await oneNode();
  const cmap = new Cmap(client);
  t.equal(cmap.set('test.str', CmapType.STRING, text('abc')), CsError.OK);
  t.match(cmap.get('test.str', 0), { error: CsError.OK, valueBytes: 4, type: CmapType.STRING, length: 40 });
  const got = cmap.get('test.str', 100);
  t.match(got, { error: CsError.OK, valueBytes: 4, length: 140 }, 'as long as was asked for');
  t.equal(Buffer.from(got.bytes.subarray(0, 4)).toString(), 'abc\0');
  t.match(cmap.get('test.str', 2), { error: CsError.INVALID_PARAM, length: 40 });
  t.match(cmap.get('test.str', 2 ** 40), { error: CsError.INVALID_PARAM, length: 40 });
  t.match(cmap.get('test.none', 10), { error: CsError.NOT_EXIST, length: 40 });
  t.equal(cmap.set('test.u32', CmapType.U32, text('abc')), CsError.INVALID_PARAM);
  t.equal(cmap.set('test.u8', CmapType.U8, Uint8Array.of(255)), CsError.OK);
  t.equal(cmap.adjust('test.u8', 1), CsError.OK);
  t.equal(cmap.get('test.u8', 16).bytes[0], 0, 'wraps');
  t.equal(cmap.adjust('test.str', 1), CsError.INVALID_PARAM);
  t.equal(cmap.set('totem.transport', CmapType.STRING, text('x')), CsError.ACCESS);
  t.equal(cmap.delete('totem.transport'), CsError.ACCESS);
  t.equal(cmap.set('a?', CmapType.STRING, text('x')), CsError.NAME_TOO_LONG);
  t.equal(cmap.delete('test.str'), CsError.OK);
  t.equal(cmap.delete('test.str'), CsError.NOT_EXIST);
  const lying = wire.CMAP_SET.message({ key: nameValue('test.lie'), type: 12, valueBytes: 1000 }, text('abc'));
  t.equal(client.status(lying), CsError.INVALID_PARAM, 'a length beyond the request');
});

t.test('iteration and tracking', async (t) => {
  const { client, node } = await oneNode();
  const cmap = new Cmap(client);
  for (const key of ['it.b', 'it.a', 'it.c.d', 'other.x']) cmap.set(key, CmapType.U8, Uint8Array.of(1));
  t.same(cmap.iterate('it.'), ['it.a', 'it.b', 'it.c.d']);
  t.ok(cmap.iterate('').length > 10);
  const unknown = client.call(wire.CMAP_ITER_NEXT.message({ handle: 9999n }))!;
  t.equal(messageError(unknown), CsError.BAD_HANDLE);
  t.equal(cmap.track('it.', 16).error, CsError.INVALID_PARAM);
  const { handle } = cmap.track('it.', TrackEvent.PREFIX | TrackEvent.ADD | TrackEvent.MODIFY | TrackEvent.DELETE);
  t.equal(cmap.setMap(1), CsError.BUSY);
  cmap.set('it.new', CmapType.STRING, text('v1'));
  cmap.set('it.new', CmapType.STRING, text('v2'));
  cmap.set('it.new', CmapType.STRING, text('v2'));
  cmap.delete('it.new');
  t.match(cmap.events(), [
    { key: 'it.new', kind: 4, newValue: 'v1\0', oldValue: '', oldType: 0, cookie: 42n },
    { key: 'it.new', kind: 2, newValue: 'v2\0', oldValue: 'v1\0' },
    { key: 'it.new', kind: 1, newValue: '', newType: 0, oldValue: 'v2\0' },
  ]);
  const ended = client.call(wire.CMAP_TRACK_DELETE.message({ handle }))!;
  t.equal(wire.CMAP_TRACK_DELETE_RESPONSE.decodeChecked(ended).cookie, 42n);
  t.equal(messageError(client.call(wire.CMAP_TRACK_DELETE.message({ handle }))!), CsError.BAD_HANDLE);
  t.equal(cmap.setMap(7), CsError.NOT_EXIST);
  t.equal(cmap.setMap(1), CsError.OK);
  const other = new Cmap(node.connect(ServiceId.CMAP));
  other.track('it.', 15);
  other.connection.close();
  cmap.setMap(0);
  cmap.set('it.z', CmapType.U8, Uint8Array.of(1));
  t.same(other.events(), [], 'a closed client hears nothing');
});

t.test('statistics', async (t) => {
  const { client, node, ring } = await oneNode();
  const values: Record<string, number> = { mcast_tx: 5 };
  const cleared: StatsGroup[] = [];
  node.statistics.add({ prefix: 'stats.srp.', table: SRP_STATS, read: (name) => values[name] ?? 0 });
  node.statistics.onClear((group) => cleared.push(group));
  const connection = (id: number) => ({
    prefix: `stats.ipcs.service0.12.0x${id}.`,
    table: IPC_CONNECTION_STATS,
    read: (name: string) => (name === 'procname' ? 'tool' : 3),
  });
  node.statistics.add(connection(1));
  const stats = new Cmap(client);
  t.equal(stats.setMap(1), CsError.OK);
  t.equal(stats.get('stats.srp.mcast_tx', 16).bytes[0], 5);
  t.equal(stats.get('stats.srp.nothing', 16).error, CsError.NOT_EXIST);
  t.equal(stats.iterate('stats.srp.').length, Object.keys(SRP_STATS).length);
  t.same(stats.iterate('stats.ipcs.service0.12.0x1.q'), [
    'stats.ipcs.service0.12.0x1.queued',
    'stats.ipcs.service0.12.0x1.queueing',
  ]);
  t.equal(stats.set('stats.srp.mcast_tx', 8, new Uint8Array(8)), CsError.ACCESS);
  t.equal(stats.set('stats.clear.other', 8, new Uint8Array(8)), CsError.NOT_SUPPORTED);
  t.equal(stats.set('stats.clear.totem', 6, new Uint8Array(4)), CsError.OK);
  t.same(cleared, ['totem']);
  stats.set('stats.clear.all', 6, new Uint8Array(4));
  t.equal(cleared.length, 5);
  t.equal(stats.delete('stats.srp.mcast_tx'), CsError.ACCESS);
  t.equal(stats.adjust('stats.clear.x', 1), CsError.NOT_SUPPORTED);

  t.equal(stats.track('stats.ipcs.', 8 | 4).error, CsError.NOT_SUPPORTED, 'add and delete are both needed');
  t.equal(stats.track('stats.ipcs.', 8 | 4 | 1).error, CsError.OK);
  t.equal(stats.track('stats.srp.mcast_tx', 4).error, CsError.OK);
  const count = Object.keys(IPC_CONNECTION_STATS).length;
  stats.track('stats.ipcs.service0.12.0x2.sent', 4 | 2 | 1, 7n);
  node.statistics.add(connection(2));
  const born = stats.events();
  t.equal(born.length, count + 1);
  t.match(
    born.filter(({ key }) => key.endsWith('.sent')),
    [
      { key: 'stats.ipcs.service0.12.0x2.sent', kind: 4, newValue: '\x03\0\0\0', cookie: 7n },
      { key: 'stats.ipcs.service0.12.0x2.sent', kind: 4, newValue: '\x03\0\0\0', cookie: 42n },
    ],
    'a tracker of the key and one of the prefix hear of its birth',
  );
  t.equal(stats.iterate('stats.ipcs.').length, 2 * count);
  node.statistics.remove('stats.ipcs.service0.12.0x2.');
  const died = stats.events();
  t.equal(died.length, count + 1);
  t.ok(died.every(({ kind }) => kind === 1));
  t.equal(stats.get('stats.ipcs.service0.12.0x2.sent', 16).error, CsError.NOT_EXIST);
  values['mcast_tx'] = 6;
  ring.advance(1499);
  t.same(stats.events(), []);
  ring.advance(1);
  t.match(stats.events(), [{ key: 'stats.srp.mcast_tx', kind: 2, newType: 8, oldType: 8 }], 'whatever the mask');
  ring.advance(3000);
  t.same(stats.events(), [], 'unchanged');
});

t.test('births in the statistics are reported to whom stock reports them', async (t) => {
  const { client, node, ring } = await oneNode();
  const stats = new Cmap(client);
  stats.setMap(1);
  const values: Record<string, number> = {};
  const read = (name: string): number => values[name] ?? 0;
  stats.track('', 8 | 4 | 1);
  stats.track('rondo', 8 | 4 | 1, 1n);
  const named = () => stats.events().map(({ kind, key, cookie }) => `${kind} ${key} ${cookie}`);
  node.statistics.add({ prefix: 'rondo.own.', table: { wakes: 8 }, discreet: true, read });
  t.same(named(), [], 'keys of our own are reported to nobody who does not name them');
  stats.track('rondo.', 8 | 4 | 1, 2n);
  stats.track('rondo.own.wakes', 4 | 1, 3n);
  node.statistics.remove('rondo.own.');
  t.same(named(), ['1 rondo.own.wakes 3', '1 rondo.own.wakes 2']);

  stats.track('stats.srp.mcast_tx', 2, 4n);
  stats.track('stats.srp.mcast_rx', 2, 5n);
  values['mcast_rx'] = 1;
  node.statistics.add({ prefix: 'stats.srp.', table: { mcast_tx: 8, mcast_rx: 8 }, read });
  t.equal(stats.events().length, 2, 'births, to the tracker of all keys');
  ring.advance(1500);
  t.same(named(), ['2 stats.srp.mcast_rx 5'], 'a key that is born as zero has not changed');
});

t.test('members and versions', async (t) => {
  const cluster = await new QuorumCluster(2, { 'totem.config_version': 3n }).bootAll();
  const { cmap } = cluster.node(1);
  t.equal(cmap.getString('runtime.members.2.ip'), 'r(0) ip(10.0.0.2) ');
  t.equal(cmap.getU32('runtime.members.2.join_count'), 1);
  t.equal(cmap.getString('runtime.members.2.status'), 'joined');
  t.equal(cmap.getU64('runtime.members.2.config_version'), 3n);
  cluster.form([1], [2]);
  t.equal(cmap.getString('runtime.members.2.status'), 'left');
  cluster.form([1, 2]);
  t.equal(cmap.getU32('runtime.members.2.join_count'), 2);
  cluster.node(2).cmap.setU64('totem.config_version', 4);
  cluster.ring.settle();
  t.equal(cmap.getU64('runtime.members.2.config_version'), 4n, 'known at once');
  t.same(cluster.node(1).shutdowns, []);
});

t.test('an older configuration stops its node, at the first sync with company', async (t) => {
  const ring = new FakeRing();
  const nodes: QuorumNode[] = [];
  for (const nodeId of [1, 2]) {
    const node = new QuorumNode(ring, nodeId, { 'totem.config_version': BigInt(4 + nodeId) }, undefined, false);
    await node.start();
    ring.add(node);
    ring.partition([nodeId]);
    ring.settle();
    nodes.push(node);
  }
  ring.partition([1, 2]);
  ring.settle();
  t.same(nodes[0]!.shutdowns, ['Received config version (6) is different than my config version (5)! Exiting']);
  t.same(nodes[1]!.shutdowns, []);
});

t.test('what the ring says is not believed', async (t) => {
  const { node } = await oneNode();
  for (const bytes of [new Uint8Array(3), new Uint8Array(16), wire.encodeCmapMcast(0, []).subarray(0, 40)])
    node.host.deliver(2, bytes);
  const far = wire.CMAP_MCAST.message({});
  new DataView(far.buffer).setUint32(0, (63 << 16) | 5, true);
  node.host.deliver(2, far);
  new DataView(far.buffer).setUint32(0, 0xffff_ffff, true);
  node.host.deliver(2, far);
  new DataView(far.buffer).setUint32(0, (ServiceId.CMAP << 16) | 9, true);
  node.host.deliver(2, far);
  t.same(node.failures, []);
  t.match(node.host.drops, { short: 1, noService: 2, noFunction: 1 });
  const map = mapOfMain(node.host.drops, { file: 7, syslog: 8 });
  t.same(
    ENGINE_DROP_REASONS.map((reason) => shownDrops(map, 'engines', reason)),
    [1, 2, 1],
  );
  t.same(
    ['file', 'syslog'].map((reason) => shownDrops(map, 'log', reason)),
    [7, 8],
  );
  t.ok(cmapInteger(CmapType.U8, 1));
  t.equal(node.cmap.getU64(`runtime.services.cmap.${CmapFn.MCAST}.rx`), 3n);
});

t.test('clients that are not root', async (t) => {
  const { node } = await oneNode();
  node.cmap.setString('totem.key', 'the key');
  const root = new Cmap(node.connect(ServiceId.CMAP));
  const user = new Cmap(node.connect(ServiceId.CMAP, 1000));
  t.match(user.get('totem.key', 0), { error: CsError.ACCESS, valueBytes: 0 }, 'not even its length');
  t.equal(user.get('totem.key', 100).error, CsError.ACCESS);
  t.equal(root.get('totem.key', 100).error, CsError.OK);
  t.notOk(user.iterate('totem.').includes('totem.key'), 'not listed');
  t.ok(root.iterate('totem.').includes('totem.key'));
  for (const client of [root, user]) client.track('', TrackEvent.PREFIX | TrackEvent.MODIFY | TrackEvent.DELETE);
  user.track('totem.key', TrackEvent.MODIFY);
  node.cmap.setString('totem.key', 'another');
  t.match(root.events(), [{ key: 'totem.key', newValue: 'another\0' }]);
  t.same(user.events(), [], 'no event tells of it');
  node.cmap.delete('totem.key');
  t.same(user.events(), []);
  t.equal(user.set('logging.logfile', CmapType.STRING, text('/etc/passwd')), CsError.ACCESS);
  t.equal(root.set('logging.logfile', CmapType.STRING, text('/var/log/x')), CsError.OK);
});

t.test('trackers and iterations are bounded; refusals are logged, not often', async (t) => {
  const { node } = await oneNode();
  const user = new Cmap(node.connect(ServiceId.CMAP, 1000));
  const begin = (cmap: Cmap) =>
    messageError(cmap.connection.call(wire.CMAP_ITER_INIT.message({ prefix: nameValue('x') }))!);
  const untilRefused = (cmap: Cmap, open: (cmap: Cmap) => number): number => {
    for (let count = 0; ; count++) {
      const status = open(cmap);
      if (status === CsError.OK) continue;
      t.equal(status, CsError.NO_MEMORY);
      return count;
    }
  };
  const track = (cmap: Cmap) => cmap.track('some.key', 7).error;
  t.equal(untilRefused(user, track), CMAP_CONNECTION_LIMITS.trackers);
  t.equal(untilRefused(user, begin), CMAP_CONNECTION_LIMITS.iterators);
  const second = new Cmap(node.connect(ServiceId.CMAP, 1000));
  t.equal(untilRefused(second, track), CMAP_LIMITS.trackers.perUser - CMAP_CONNECTION_LIMITS.trackers);
  const third = new Cmap(node.connect(ServiceId.CMAP, 1000));
  t.equal(untilRefused(third, track), 0, 'by user, whatever the connection');
  t.equal(node.logs.filter((line) => /User 1000 .* no more trackers/.test(line)).length, 1);
  t.equal(track(new Cmap(node.connect(ServiceId.CMAP, 1001))), CsError.OK, 'another user');
  const root = new Cmap(node.connect(ServiceId.CMAP));
  for (let i = 0; i < 5_000; i++) track(root);
  t.equal(track(root), CsError.OK);
  user.connection.close();
  second.connection.close();
  t.equal(untilRefused(third, track), CMAP_CONNECTION_LIMITS.trackers, 'what a connection held is given back');
});

t.test('no name is a property of a table', async (t) => {
  const { client, node } = await oneNode();
  node.statistics.add({ prefix: 'stats.srp.', table: SRP_STATS, read: () => 0 });
  const stats = new Cmap(client);
  stats.setMap(1);
  for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty'])
    t.equal(stats.get(`stats.srp.${name}`, 16).error, CsError.NOT_EXIST, name);
  t.same(node.failures, []);
});
