import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { withChanges } from '../../src/bridge/totem-changes.ts';
import { type ConfigEnvironment, nodeEnvironment } from '../../src/config/environment.ts';
import { Icmap, TRACK_CHANGES, TrackEvent } from '../../src/config/icmap/index.ts';
import { actsAtOnce, changesOf } from '../../src/config/live-totem.ts';
import { type LoadedConfiguration, loadConfiguration } from '../../src/config/load.ts';
import { LoggingInForce } from '../../src/config/logging-in-force.ts';
import { keyChangeText } from '../../src/config/reload/diff.ts';
import { planReload } from '../../src/config/reload/plan.ts';

const names = new Map<string, string>();
const environment: ConfigEnvironment = {
  ...nodeEnvironment(),
  hostname: () => 'reload-host',
  localAddresses: () => ['10.9.0.1', '10.9.1.1', '10.9.2.1'],
  lookup: async (name, family) => (family === 4 ? [names.get(name)].filter((a) => a !== undefined) : []),
  reverse: async () => null,
  enterDirectory: async () => {},
};
const directory = mkdtempSync(join(tmpdir(), 'reload-'));
const file = join(directory, 'corosync.conf');
t.teardown(() => rmSync(directory, { recursive: true }));

function config(totem: string, nodes: readonly (readonly string[])[], rest = ''): string {
  const blocks = nodes.map((addresses, index) => {
    const lines = addresses.flatMap((address, link) => (address === '' ? [] : [`ring${link}_addr: ${address}`]));
    return `node {\nnodeid: ${index + 1}\nname: n${index + 1}\n${lines.join('\n')}\n}\n`;
  });
  return `totem {\nversion: 2\n${totem}}\nnodelist {\n${blocks.join('')}}\n${rest}`;
}

async function start(text: string): Promise<{ loaded: LoadedConfiguration; live: Icmap }> {
  writeFileSync(file, text);
  const loaded = await loadConfiguration({ file }, { purpose: 'start', environment });
  if (!loaded.ok) throw loaded.errors[0];
  const live = Icmap.withStockAccess();
  live.copyFrom(loaded.map);
  return { loaded, live };
}

const TWO_LINKS = config('token: 3000\n', [['10.9.0.1', '10.9.1.1']]);

t.test('a reload without changes changes nothing', async (t) => {
  const { loaded, live } = await start(TWO_LINKS);
  const plan = await planReload({ file, live, totem: loaded.totem, environment });
  t.ok(plan.ok);
  if (!plan.ok) return;
  // The daemon's copy of the bind address goes away at the first reload, as in stock.
  t.same(
    plan.changes.map(({ kind, key }) => `${kind} ${key}`),
    ['delete totem.interface.0.bindnetaddr', 'delete totem.interface.1.bindnetaddr'],
  );
  t.strictSame(plan.totem.timings, loaded.totem.timings);
});

t.test('a file with mistakes is refused and nothing is changed', async (t) => {
  const { loaded, live } = await start(TWO_LINKS);
  const before = [...live.entries()].length;
  let notified = 0;
  live.track('', TRACK_CHANGES | TrackEvent.PREFIX, () => notified++);
  for (const [text, line] of [
    [`${TWO_LINKS}}\n`, `Unable to reload config file: parser error: ${file}:13: Unexpected closing brace`],
    [
      config('token: 10\n', [['10.9.0.1', '10.9.1.1']]),
      'Configuration is not valid: parse error in config: The token timeout parameter (10 ms) may not be less than (30 ms).',
    ],
    [
      config('', [['10.9.0.7', '10.9.1.7']]),
      'Configuration is not valid: parse error in config: No valid name found for local host',
    ],
  ] as const) {
    writeFileSync(file, text);
    const plan = await planReload({ file, live, totem: loaded.totem, environment });
    t.equal(plan.ok, false);
    if (!plan.ok) t.equal(plan.log[0]?.message, line);
  }
  t.equal([...live.entries()].length, before);
  t.equal(notified, 0);
});

t.test('keys that cannot change are kept and named', async (t) => {
  const { loaded, live } = await start(config('cluster_name: one\n', [['10.9.0.1']]));
  writeFileSync(file, config('cluster_name: two\ntransport: udpu\nlink_mode: rr\n', [['10.9.0.1']]));
  const plan = await planReload({ file, live, totem: loaded.totem, environment });
  t.ok(plan.ok);
  if (!plan.ok) return;
  t.strictSame(plan.ignoredKeys, ['totem.cluster_name', 'totem.transport']);
  t.equal(plan.totem.transport, 'knet');
  t.equal(plan.totem.linkPolicy, 'passive', 'read at start only');
  plan.commit();
  t.equal(live.getString('totem.cluster_name'), 'one');
  t.equal(live.getString('totem.link_mode'), 'rr', 'stored, as in stock');
  t.notOk(live.has('totem.transport'));
});

