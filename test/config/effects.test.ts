import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { nodeEnvironment } from '../../src/config/environment.ts';
import { type LoadedConfiguration, loadConfiguration } from '../../src/config/load.ts';
import { readNozzle } from '../../src/config/nozzle.ts';
import { OPTIONS } from '../../src/config/options/index.ts';
import { cmapValueText } from '../../src/lib/cmap-value.ts';
import { readDynamic, readStatic } from '../../src/services/votequorum/configuration.ts';

/**
 * Every row of the option table has an effect, and this table says which: a file with the option makes another configuration in force than one
 * without it, and a file of the source uses it; or whoever gives it is warned. A new row without an entry here fails.
 */
const directory = mkdtempSync(join(tmpdir(), 'effects-'));
const path = join(directory, 'corosync.conf');
t.teardown(() => rmSync(directory, { recursive: true }));

const environment = {
  ...nodeEnvironment(),
  hostname: () => 'effects-host',
  localAddresses: () => ['10.9.0.1', '10.9.1.1', 'fd00::1'],
  lookup: async (name: string, family: 4 | 6) => (name !== 'both' ? [] : family === 4 ? ['10.9.0.1'] : ['fd00::1']),
  reverse: async () => null,
  enterDirectory: async () => {},
  openForAppend: async () => {},
};

const block = (section: string, lines: string): string =>
  section.split('.').reduceRight((inner, name) => `${name} {\n${inner}\n}`, lines);

const node = (lines: string): string => `${block('node', lines)}\n`;
const NODES = [1, 2, 3].map((id) => node(`nodeid: ${id}\nname: n${id}\nring0_addr: 10.9.0.${id}`)).join('');

type Look = (loaded: LoadedConfiguration) => unknown;
interface Effect {
  /** Nodes other than the three; with the option, and without it. */
  readonly nodes?: string;
  readonly nodesWithout?: string;
  /** Other lines that it needs, also in the file without it. */
  readonly beside?: string;
  /** The option, in its section. */
  readonly text?: string;
  /** What it changes. */
  readonly seen: Look;
  /** Who uses that: a file below src, and what stands there. */
  readonly user?: readonly [file: string, text: string];
}

const totem: Look = ({ totem }) => totem;
const logging: Look = ({ logging }) => ({ ...logging, subsystems: [...(logging?.subsystems ?? [])] });
const votes: Look = ({ map }) => [readDynamic(map), readStatic(map)];
const stored =
  (key: string): Look =>
  ({ map }) => {
    const value = map.get(key);
    return value === undefined ? null : cmapValueText(value);
  };
const warned =
  (key: string): Look =>
  ({ warnings }) =>
    warnings.some((warning) => warning.key?.includes(key));

/** A device with everything that it may have. */
const NOZZLE = { name: 'noz0', ipaddr: '10.7.0.0', ipprefix: '24', macaddr: '56:54:01:00:00:00' };
const lines = (of: Readonly<Record<string, string | null>>): string =>
  Object.entries(of)
    .flatMap(([key, value]) => (value === null ? [] : [`${key}: ${value}`]))
    .join('\n');

const SRP = 'totem/timings.ts';
const inTotem = (text: string, file = SRP, word?: string, beside?: string): Effect => ({
  text: block('totem', text),
  seen: totem,
  user: [file, word ?? ''],
  ...(beside === undefined ? {} : { beside }),
});
const timing = (line: string, word: string, file = 'totem/orf.ts'): Effect => inTotem(line, file, word);
const ofLink = (line: string, word: string, file = 'knet/link.ts'): Effect =>
  inTotem(`interface {\n${line}\n}`, file, word);
const UDP = block('totem', 'transport: udp\ncluster_name: c');
const ofUdp = (line: string, word: string, file = 'transport/datagram/udp-sockets.ts'): Effect =>
  inTotem(`interface {\n${line}\n}`, file, word, UDP);
