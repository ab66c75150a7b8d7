import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { withChanges } from '../../src/bridge/totem-changes.ts';
import { nodeEnvironment } from '../../src/config/environment.ts';
import type { IcmapEntry } from '../../src/config/icmap/icmap.ts';
import { changesOf } from '../../src/config/live-totem.ts';
import { type LoadedConfiguration, loadConfiguration } from '../../src/config/load.ts';
import { KNET_LINK, KNET_OPTIONS } from '../../src/config/options/knet.ts';
import { TIMING } from '../../src/config/options/timing.ts';
import { planReload } from '../../src/config/reload/plan.ts';
import { UNCHANGEABLE_KEYS } from '../../src/config/reload/unchangeable.ts';
import { publishRuntimeTotem } from '../../src/config/totem/publish.ts';
import type { TotemConfig } from '../../src/config/totem-config.ts';
import { cmapTypeName, cmapValueText } from '../../src/lib/cmap-value.ts';
import { isConfiguration, runStock, STOCK_ADDRESSES, stockUnavailable } from '../config/stock-daemon.ts';

/**
 * Every key that a running stock daemon has from a generated file, those that it derives included, and the ports that it
 * listens on, against ours. `CONFIG_SEED` replays a run, `CONFIG_RUNS` makes it longer.
 */
const seed = Number(process.env['CONFIG_SEED'] ?? 1);
const runs = Number(process.env['CONFIG_RUNS'] ?? (process.env['RONDO_LAB_FULL'] === '1' ? 40 : 8));

type Lines = readonly string[];
const block = (name: string, lines: Lines): string => `${name} {\n${lines.join('\n')}\n}`;
/** One line, or none. */
const maybe = (key: string, values: readonly (string | number)[], weight = 1): fc.Arbitrary<Lines> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant<Lines>([]) },
    { weight, arbitrary: fc.constantFrom(...values).map((value): Lines => [`${key}: ${value}`]) },
  );
const all = (...parts: readonly fc.Arbitrary<Lines>[]): fc.Arbitrary<Lines> =>
  fc.tuple(...parts).map((found) => found.flat());

const TIMINGS = all(
  maybe('token', [0, 200, 1000, 3000, 10_000], 3),
  maybe('token_coefficient', [0, 1, 100, 650, 5000], 2),
  maybe('token_retransmits_before_loss_const', [0, 1, 4, 6]),
  maybe('token_retransmit', [0, 30, 200]),
  maybe('token_warning', [0, 50, 100]),
  maybe('hold', [0, 14, 100]),
  maybe('join', [0, 30, 60, 150]),
  maybe('send_join', [0, 80]),
  maybe('consensus', [0, 400, 5000, 20_000]),
  maybe('merge', [0, 100]),
  maybe('downcheck', [0, 500]),
  maybe('fail_recv_const', [0, 10]),
  maybe('seqno_unchanged_const', [0, 20]),
  maybe('heartbeat_failures_allowed', [0, 3]),
  maybe('max_network_delay', [0, 80]),
  maybe('window_size', [0, 40, 300]),
  maybe('max_messages', [0, 10, 20]),
  maybe('miss_count_const', [0, 7]),
);
const TOTEM = all(
  maybe('cluster_name', ['c', 'My-Cluster_1', 'ünï', 'x'.repeat(40)], 2),
  maybe('config_version', [0, 5]),
  maybe('netmtu', [0, 1400, 9000]),
  maybe('ip_version', ['ipv4', 'ipv4-6', 'ipv6-4']),
  maybe('knet_mtu', [0, 1200]),
  maybe('knet_pmtud_interval', [0, 10]),
  maybe('knet_compression_model', ['zlib', 'lz4']),
  maybe('knet_compression_threshold', [0, 300]),
  maybe('knet_compression_level', [0, -1, 5]),
  maybe('block_unlisted_ips', ['yes', 'no', 'maybe']),
  maybe('cancel_token_hold_on_retransmit', ['yes', 'no', 'maybe']),
  maybe('clear_node_high_bit', ['yes', 'no']),
  maybe('link_mode', ['passive', 'active', 'rr']),
  maybe('ip_dscp', ['0', '46', 'ef']),
  maybe('threads', [0, 2]),
  maybe('nodeid', [7]),
  maybe('unknown', ['x']),
);
const interfaceOf = (number: number): fc.Arbitrary<Lines> =>
  all(
    fc.constant(number === 0 ? [] : [`linknumber: ${number}`]),
    maybe('mcastport', [0, 5405, 6000 + 10 * number], 2),
    maybe('broadcast', ['yes', 'no', 'maybe'], 2),
    maybe('mcastaddr', ['239.1.2.3'], 1),
    maybe('bindnetaddr', [`10.9.${number}.0`]),
    maybe('knet_ping_interval', [0, 300, 4_294_967_295]),
    maybe('knet_ping_timeout', [0, 700]),
    maybe('knet_ping_precision', [0, 500]),
    maybe('knet_pong_count', [0, 1, 3, 7]),
    maybe('knet_transport', ['udp']),
    maybe('strange', ['x']),
  ).map((lines) => (lines.some((line) => !line.startsWith('linknumber')) ? [block('interface', lines)] : []));