t.test('nodes and timings: the derived values follow', async (t) => {
  const { loaded, live } = await start(config('', [['10.9.0.1']], 'quorum {\nexpected_votes: 5\n}\n'));
  t.equal(live.getU32('runtime.config.totem.token'), 3000);
  writeFileSync(file, config('token: 5000\n', [['10.9.0.1'], ['10.9.0.2'], ['10.9.0.3']]));
  const plan = await planReload({ file, live, totem: loaded.totem, environment });
  t.ok(plan.ok);
  if (!plan.ok) return;
  t.strictSame(
    plan.totem.members.map(({ nodeId }) => nodeId),
    [1, 2, 3],
  );
  t.ok(plan.changes.map(keyChangeText).includes('runtime.config.totem.token: 3000 -> 5650'));
  t.ok(plan.changes.map(keyChangeText).includes('quorum.expected_votes: 5 -> (unset)'));
  plan.commit();
  for (const [key, value] of [
    ['token', 5650],
    ['token_retransmit', 1345],
    ['hold', 1066],
    ['consensus', 6780],
    ['interface.0.knet_ping_interval', 1412],
    ['interface.0.knet_ping_timeout', 2825],
  ] as const) {
    t.equal(live.getU32(`runtime.config.totem.${key}`), value, key);
  }
  t.notOk(live.has('quorum.expected_votes'));
});

t.test('links come and go; an address of a live link cannot change', async (t) => {
  const { loaded, live } = await start(TWO_LINKS);
  writeFileSync(file, config('', [['10.9.0.1', '', '10.9.2.1']]));
  const plan = await planReload({ file, live, totem: loaded.totem, environment });
  t.ok(plan.ok);
  if (plan.ok) {
    t.strictSame(
      plan.totem.links.map(({ linkId }) => linkId),
      [0, 2],
    );
  }
  writeFileSync(file, config('', [['10.9.2.1', '10.9.1.1']]));
  const refused = await planReload({ file, live, totem: loaded.totem, environment });
  t.equal(refused.ok, false);
  if (!refused.ok) {
    t.strictSame(
      refused.log.map(({ message }) => message),
      [
        'new config has different address for link 0 (addr changed from 10.9.0.1 to 10.9.2.1). Internal value was NOT changed.',
        'Cannot configure new interface definitions: To reconfigure an interface it must be deleted and recreated. A working interface needs to be available to corosync at all times',
      ],
    );
    t.match(refused.reason, /corosync\.conf:8:13: .*Remove link 0 from the file, reload/);
  }
});

t.test('a name that stops to resolve keeps its address', async (t) => {
  names.set('other', '10.9.0.2');
  const { loaded, live } = await start(config('', [['10.9.0.1'], ['other'], ['later']]));
  t.strictSame(loaded.totem.members[1]?.addresses, ['10.9.0.2']);
  t.strictSame(loaded.totem.members[2]?.addresses, [null]);
  t.strictSame(
    loaded.unresolved.map(({ text, nodeId }) => [text, nodeId]),
    [['later', 3]],
  );
  names.clear();
  const plan = await planReload({ file, live, totem: loaded.totem, environment });
  t.ok(plan.ok);
  if (!plan.ok) return;
  t.strictSame(plan.totem.members[1]?.addresses, ['10.9.0.2']);
  t.strictSame(
    plan.unresolved.map(({ text }) => text),
    ['later'],
  );
});

t.test('the node id of this node stays', async (t) => {
  const { loaded, live } = await start(config('', [['10.9.0.1'], ['10.9.0.2']]));
  writeFileSync(file, config('', [['10.9.0.2'], ['10.9.0.1']]));
  const plan = await planReload({ file, live, totem: loaded.totem, environment });
  t.equal(plan.ok, false);
  if (!plan.ok) t.match(plan.reason, /node id of this node cannot be changed/);
});