const noEffect = (section: string, line: string): Effect => ({
  text: block(section, line),
  seen: warned(line.split(':')[0] ?? ''),
});
const ofVotes = (line: string, word: string, beside = ''): Effect => ({
  text: block('quorum', line),
  seen: votes,
  user: ['services/votequorum/configuration.ts', word],
  beside: block('quorum', `provider: corosync_votequorum\n${beside}`),
});
/** For a program beside the daemon, which reads the map: corosync-qdevice, pcs, Pacemaker. */
const forOthers = (section: string, line: string): Effect => ({
  text: block(section, line),
  seen: stored(`${section}.${line.split(':')[0]}`),
});
const CRYPTO = block('totem', 'crypto_cipher: aes256\ncrypto_hash: sha256\nkeyfile: KEY');
const log = (line: string): Effect => ({
  text: block('logging', line),
  seen: logging,
  user: ['observe/log/log-sink.ts', 'configure'],
});
const ofSubsystem = (line: string): Effect => ({
  beside: block('logging', 'logger_subsys {\nsubsys: TOTEM\nlogfile: own.log\n}'),
  text: block('logging', `logger_subsys {\nsubsys: TOTEM\nlogfile: own.log\n${line}\n}`),
  seen: logging,
});
const ofDaemon = (line: string): Effect => ({
  text: block('logging', `logging_daemon {\nname: corosync\n${line}\n}`),
  seen: logging,
});
const resource = (name: string, key: string, value: string, file = 'services/mon/engine.ts'): Effect => ({
  text: block('resources', `system {\n${name} {\n${key}: ${value}\n}\n}`),
  seen: stored(`resources.system.${name}.${key}`),
  user: [file, key],
});
const UNUSED = 'rrp_problem_count_timeout rrp_problem_count_threshold rrp_problem_count_mcast_threshold'.split(' ');

