import t from 'tap';
import { Icmap, TRACK_CHANGES } from '../../src/config/icmap/index.ts';
import type { TotemConfig } from '../../src/config/totem-config.ts';
import { Deferred, Gate, settlesWithin } from '../../src/daemon/deferred.ts';
import { nodeReport, ringLinkReports } from '../../src/daemon/link-report.ts';
import { RemoteCounters } from '../../src/daemon/remote-counters.ts';
import { installTriggerKeys } from '../../src/daemon/runtime-keys.ts';
import { ScheduleWatch } from '../../src/daemon/schedule-watch.ts';
import { addStatistics, RingCounters, showLinks, showOwnCounters } from '../../src/daemon/stats.ts';
import { type CmapValue, cmapValueText } from '../../src/lib/cmap-value.ts';
import { CsError } from '../../src/lib/errors.ts';
import { NO_FLIGHT_LOG } from '../../src/observe/flight/index.ts';
import { StatsMap } from '../../src/services/cmap/stats-map.ts';
import { CPG_SERVICE } from '../../src/services/cpg/service.ts';
import type { LinkStatus } from '../../src/transport/transport.ts';

t.test('the gate keeps the order, also of what comes while it opens', async (t) => {
  const gate = new Gate();
  const seen: number[] = [];
  gate.run(() => {
    seen.push(1);
    gate.run(() => seen.push(3));
  });
  gate.run(() => seen.push(2));
  t.notOk(gate.open);
  t.same(seen, []);
  gate.release();
  t.same(seen, [1, 2, 3]);
  gate.run(() => seen.push(4));
  t.same(seen, [1, 2, 3, 4]);
});

t.test('within', async (t) => {
  const deferred = new Deferred<void>();
  t.equal(await settlesWithin(5, deferred.promise), false);
  deferred.resolve();
  t.equal(await settlesWithin(1000, deferred.promise), true);
});

t.test('trigger keys', async (t) => {
  const cmap = new Icmap();
  const done: string[] = [];
  installTriggerKeys(cmap, {
    forceGather: () => done.push('gather'),
    dumpFlightData: () => done.push('flight'),
    dumpState: () => done.push('state'),
  });
  cmap.setString('runtime.force_gather', '1');
  cmap.setString('runtime.force_gather', '1');
  cmap.setString('runtime.blackbox.dump_state', 'yes');
  cmap.delete('runtime.blackbox.dump_flight_data');
  t.same(done, ['gather', 'gather', 'state', 'flight']);
  t.equal(cmap.getString('runtime.force_gather'), 'no');
});

t.test('a pause is recorded, logged and shown', async (t) => {
  const lines: string[] = [];
  const clock = { ms: 0, nowMs: () => clock.ms, wallMs: () => 1_000_000 + clock.ms };
  const watch = new ScheduleWatch((_level, _subsystem, text) => lines.push(text), NO_FLIGHT_LOG, clock);
  const map = new StatsMap({ setTimer: () => ({ cancel() {} }) });
  watch.show(map);
  for (const ms of [300, 600, 3600]) {
    clock.ms = ms;
    watch.tick(800);
  }
  t.equal(lines.length, 1);
  t.match(lines[0], /not scheduled \(@1003600\) for 3000\.0000 ms \(threshold is 800\.0000 ms\)/);
  t.same([...map.keys()], ['stats.schedmiss.0.delay', 'stats.schedmiss.0.timestamp']);
  t.equal(cmapValueText(map.get('stats.schedmiss.0.delay') as CmapValue), '3000.000000');
  map.set('stats.clear.schedmiss');
  t.same([...map.keys()], []);
});