t.test('timings set through the map act at once, unless they are wrong', async (t) => {
  const { loaded, live } = await start(config('', [['10.9.0.1'], ['10.9.0.2'], ['10.9.0.3']]));
  live.setU32('totem.token', 8000);
  const result = changesOf(loaded.totem, live);
  t.ok(result.ok);
  if (result.ok && result.changes !== null) {
    t.strictSame(result.changes, {
      timings: { tokenMs: 8650, tokenRetransmitMs: 2059, holdMs: 1637, consensusMs: 10380, silenceMs: 5833 },
      knet: {},
      compression: {},
      filter: {},
    });
    const { links, ...changed } = withChanges(loaded.totem, result.changes);
    t.strictSame(changed.timings, { ...loaded.totem.timings, ...result.changes.timings });
    t.strictSame(links, loaded.totem.links, 'links keep their timers until a reload');
  }
  live.setU32('totem.consensus', 20);
  const bad = changesOf(loaded.totem, live);
  t.equal(bad.ok, false);
  live.delete('totem.consensus');
  live.delete('totem.token');
  t.strictSame(changesOf(loaded.totem, live), { ok: true, changes: null });
  live.setU32('totem.interface.0.knet_pong_count', 100_000);
  t.strictSame(changesOf(loaded.totem, live), { ok: true, changes: null }, 'stored only');
});

t.test('only keys of options that act at run time are looked at', async (t) => {
  for (const key of ['totem.token', 'totem.token_coefficient', 'totem.knet_mtu']) t.ok(actsAtOnce(key), key);
  for (const key of [
    'totem.cluster_uuid',
    'totem.link_mode',
    'totem.interface.0.mcastport',
    'totem.interface.7.knet_ping_precision',
    'totem.interface.0.knet_link_priority',
    'totem.knet_ping_precision',
  ])
    t.notOk(actsAtOnce(key), key);
});

t.test('what only a start reads does not refuse a reload: it is reported', async (t) => {
  const { loaded, live } = await start(config('', [['10.9.0.1']]));
  writeFileSync(
    file,
    config('link_mode: sometimes\ninterface {\nttl: 7\n}\n', [['10.9.0.1']], 'logging {\ndebug: perhaps\n}\n'),
  );
  const plan = await planReload({ file, live, totem: loaded.totem, environment });
  t.ok(plan.ok);
  if (!plan.ok) return;
  t.equal(plan.totem.linkPolicy, loaded.totem.linkPolicy);
  t.strictSame(
    plan.warnings.filter(({ code }) => code === 'next-start').map(({ key }) => key),
    ['totem.interface.0.ttl', 'totem.link_mode', 'logging.debug'],
  );
  const again = await loadConfiguration({ file }, { purpose: 'start', environment });
  t.notOk(again.ok, 'the same file refuses a start');
  writeFileSync(file, config(`link_mode: ${'x'.repeat(80)}\n`, [['10.9.0.1']]));
  const long = await planReload({ file, live, totem: loaded.totem, environment });
  t.equal(long.ok, true, 'nor does one that is too long');
  t.equal((await loadConfiguration({ file }, { purpose: 'start', environment })).ok, false);
});

t.test('logging: what stands before a wrong value acts, the rest stays', async (t) => {
  const map = new Icmap();
  const inForce = new LoggingInForce();
  const set = (key: string, value: string): void => {
    map.setString(`logging.${key}`, value);
  };
  set('to_syslog', 'no');
  set('syslog_priority', 'warning');
  set('debug', 'on');
  set('logger_subsys.TOTEM.subsys', 'TOTEM');
  set('logger_subsys.TOTEM.debug', 'trace');
  t.equal(inForce.follow(map).mistake, null);
  set('to_syslog', 'yes');
  set('syslog_priority', 'loud');
  set('debug', 'off');
  map.delete('logging.logger_subsys.TOTEM.debug');
  const { config: now, mistake } = inForce.follow(map);
  t.strictSame(mistake, {
    key: 'logging.syslog_priority',
    value: 'loud',
    text: 'unknown syslog priority specified.',
  });
  t.equal(now.toSyslog, true, 'before the mistake');
  t.equal(now.syslogPriority, 'warning', 'as it was');
  t.equal(now.debug, 'on', 'behind it');
  t.equal(now.subsystems.get('TOTEM')?.debug, 'trace');
  set('syslog_priority', 'err');
  const { config: mended } = inForce.follow(map);
  t.equal(mended.syslogPriority, 'error');
  t.equal(mended.debug, 'off');
  t.equal(mended.subsystems.get('TOTEM')?.debug, 'off');
});