const EFFECTS: Readonly<Record<string, Effect>> = {
  // A file without it does not start: it is given twice here, the second time wrong.
  'totem.version': {
    text: '',
    seen: ({ map }) => map.getU32('totem.version'),
    user: ['config/totem/read-totem.ts', "'totem.version'"],
  },
  'totem.cluster_name': inTotem('cluster_name: other', 'config/totem/links.ts', 'clusterName', UDP),
  'totem.config_version': {
    text: block('totem', 'config_version: 7'),
    seen: stored('totem.config_version'),
    user: ['services/cmap/config-version.ts', 'totem.config_version'],
  },
  'totem.transport': inTotem('transport: udpu', 'ring/running-ring.ts', 'transport'),
  'totem.ip_version': {
    nodes: node('nodeid: 9\nname: n9\nring0_addr: both'),
    text: block('totem', 'ip_version: ipv4'),
    beside: '',
    seen: ({ totem }) => totem,
  },
  'totem.ip_dscp': inTotem('ip_dscp: 46', 'transport/knet/knet-socket.ts', 'ipDscp'),
  'totem.netmtu': inTotem('netmtu: 1400', 'totem/limits.ts', 'netMtu', block('totem', 'transport: udpu')),
  'totem.threads': noEffect('totem', 'threads: 4'),
  'totem.nodeid': noEffect('totem', 'nodeid: 4'),
  'totem.clear_node_high_bit': {
    nodes: NODES + node('ring0_addr: 200.1.2.3'),
    beside: block('totem', 'transport: udpu'),
    text: block('totem', 'clear_node_high_bit: yes'),
    seen: ({ totem }) => totem.members.map(({ nodeId }) => nodeId),
  },
  'totem.link_mode': inTotem('link_mode: rr', 'knet/sender.ts', 'policy'),
  'totem.cluster_uuid': forOthers('totem', 'cluster_uuid: x'),
  'totem.crypto_model': inTotem('crypto_model: openssl', 'config/totem/crypto.ts', 'model', CRYPTO),
  'totem.crypto_cipher': inTotem('crypto_cipher: aes128', 'transport/knet/crypto-provider.ts', 'cipher', CRYPTO),
  'totem.crypto_hash': inTotem('crypto_hash: sha1', 'transport/knet/crypto-provider.ts', 'hash', CRYPTO),
  'totem.secauth': inTotem('secauth: on', 'config/totem/crypto.ts', 'secauth', block('totem', 'keyfile: KEY')),
  'totem.keyfile': inTotem('keyfile: OTHERKEY', 'config/totem/crypto.ts', 'keyfile', CRYPTO),
  'totem.key': {
    beside: block('totem', 'crypto_cipher: aes256\ncrypto_hash: sha256'),
    text: block('totem', `key: ${'k'.repeat(130)}`),
    seen: totem,
    user: ['config/totem/crypto.ts', 'totem.key'],
  },
  'totem.knet_mtu': inTotem('knet_mtu: 1200', 'knet/heartbeat.ts', 'manualMtu'),
  'totem.knet_pmtud_interval': inTotem('knet_pmtud_interval: 7', 'knet/heartbeat.ts', 'pmtudIntervalSec'),
  'totem.knet_compression_model': inTotem(
    'knet_compression_model: zlib',
    'transport/knet/library-compression.ts',
    'model',
  ),
  'totem.knet_compression_threshold': inTotem('knet_compression_threshold: 7', 'knet/sender.ts', 'thresholdBytes'),
  'totem.knet_compression_level': inTotem(
    'knet_compression_level: 2',
    'transport/knet/library-compression.ts',
    'level',
  ),
  'totem.block_unlisted_ips': inTotem('block_unlisted_ips: no', 'knet/receiver.ts', 'blockUnlistedIps'),
  'totem.token': timing('token: 5000', 'tokenMs', 'totem/token-timers.ts'),
  'totem.token_coefficient': timing('token_coefficient: 7', 'tokenMs', 'totem/token-timers.ts'),
  'totem.token_warning': timing('token_warning: 50', 'tokenWarningPercent', 'totem/token-timers.ts'),
  'totem.token_retransmits_before_loss_const': timing(
    'token_retransmits_before_loss_const: 8',
    'tokenRetransmitMs',
    'totem/token-timers.ts',
  ),
  'totem.token_retransmit': timing('token_retransmit: 77', 'tokenRetransmitMs', 'totem/token-timers.ts'),
  'totem.hold': timing('hold: 77', 'holdMs'),
  'totem.join': timing('join: 77', 'joinMs', 'totem/transitions.ts'),
  'totem.send_join': timing('send_join: 77', 'sendJoinMs', 'totem/joins.ts'),
  'totem.consensus': timing('consensus: 9000', 'consensusMs', 'totem/transitions.ts'),
  'totem.merge': timing('merge: 77', 'mergeMs'),
  'totem.downcheck': timing('downcheck: 77', 'downcheckMs', 'transport/datagram/interface-monitor.ts'),
  'totem.fail_recv_const': timing('fail_recv_const: 77', 'failRecvConst'),
  'totem.seqno_unchanged_const': timing('seqno_unchanged_const: 77', 'seqnoUnchangedConst'),
  'totem.heartbeat_failures_allowed': timing('heartbeat_failures_allowed: 7', 'heartbeatFailuresAllowed'),
  'totem.max_network_delay': timing('max_network_delay: 77', 'maxNetworkDelayMs'),
  'totem.window_size': timing('window_size: 77', 'windowSize'),
  'totem.max_messages': timing('max_messages: 7', 'maxMessages'),
  'totem.miss_count_const': timing('miss_count_const: 7', 'missCountConst', 'totem/loss-control.ts'),
  'totem.host_silence': timing('host_silence: 777', 'silenceMs', 'totem/suspicion.ts'),
  'totem.accelerated_window': timing('accelerated_window: 7', 'acceleratedWindow', 'totem/accelerated-release.ts'),
  'totem.cancel_token_hold_on_retransmit': timing(
    'cancel_token_hold_on_retransmit: yes',
    'cancelTokenHoldOnRetransmit',
  ),
  'totem.rrp_mode': noEffect('totem', 'rrp_mode: none'),
  'totem.vsftype': noEffect('totem', 'vsftype: none'),
  ...Object.fromEntries(
    [...UNUSED, 'rrp_token_expired_timeout', 'rrp_autorecovery_check_timeout'].map((key) => [
      `totem.${key}`,
      noEffect('totem', `${key}: 7`),
    ]),
  ),
  'totem.interface.linknumber': {
    nodes: node('nodeid: 1\nname: n1\nring0_addr: 10.9.0.1\nring1_addr: 10.9.1.1'),
    beside: block('totem', 'interface {\nknet_pong_count: 7\n}'),
    text: block('totem', 'interface {\nlinknumber: 1\nknet_pong_count: 7\n}'),
    seen: totem,
  },
  'totem.interface.mcastport': ofLink('mcastport: 7777', 'port', 'transport/knet/knet-config.ts'),
  // sctp is refused: differential.test.ts; udp is what there is.
  'totem.interface.knet_transport': {
    text: block('totem', 'interface {\nknet_transport: udp\n}'),
    seen: stored('totem.interface.0.knet_transport'),
    user: ['config/totem/links.ts', 'knetTransport'],
  },
  'totem.interface.knet_link_priority': ofLink('knet_link_priority: 7', 'priority', 'knet/host.ts'),
  'totem.interface.knet_ping_interval': ofLink('knet_ping_interval: 77', 'pingIntervalMs'),
  'totem.interface.knet_ping_timeout': ofLink('knet_ping_timeout: 7777', 'pingTimeoutMs'),
  'totem.interface.knet_ping_precision': ofLink('knet_ping_precision: 77', 'pingPrecision'),
  'totem.interface.knet_pong_count': ofLink('knet_pong_count: 7', 'pongCount'),
  'totem.interface.bindnetaddr': noEffect('totem.interface', 'bindnetaddr: 10.9.0.0'),
  'totem.interface.broadcast': ofUdp('broadcast: yes', 'multicastAddress'),
  'totem.interface.mcastaddr': ofUdp('mcastaddr: 239.1.2.3', 'multicastAddress'),
  'totem.interface.ttl': ofUdp('ttl: 7', 'ttl'),
  'totem.interface.member.memberaddr': {
    text: block('totem.interface.member', 'memberaddr: 10.9.0.9'),
    seen: ({ warnings }) =>
      warnings.some(({ code, stockMessage }) => code === 'deprecated' && /members?/.test(stockMessage ?? '')),
  },
  'nodelist.node.ring<0-7>_addr': {
    nodes: NODES + node('nodeid: 9\nring0_addr: 10.9.0.9'),
    nodesWithout: NODES,
    seen: totem,
  },
  'nodelist.node.nodeid': {
    nodes: NODES + node('ring0_addr: 10.9.0.9\nnodeid: 9'),
    nodesWithout: NODES + node('ring0_addr: 10.9.0.9\nnodeid: 8'),
    seen: totem,
  },
  'nodelist.node.name': {
    nodes: node('nodeid: 8\nring0_addr: 10.9.0.1') + node('nodeid: 9\nring0_addr: 10.9.1.1\nname: effects-host'),
    nodesWithout: node('nodeid: 8\nring0_addr: 10.9.0.1') + node('nodeid: 9\nring0_addr: 10.9.1.1'),
    seen: totem, // which node this is
  },
  'nodelist.node.quorum_votes': {
    nodes: NODES + node('nodeid: 9\nring0_addr: 10.9.0.9\nquorum_votes: 7'),
    nodesWithout: NODES + node('nodeid: 9\nring0_addr: 10.9.0.9'),
    seen: votes,
  },
  'quorum.provider': {
    text: block('quorum', 'provider: corosync_votequorum'),
    seen: stored('quorum.provider'),
    user: ['daemon/engines.ts', 'quorum.provider'],
  },
  'quorum.expected_votes': ofVotes('expected_votes: 7', 'expected_votes'),
  'quorum.votes': ofVotes('votes: 7', 'quorum.votes'),
  'quorum.two_node': ofVotes('two_node: 1', 'two_node'),
  'quorum.wait_for_all': ofVotes('wait_for_all: 1', 'wait_for_all'),
  'quorum.last_man_standing': ofVotes('last_man_standing: 1', 'last_man_standing'),
  'quorum.last_man_standing_window': ofVotes('last_man_standing_window: 7', 'last_man_standing_window'),
  'quorum.auto_tie_breaker': ofVotes('auto_tie_breaker: 1', 'auto_tie_breaker'),
  'quorum.auto_tie_breaker_node': ofVotes(
    'auto_tie_breaker_node: highest',
    'auto_tie_breaker_node',
    'auto_tie_breaker: 1',
  ),
  'quorum.allow_downscale': ofVotes('allow_downscale: 1', 'allow_downscale'),
  'quorum.expected_votes_tracking': ofVotes('expected_votes_tracking: 1', 'expected_votes_tracking'),
  'quorum.leaving_timeout': noEffect('quorum', 'leaving_timeout: 7'),
  'quorum.cancel_wait_for_all': noEffect('quorum', 'cancel_wait_for_all: 1'),
  'quorum.device.model': ofVotes('device {\nmodel: net\n}', 'quorum.device.model'),
  'quorum.device.votes': ofVotes('device {\nvotes: 7\n}', 'quorum.device.votes', 'device {\nmodel: net\n}'),
  'quorum.device.timeout': ofVotes('device {\ntimeout: 7\n}', 'quorum.device.timeout', 'device {\nmodel: net\n}'),
  'quorum.device.sync_timeout': ofVotes('device {\nsync_timeout: 7\n}', 'sync_timeout', 'device {\nmodel: net\n}'),
  'quorum.device.master_wins': forOthers('quorum.device', 'master_wins: 1'),
  ...Object.fromEntries(
    'host port tls algorithm tie_breaker connect_timeout force_ip_version keep_active_partition_tie_breaker'
      .split(' ')
      .map((key) => [`quorum.device.net.${key}`, forOthers('quorum.device.net', `${key}: x`)]),
  ),
  ...Object.fromEntries(
    'mode timeout sync_timeout interval exec_<NAME>'
      .split(' ')
      .map((key) => [
        `quorum.device.heuristics.${key}`,
        forOthers('quorum.device.heuristics', `${key.replace('<NAME>', 'x')}: x`),
      ]),
  ),
  'logging.syslog_facility': log('syslog_facility: local3'),
  'logging.timestamp': log('timestamp: off'),
  'logging.fileline': log('fileline: on'),
  'logging.function_name': log('function_name: on'),
  'logging.blackbox': log('blackbox: off'),
  'logging.format': log('format: json'),
  'logging.to_stderr': log('to_stderr: no'),
  'logging.to_syslog': log('to_syslog: no'),
  'logging.to_logfile': { ...log('to_logfile: yes'), beside: block('logging', 'logfile: x.log') },
  'logging.to_file': { ...log('to_file: yes'), beside: block('logging', 'logfile: x.log'), seen: warned('to_file') },
  'logging.logfile': { ...log('logfile: x.log'), beside: block('logging', 'to_logfile: yes') },
  'logging.logfile_priority': log('logfile_priority: err'),
  'logging.syslog_priority': log('syslog_priority: err'),
  'logging.syslog_level': log('syslog_level: err'),
  'logging.debug': log('debug: on'),
  'logging.logger_subsys.subsys': { text: block('logging', 'logger_subsys {\nsubsys: TOTEM\n}'), seen: logging },
  'logging.logger_subsys.to_stderr': { ...ofSubsystem('to_stderr: no'), seen: warned('to_stderr') },
  'logging.logger_subsys.to_syslog': { ...ofSubsystem('to_syslog: no'), seen: warned('to_syslog') },
  'logging.logger_subsys.to_logfile': ofSubsystem('to_logfile: yes'),
  'logging.logger_subsys.to_file': ofSubsystem('to_file: yes'),
  'logging.logger_subsys.logfile': {
    beside: block('logging', 'logger_subsys {\nsubsys: TOTEM\nto_logfile: yes\n}'),
    text: block('logging', 'logger_subsys {\nsubsys: QUORUM\nto_logfile: yes\nlogfile: own.log\n}'),
    seen: logging,
  },
  'logging.logger_subsys.logfile_priority': ofSubsystem('logfile_priority: err'),
  'logging.logger_subsys.syslog_priority': ofSubsystem('syslog_priority: err'),
  'logging.logger_subsys.syslog_level': ofSubsystem('syslog_level: err'),
  'logging.logger_subsys.debug': ofSubsystem('debug: on'),
  // Blocks about corosync are read as `logging` itself; those about other daemons are theirs.
  'logging.logging_daemon.name': ofDaemon('debug: on'),
  'logging.logging_daemon.subsys': ofDaemon('subsys: TOTEM\ndebug: on'),
  'logging.logging_daemon.to_stderr': ofDaemon('to_stderr: no'),
  'logging.logging_daemon.to_syslog': ofDaemon('to_syslog: no'),
  'logging.logging_daemon.to_logfile': ofDaemon('to_logfile: yes\nlogfile: x.log'),
  'logging.logging_daemon.to_file': { ...ofDaemon('to_file: yes'), seen: warned('to_file') },
  'logging.logging_daemon.logfile': ofDaemon('to_logfile: yes\nlogfile: y.log'),
  'logging.logging_daemon.logfile_priority': ofDaemon('logfile_priority: err'),
  'logging.logging_daemon.syslog_priority': ofDaemon('syslog_priority: err'),
  'logging.logging_daemon.syslog_level': ofDaemon('syslog_level: err'),
  'logging.logging_daemon.debug': ofDaemon('debug: on'),
  'system.qb_ipc_type': {
    text: block('system', 'qb_ipc_type: socket'),
    seen: stored('system.qb_ipc_type'),
    user: ['daemon/ipc-server-front.ts', 'system.qb_ipc_type'],
  },
  ...Object.fromEntries(
    [
      ['sched_rr', 'no'],
      ['priority', '10'],
      ['move_to_root_cgroup', 'no'],
    ].map(([key, value]) => [
      `system.${key}`,
      {
        text: block('system', `${key}: ${value}`),
        seen: stored(`system.${key}`),
        user: ['daemon/privileges.ts', `system.${key}`],
      },
    ]),
  ),
  'system.transmit_threads': {
    text: block('system', 'transmit_threads: 2'),
    seen: stored('system.transmit_threads'),
    user: ['daemon/daemon.ts', 'system.transmit_threads'],
  },
  'system.warm_up': {
    text: block('system', 'warm_up: no'),
    seen: stored('system.warm_up'),
    user: ['daemon/daemon.ts', 'system.warm_up'],
  },
  'system.allow_knet_handle_fallback': noEffect('system', 'allow_knet_handle_fallback: yes'),
  'system.state_dir': { text: block('system', 'state_dir: /tmp'), seen: ({ stateDirectory }) => stateDirectory },
  'system.ipc_instance': {
    text: block('system', 'ipc_instance: x'),
    seen: stored('system.ipc_instance'),
    user: ['daemon/main.ts', 'ipc_instance'],
  },
  'system.compatibility': {
    beside: CRYPTO,
    text: block('system', 'compatibility: next'),
    seen: stored('system.compatibility'),
    user: ['config/totem/compatibility.ts', 'system.compatibility'],
  },
  'system.flight_size': {
    text: block('system', 'flight_size: 1000000'),
    seen: stored('system.flight_size'),
    user: ['daemon/flight-recorder.ts', 'system.flight_size'],
  },
  'system.metrics': {
    text: block('system', 'metrics: 127.0.0.1:9180'),
    seen: stored('system.metrics'),
    user: ['daemon/observation.ts', "'metrics'"],
  },
  'system.dashboard': {
    text: block('system', 'dashboard: 127.0.0.1:9181'),
    seen: stored('system.dashboard'),
    user: ['daemon/observation.ts', "'dashboard'"],
  },
  'system.http_token_file': {
    text: block('system', 'http_token_file: /etc/corosync/http-token'),
    seen: stored('system.http_token_file'),
    user: ['daemon/web-access.ts', 'system.http_token_file'],
  },
  'system.http_certificate_file': {
    text: block('system', 'http_certificate_file: /etc/corosync/http.crt'),
    seen: stored('system.http_certificate_file'),
    user: ['daemon/web-access.ts', 'system.http_certificate_file'],
  },
  'system.http_key_file': {
    text: block('system', 'http_key_file: /etc/corosync/http.key'),
    seen: stored('system.http_key_file'),
    user: ['daemon/web-access.ts', 'system.http_key_file'],
  },
  'system.notify': {
    text: block('system', 'notify: mq:/x'),
    seen: stored('system.notify'),
    user: ['daemon/notices.ts', 'system.notify'],
  },
  'system.notify_ca_file': {
    text: block('system', 'notify_ca_file: /etc/corosync/ca.crt'),
    seen: stored('system.notify_ca_file'),
    user: ['daemon/notices.ts', 'system.notify_ca_file'],
  },
  'resources.watchdog_device': {
    text: block('resources', 'watchdog_device: /dev/x'),
    seen: stored('resources.watchdog_device'),
    user: ['services/wd/engine.ts', 'watchdog_device'],
  },
  'resources.watchdog_timeout': {
    text: block('resources', 'watchdog_timeout: 7'),
    seen: stored('resources.watchdog_timeout'),
    user: ['services/wd/engine.ts', 'watchdog_timeout'],
  },
  ...Object.fromEntries(
    ['memory_used', 'load_15min'].flatMap((name) => [
      [`resources.system.${name}.max`, resource(name, 'max', '50')],
      [`resources.system.${name}.poll_period`, resource(name, 'poll_period', '7000')],
      [`resources.system.${name}.recovery`, resource(name, 'recovery', 'quit', 'services/wd/resource.ts')],
    ]),
  ),
  ...Object.fromEntries(
    ['uid', 'gid'].map((key) => [
      `uidgid.${key}`,
      {
        text: block('uidgid', `${key}: 77`),
        seen: stored(`uidgid.config.${key}.77`),
        user: ['ipc/server/access.ts', `uidgid.config.${key}.`],
      },
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(NOZZLE).map(([key, value]) => [
      `nozzle.${key}`,
      {
        beside: block('nozzle', lines({ ...NOZZLE, [key]: null })),
        text: block('nozzle', `${key}: ${value}`),
        seen: ({ map }: LoadedConfiguration) => readNozzle(map, 1),
        user: ['daemon/nozzle.ts', 'config'] as const,
      },
    ]),
  ),
  'pload.count': noEffect('pload', 'count: 7'),
  'pload.size': noEffect('pload', 'size: 7'),
  'service.name': {
    text: block('service', 'name: x\npath: ./x.js'),
    seen: ({ services }) => services,
    user: ['services/host/engine-modules.ts', 'path'],
  },
  'service.path': {
    text: block('service', 'name: x\npath: ./y.js'),
    seen: ({ services }) => services,
    user: ['services/host/engine-modules.ts', 'path'],
  },
};

async function look(text: string, nodes: string, { seen }: Effect): Promise<string> {
  const files = text.replace('OTHERKEY', join(directory, 'other')).replaceAll(': KEY', `: ${join(directory, 'key')}`);
  writeFileSync(path, `${block('totem', 'version: 2')}\n${block('nodelist', nodes)}\n${files}\n`);
  const loaded = await loadConfiguration({ file: path }, { purpose: 'test', environment });
  if (!loaded.ok) return `refused: ${loaded.errors[0]?.message}`;
  return JSON.stringify(seen(loaded)) ?? 'nothing';
}

t.test('every option acts, or whoever gives it is warned', async (t) => {
  writeFileSync(join(directory, 'key'), 'a'.repeat(1024), { mode: 0o400 });
  writeFileSync(join(directory, 'other'), 'b'.repeat(1024), { mode: 0o400 });
  const rows = OPTIONS.map(({ section, key }) => `${section}.${key}`);
  t.strictSame(
    Object.keys(EFFECTS).filter((name) => !rows.includes(name)),
    [],
    'no entry without an option',
  );
  for (const name of rows) {
    const effect = EFFECTS[name];
    if (effect === undefined) {
      t.fail(`${name} has no entry: what does it do?`);
      continue;
    }
    const { beside = '', text = '', user, nodes = NODES, nodesWithout = nodes } = effect;
    const without = await look(beside, nodesWithout, effect);
    const given = await look(`${beside}\n${text}`, nodes, effect);
    t.notMatch(given, /^refused/, `${name}: accepted`);
    if (name !== 'totem.version') t.not(given, without, `${name} changes something`);
    if (user === undefined) continue;
    const source = readFileSync(join(process.cwd(), 'src', user[0]), 'utf8');
    t.ok(source.includes(user[1]), `${name}: used in src/${user[0]}`);
  }
});