const KNET_ONLY = maybe('knet_link_priority', [0, 1, 7]).map((lines) =>
  lines.length === 0 ? [] : [block('interface', lines)],
);
const UDP_ONLY = maybe('ttl', [1, 3]).map((lines) => (lines.length === 0 ? [] : [block('interface', lines)]));

function nodelist(transport: string, links: number, nodes: number, named: boolean): fc.Arbitrary<Lines> {
  const node = (index: number): fc.Arbitrary<Lines> =>
    all(
      // The addresses of the first node are this host's.
      fc.constant(Array.from({ length: links }, (_, link) => `ring${link}_addr: 10.9.${link}.${index + 1}`)),
      transport === 'knet' ? fc.constant([`nodeid: ${index + 1}`]) : maybe('nodeid', [index + 1], 2),
      named ? fc.constant([`name: n${index}`]) : maybe('name', [`n${index}`]),
      maybe('quorum_votes', [0, 1, 2]),
      maybe('colour', ['red']),
      maybe('rack', ['1']),
    ).map((lines) => [block('node', lines)]);
  return all(...Array.from({ length: nodes }, (_, index) => node(index))).map((list) => [block('nodelist', list)]);
}

/** What a start refuses, in part. */
const ODD = all(
  maybe('link_mode', ['sometimes', 'x'.repeat(80)]),
  maybe('transport', ['sctp']),
  maybe('version', [3]),
  maybe('join', [20]),
  maybe('crypto_cipher', ['aes999']),
  maybe('ttl', [3]).map((lines) => (lines.length === 0 ? [] : [block('interface', lines)])),
  maybe('knet_link_priority', [3]).map((lines) => (lines.length === 0 ? [] : [block('interface', lines)])),
  maybe('mcastaddr', ['10.9.0.7', 'ff15::1', 'nonsense!']).map((lines) =>
    lines.length === 0 ? [] : [block('interface', lines)],
  ),
);
const NOTHING = fc.constant<Lines>([]);

const file = (transport: string, links: number, list: Lines, more = NOTHING): fc.Arbitrary<string> =>
  all(
    all(
      fc.constant(['version: 2', `transport: ${transport}`]),
      TOTEM,
      TIMINGS,
      ...Array.from({ length: links }, (_, link) => interfaceOf(link)),
      transport === 'knet' ? KNET_ONLY : fc.constant([]),
      transport === 'udp' ? UDP_ONLY : fc.constant([]),
      fc.oneof({ weight: 2, arbitrary: NOTHING }, { weight: 1, arbitrary: more }),
    ).map((lines) => [block('totem', lines)]),
    fc.constant(list),
    all(
      maybe('provider', ['corosync_votequorum']),
      maybe('expected_votes', [1, 3]),
      maybe('wait_for_all', [0, 1]),
      maybe('last_man_standing_window', [500]),
    ).map((lines) => [block('quorum', lines)]),
    fc.constant([block('logging', ['to_syslog: no']), block('system', ['sched_rr: no']), '']),
  ).map((lines) => lines.join('\n'));