t.test('statistics over the shared counters', async (t) => {
  const values = new Float64Array(8);
  const counters = new RingCounters(() => values);
  counters.add([
    { name: 'srp.orf_token_rx', slot: 0 },
    { name: 'srp.continuous_gather', slot: 1 },
    { name: 'srp.msg_reserved', slot: 2 },
    { name: 'stats.knet.node2.link0.tx_ping_packets', slot: 3 },
    { name: 'stats.knet.node2.link0.connected', slot: 4 },
    { name: 'rondo.cpg.3.rx', slot: 5 },
  ]);
  values.set([7, 2, 1, 40, 1, 9]);
  const map = new StatsMap({ setTimer: () => ({ cancel() {} }) });
  let cleared = 0;
  addStatistics(map, counters, () => ({
    active: 1,
    closed: 3,
    byService: () => [],
    refresh: () => {},
    notice: () => {},
    clear: () => {
      cleared++;
    },
  }));
  const text = (key: string): string | null => {
    const value = map.get(key);
    return typeof value === 'number' ? null : cmapValueText(value);
  };
  t.equal(text('stats.srp.orf_token_rx'), '7');
  showOwnCounters(map, counters);
  const scene: string[] = [];
  map.track('stats.knet.', 15, (event, key) => scene.push(`${event} ${key}`));
  map.track('stats.knet.node3.link1.connected', 15, (event, key) => scene.push(`exact ${event} ${key}`));
  const links = (...members: readonly (readonly [number, readonly (string | null)[]])[]): TotemConfig =>
    ({ transport: 'knet', nodeId: 1, members: members.map(([nodeId, addresses]) => ({ nodeId, addresses })) }) as never;
  showLinks(map, counters, links([1, ['a', 'b']], [2, ['c', null]]));
  const groups = () => [...new Set([...map.keys('stats.knet.')].map((key) => key.replace(/\.\w+$/, '')))];
  t.same(groups(), ['stats.knet.handle', 'stats.knet.node1.link0', 'stats.knet.node2.link0']);
  t.equal(scene.length, [...map.keys('stats.knet.')].length, 'each birth is reported');
  scene.length = 0;
  showLinks(map, counters, links([1, ['a', 'b']], [2, ['c']], [3, ['d', 'e']]));
  t.equal(scene.filter((line) => line.endsWith('4 stats.knet.node3.link1.connected')).length, 2);
  t.ok(
    scene.every((line) => line.includes('4 stats.knet.node3.')),
    'what was there is not reported again',
  );
  scene.length = 0;
  showLinks(map, counters, links([1, ['a', 'b']], [2, ['c']]));
  t.equal(scene.filter((line) => line.endsWith('1 stats.knet.node3.link1.connected')).length, 2);
  t.equal(map.get('stats.knet.node3.link1.connected'), CsError.NOT_EXIST);
  t.equal(text('stats.pg.msg_reserved'), '1');
  t.equal(text('stats.srp.mcast_tx'), '0', 'keys of the table exist from the start');
  t.equal(text('stats.knet.node2.link0.tx_ping_packets'), '40');
  t.equal(text('stats.ipcs.global.closed'), '3');
  t.equal(text('stats.knet.node3.link0.mtu'), null);
  t.equal(text('rondo.cpg.3.rx'), '9');
  t.equal(text('rondo.cpg.4.rx'), null);
  t.same([...map.keys('rondo.')], ['rondo.cpg.3.rx'], 'our own counters can be listed');
  t.notOk(
    [...map.keys()].some((key) => key.startsWith('rondo.')),
    'but are not among all keys',
  );
  map.set('stats.clear.all');
  t.equal(text('stats.srp.orf_token_rx'), '0');
  t.equal(text('stats.srp.continuous_gather'), '2', 'what describes the present stays');
  t.equal(text('stats.knet.node2.link0.connected'), '1');
  t.equal(text('stats.knet.node2.link0.tx_ping_packets'), '0');
  t.equal(cleared, 1);
  values[0] = 10;
  t.equal(text('stats.srp.orf_token_rx'), '3');

  const cmap = new Icmap();
  for (let fn = 0; fn < 7; fn++) for (const way of ['rx', 'tx']) cmap.setU64(`runtime.services.cpg.${fn}.${way}`, 0);
  const events: string[] = [];
  cmap.track('runtime.services.cpg.3.rx', TRACK_CHANGES, (_event, key, value) =>
    events.push(`${key}=${cmapValueText(value!)}`),
  );
  const cpg = new RemoteCounters(cmap, counters, [CPG_SERVICE]);
  cpg.refresh();
  cpg.refresh();
  t.same(events, ['runtime.services.cpg.3.rx=9']);
});

const config = (transport: 'knet' | 'udpu'): TotemConfig =>
  ({
    nodeId: 1,
    transport,
    netMtu: 1500,
    members: [1, 2, 3].map((nodeId) => ({ nodeId, name: `n${nodeId}`, addresses: [`10.0.0.${nodeId}`] })),
  }) as unknown as TotemConfig;

const peer = (nodeId: number, connected: boolean) => ({
  nodeId,
  address: `10.0.0.${nodeId}`,
  enabled: true,
  connected,
  mtu: 1397,
  latencyUs: 100,
  heardMs: null,
});
const LINKS: readonly LinkStatus[] = [
  { linkId: 0, localAddress: '10.0.0.1', up: true, peers: [peer(1, true), peer(2, true), peer(3, false)] },
];

t.test('links and nodes as cfg reports them', async (t) => {
  t.same(ringLinkReports(config('udpu'), LINKS), [{ name: '0 10.0.0.1', status: 'OK' }]);
  t.same(ringLinkReports(config('knet'), LINKS), [{ name: '0 10.0.0.1', status: 'n31' }]);
  t.match(nodeReport(config('knet'), LINKS, [], 2), {
    reachable: true,
    links: [{ enabled: 1, connected: 1, dynconnected: 0, mtu: 1397, source: '10.0.0.1', destination: '10.0.0.2' }],
  });
  t.match(nodeReport(config('knet'), LINKS, [], 3), { reachable: false, links: [{ enabled: 1, connected: 0 }] });
  t.match(nodeReport(config('knet'), LINKS, [], 1), {
    reachable: true,
    links: [{ source: '10.0.0.1', destination: '10.0.0.1' }],
  });
  t.equal(nodeReport(config('knet'), LINKS, [], 9), null);
  t.match(nodeReport(config('udpu'), LINKS, [1, 2], 2), {
    reachable: true,
    links: [{ enabled: 1, connected: 1, mtu: 1410, source: '10.0.0.2', destination: '' }],
  });
  t.match(nodeReport(config('udpu'), LINKS, [1, 2], 9), { reachable: false, links: [] });
});
