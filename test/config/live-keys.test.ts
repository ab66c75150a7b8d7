import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { nodeEnvironment } from '../../src/config/environment.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { cmapTypeName, cmapValueText } from '../../src/lib/cmap-value.ts';
import { isConfiguration, runStock, STOCK_ADDRESSES, stockUnavailable } from './stock-daemon.ts';

/**
 * The keys that a running stock daemon has from its file, and those that it derives (config-and-tools.md 2.1), against
 * ours. Stock runs in network and mount namespaces of its own.
 */
const skip = stockUnavailable;
const directory = mkdtempSync(join(tmpdir(), 'live-'));
t.teardown(() => rmSync(directory, { recursive: true }));

const node = (index: number, address: string, rest = ''): string =>
  `node {\nnodeid: ${index}\nname: n${index}\nring0_addr: ${address}\n${rest}}\n`;
const nodelist = (...nodes: string[]): string => `nodelist {\n${nodes.join('')}}\n`;
const QUIET = 'logging {\nto_syslog: no\n}\n';

const FILES: readonly (readonly [string, string])[] = [
  ['knet, one link', `totem {\nversion: 2\n}\n${nodelist(node(1, '10.9.0.1'))}${QUIET}`],
  [
    'knet, two links, three nodes, timings',
    `totem {\nversion: 2\ncluster_name: c\ntoken: 5000\nconfig_version: 7\nknet_compression_level: -3\nsend_join: 0\ninterface {\nlinknumber: 1\nknet_link_priority: 7\nknet_pong_count: 5\nknet_ping_interval: 4294967295\nunknown: x\n}\nblock_unlisted_ips: no\n}\n` +
      nodelist(
        node(1, '10.9.0.1', 'ring1_addr: 10.9.1.1\nquorum_votes: 2\n'),
        node(2, '10.9.0.2', 'ring1_addr: 10.9.1.2\n'),
        node(3, '10.9.0.3', 'ring1_addr: 10.9.1.3\ncolour: red\n'),
      ) +
      QUIET,
  ],
  [
    'udp, generated address, members',
    `totem {\nversion: 2\ncluster_name: My-Cluster_1\ntransport: udp\ninterface {\nttl: 3\nmember {\nmemberaddr: 1.2.3.4\nmemberaddr: 5.6.7.8\n}\n}\n}\n${nodelist(node(1, '10.9.0.1'))}${QUIET}`,
  ],
  [
    'udpu, generated node ids',
    `totem {\nversion: 2\ntransport: udpu\nclear_node_high_bit: yes\n}\nnodelist {\nnode {\nring0_addr: 10.9.0.1\n}\nnode {\nring0_addr: 200.1.2.3\n}\n}\n${QUIET}`,
  ],
  [
    'everything that is restructured',
    `totem {\nversion: 2\n}\n${nodelist(node(5, '10.9.0.1'))}logging {\nto_syslog: no\nlogger_subsys {\nsubsys: TOTEM\ndebug: off\ndebug: on\n}\nlogging_daemon {\nname: corosync\ntimestamp: off\n}\nlogging_daemon {\nname: qdevice\nsubsys: X\ndebug: on\n}\nlogging_daemon {\nname: corosync\nsubsys: Y\ndebug: on\n}\n}\nuidgid {\nuid: 77\ngid: games\n}\nquorum {\nprovider: corosync_votequorum\nexpected_votes: 1\nauto_tie_breaker_node: lowest\n}\npload {\ncount: 5\n}\nfoo.bar: 1\nmystery {\ndeep {\nkey: a:b # c\n}\n}\nresources {\nwatchdog_timeout: 10\n}\nsystem {\nsched_rr: no\n}\n`,
  ],
];

const environment = {
  ...nodeEnvironment(),
  hostname: () => 'live-keys-host',
  localAddresses: () => STOCK_ADDRESSES,
  enterDirectory: async () => {},
};

for (const [name, text] of FILES) {
  // Stock takes its time to start and to end, more on a busy machine.
  t.test(name, { skip, timeout: 60_000 }, async (t) => {
    const file = join(directory, 'corosync.conf');
    writeFileSync(file, text);
    const { keys: stock } = runStock(file);
    const result = await loadConfiguration({ file }, { purpose: 'start', environment });
    t.ok(result.ok);
    if (!result.ok) return;
    const ours = [...result.map.entries()]
      .map(({ key, value }) => `${key} (${cmapTypeName(value.type)}) = ${cmapValueText(value)}`)
      .filter(isConfiguration);
    t.ok(stock.length > 30);
    t.strictSame(ours, stock);
  });
}