/** A file, and another one for the same nodes that a reload reads. */
const files = fc
  .record({
    transport: fc.constantFrom('knet', 'knet', 'udp', 'udpu'),
    links: fc.integer({ min: 1, max: 3 }),
    nodes: fc.integer({ min: 1, max: 4 }),
  })
  .chain(({ transport, links: wanted, nodes }) => {
    const links = transport === 'knet' ? wanted : 1;
    return nodelist(transport, links, nodes, links > 1).chain((list) =>
      fc.tuple(file(transport, links, list), file(transport, links, list, ODD)),
    );
  });

/** What a client does to a key of the map while the daemon runs; no value: deletes it. */
type LiveChange =
  | readonly [key: string, type: 'u32' | 'i32' | 'u8' | 'str', value: number | string]
  | readonly [key: string];
const NUMBERS: readonly string[] = [...TIMING, ...KNET_OPTIONS].map(({ key }) => key);
const OF_LINKS = KNET_LINK.flatMap(({ key }) => [`interface.0.${key}`, `interface.1.${key}`]);
const liveChanges: fc.Arbitrary<readonly LiveChange[]> = fc.array(
  fc.oneof(
    fc.tuple(fc.constantFrom(...NUMBERS), fc.constant('u32' as const), fc.constantFrom(0, 1, 40, 300, 4000, 30_000)),
    fc.constantFrom<LiveChange>(
      ['token', 'u32', 4000],
      ['token', 'u32', 700],
      ['token', 'str', '5000'],
      ['token_coefficient', 'u32', 100],
      ['knet_compression_threshold', 'u32', 300],
      ['knet_compression_level', 'i32', 4],
      ['knet_compression_model', 'str', 'zlib'],
      ['block_unlisted_ips', 'str', 'no'],
      ['block_unlisted_ips', 'str', 'perhaps'],
      ['cancel_token_hold_on_retransmit', 'str', 'yes'],
      ['link_mode', 'str', 'rr'],
      ['interface.0.knet_link_priority', 'u8', 9],
    ),
    fc.tuple(fc.constantFrom(...OF_LINKS), fc.constant('u32' as const), fc.constantFrom(0, 1, 4, 400, 2500)),
    fc.constantFrom(...NUMBERS, 'block_unlisted_ips').map((key): LiveChange => [key]),
  ),
  { maxLength: 5 },
);

const commandOf = ([key, type, value]: LiveChange): string =>
  type === undefined ? `corosync-cmapctl -d totem.${key}` : `corosync-cmapctl -s totem.${key} ${type} ${value}`;

/** The same in our map, and its effect. `false`: stock goes on with a value that it calls wrong, ours does not (config-and-tools.md 8.1 T6). */
function actsAsStock(loaded: LoadedConfiguration, changes: readonly LiveChange[]): boolean {
  const { map } = loaded;
  let { totem } = loaded;
  for (const [name, type, value] of changes) {
    const key = `totem.${name}`;
    if (type === undefined) map.delete(key);
    else if (type === 'str') map.setString(key, String(value));
    else if (type === 'u8') map.setU8(key, Number(value));
    else if (type === 'i32') map.setI32(key, Number(value));
    else map.setU32(key, Number(value));
    const live = changesOf(totem, map);
    if (!live.ok) return false;
    if (live.changes === null) continue;
    totem = withChanges(totem, live.changes);
    publishRuntimeTotem(map, totem);
  }
  return true;
}

const lineOf = ({ key, value }: IcmapEntry): string => `${key} (${cmapTypeName(value.type)}) = ${cmapValueText(value)}`;

/**
 * After a reload: keys that cannot change stay when the file no longer has them, where stock deletes what it cannot take back; `ip_dscp` is such a
 * key from stock 3.1.10 on; udp has no pings, and stock reads their settings only where a bindnetaddr is given.
 */
const differsByDesign = (transport: string, line: string): boolean => {
  const key = line.split(' ')[1] ?? '';
  return UNCHANGEABLE_KEYS.includes(key) || (transport === 'udp' && /^runtime\..*\.knet_ping_/.test(key));
};

const environment = {
  ...nodeEnvironment(),
  hostname: () => 'live-keys-host',
  localAddresses: () => STOCK_ADDRESSES,
  enterDirectory: async () => {},
};

/** What the transports of this daemon bind (src/transport). */
function socketsOf({ transport, links }: TotemConfig): string[] {
  const found = links.flatMap(({ bindAddress, port, multicastAddress }) =>
    transport === 'udp'
      ? [`${multicastAddress}:${port}`, `${bindAddress}:${port - 1}`, `${bindAddress}:${port}`]
      : [`${bindAddress}:${port}`],
  );
  return found.sort();
}

t.setTimeout(60_000 + runs * 20_000);
t.test(
  'derived values and ports are those of stock',
  { skip: stockUnavailable, timeout: 30_000 + runs * 20_000 },
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'derived-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const path = join(directory, 'corosync.conf');
    let started = 0;
    let changed = 0;
    let reloaded = 0;
    const samples = fc.sample(fc.tuple(files, liveChanges), { numRuns: runs, seed });
    for (const [run, [[text, next], changes]] of samples.entries()) {
      writeFileSync(path, text);
      const stock = runStock(path, changes.map(commandOf), next);
      writeFileSync(path, text);
      const result = await loadConfiguration({ file: path }, { purpose: 'start', environment });
      const name = `CONFIG_SEED=${seed} run ${run}`;
      if (stock.keys.length === 0 || !result.ok) {
        const reason = result.ok ? '' : result.errors[0]!.stockMessage;
        const same = !result.ok && stock.keys.length === 0 && stock.log.includes(reason);
        if (!same) t.fail(`${name}: one of the two starts, or the reasons differ`, { text, reason, stock: stock.log });
        continue;
      }
      started++;
      const compare = (what: string, stockHas: readonly string[], prefix = ''): string[] => {
        const ours = [...result.map.entries(prefix)].map(lineOf).filter(isConfiguration);
        const byDesign = what === 'reload' ? differsByDesign : () => false;
        return [
          ...stockHas.filter((line) => !ours.includes(line)).map((line) => `stock: ${line}`),
          ...ours.filter((line) => !stockHas.includes(line)).map((line) => `ours: ${line}`),
        ]
          .filter((line) => !byDesign(result.totem.transport, line))
          .map((line) => `${what}, ${line}`);
      };
      const differences = compare('start', stock.keys);
      // udpu: stock also has a sending socket for each member, of any port. knet: it has none without another node.
      const wanted = socketsOf(result.totem);
      const alone = result.totem.transport === 'knet' && result.totem.members.length === 1;
      const bound =
        result.totem.transport === 'udpu' ? stock.sockets.filter((at) => wanted.includes(at)) : stock.sockets;
      if (!alone && bound.join() !== wanted.join()) {
        differences.push(`sockets: stock ${stock.sockets}, ours ${wanted}`);
      }
      const same = actsAsStock(result, changes);
      if (same) {
        if (changes.length > 0) changed++;
        differences.push(...compare('set', stock.after, 'runtime.config.'));
      }
      // Twice: the first time stock makes the ping timers of the token timeout before the reload (config-and-tools.md 1.10).
      writeFileSync(path, next);
      let { totem } = result;
      let accepted = true;
      for (let time = 0; time < 2; time++) {
        const plan = await planReload({ file: path, live: result.map, totem, environment });
        accepted &&= plan.ok;
        if (!plan.ok) continue;
        plan.commit();
        totem = plan.totem;
        publishRuntimeTotem(result.map, totem);
      }
      if (stock.reloadStatus === 124) t.comment(`${name}: stock does not return from the reload`);
      else if (accepted !== (stock.reloadStatus === 0))
        differences.push(`reload: stock ${stock.reloadStatus}, ours ${accepted}`);
      if (accepted && stock.reloadStatus === 0) {
        reloaded++;
        differences.push(...compare('reload', stock.reloaded));
      }
      if (differences.length > 0) t.fail(name, { text, changes, next, differences });
    }
    t.ok(started > runs / 3, `${runs} configurations, ${started} started, seed ${seed}`);
    t.ok(changed > 0, `${changed} with keys set at run time`);
    t.ok(reloaded > 0, `${reloaded} reloaded`);
  },
);
