import { lookup } from 'node:dns/promises';
import type { Cmap } from '../../client/cmap.ts';
import type { DeviceSettings } from '../../qnet/device.ts';
import { ALGORITHM_KEYWORDS, DecisionAlgorithm, QNETD_PORT, TieBreakerMode, TlsMode } from '../../qnet/ids.ts';
import type { QnetNode, QnetTieBreaker } from '../../qnet/messages.ts';
import { readSwitch } from '../settings.ts';
import type { HeuristicCommand } from './heuristics-runner.ts';
import type { QdeviceSettings } from './qdevice-settings.ts';
import type { ServerAddress } from './server-link.ts';

/** A key that is missing or wrong: the device does not start. */
export class DeviceConfigProblem extends Error {
  override readonly name = 'DeviceConfigProblem';
}

export interface DeviceConfig {
  readonly device: DeviceSettings;
  readonly server: ServerAddress;
  readonly timeoutMs: number;
  readonly syncTimeoutMs: number;
  readonly connectMs: number;
  readonly voteTimerMs: number;
  /** What was changed to fit, for the log. */
  readonly notices: readonly string[];
}

const TIMEOUT_MS = 10_000;
const SYNC_TIMEOUT_MS = 30_000;
const KEY = 'quorum.device.';
const NET = `${KEY}net.`;

/** Reads `quorum.device` as stock's device does (qnet.md 6). @throws DeviceConfigProblem */
export async function readDeviceConfig(cmap: Cmap, settings: QdeviceSettings): Promise<DeviceConfig> {
  const model = await cmap.getString(`${KEY}model`);
  if (model === null) throw new DeviceConfigProblem("Can't read quorum.device.model cmap key.");
  if (model !== 'net') throw new DeviceConfigProblem(`Configured device model ${model} is not supported.`);
  const nodeId = await cmap.getNumber('runtime.votequorum.this_node_id');
  if (nodeId === null) throw new DeviceConfigProblem('Unable to retrieve this node nodeid.');
  const host = await cmap.getString(`${NET}host`);
  if (host === null)
    throw new DeviceConfigProblem('Qdevice net daemon address is not defined (quorum.device.net.host)');
  const clusterName = await cmap.getString('totem.cluster_name');
  if (clusterName === null) throw new DeviceConfigProblem('Cluster name (totem.cluster_name) has to be defined.');
  const timeoutMs = (await cmap.getNumber(`${KEY}timeout`)) ?? TIMEOUT_MS;
  const { net_heartbeat_interval_min: min, net_heartbeat_interval_max: max } = settings;
  const wanted = Math.floor(timeoutMs * 0.8);
  const heartbeatMs = Math.min(max, Math.max(min, wanted));
  const notices = heartbeatMs === wanted ? [] : [`Heartbeat interval ${wanted} is adjusted to ${heartbeatMs}.`];
  const number = (name: string, lowest: number, highest: number, otherwise: number): Promise<number> =>
    readNumber(cmap, `${NET}${name}`, lowest, highest, otherwise);
  const family = await number('force_ip_version', 0, 6, 0);
  if (family !== 0 && family !== 4 && family !== 6)
    throw new DeviceConfigProblem('force_ip_version must be one of 0|4|6');
  const { net_min_connect_timeout: connectMin, net_max_connect_timeout: connectMax } = settings;
  return {
    device: {
      clusterName,
      nodeId,
      heartbeatMs,
      algorithm: await readAlgorithm(cmap, settings),
      tieBreaker: await readTieBreaker(cmap),
      tls: await readTls(cmap),
      keepActivePartition: await readKeep(cmap),
      waitForAll: (await cmap.getNumber('quorum.wait_for_all')) === 1,
      requestBytesMin: settings.net_min_msg_send_size,
      replyBytesMax: settings.net_max_msg_receive_size,
    },
    server: { host, port: await number('port', 1, 65_535, QNETD_PORT), family },
    timeoutMs,
    syncTimeoutMs: (await cmap.getNumber(`${KEY}sync_timeout`)) ?? SYNC_TIMEOUT_MS,
    connectMs: await number('connect_timeout', connectMin, connectMax, heartbeatMs),
    voteTimerMs: Math.floor(timeoutMs * 0.5),
    notices,
  };
}

async function readNumber(cmap: Cmap, key: string, min: number, max: number, otherwise: number): Promise<number> {
  const text = await cmap.getString(key);
  if (text === null) return otherwise;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new DeviceConfigProblem(`${key} must be a number from ${min} to ${max}`);
}

async function readAlgorithm(
  cmap: Cmap,
  { net_test_algorithm_enabled: testEnabled }: QdeviceSettings,
): Promise<number> {
  const name = await cmap.getString(`${NET}algorithm`);
  const algorithm = name === null ? DecisionAlgorithm.FFSPLIT : ALGORITHM_KEYWORDS.indexOf(name);
  if (algorithm < 0) throw new DeviceConfigProblem(`Unknown decision algorithm ${name}`);
  if (algorithm === DecisionAlgorithm.TEST && !testEnabled)
    throw new DeviceConfigProblem('Test algorithm is not enabled. It is with -S net_test_algorithm_enabled=on');
  if (algorithm === DecisionAlgorithm.FFSPLIT && (await cmap.getNumber(`${KEY}votes`)) !== 1)
    throw new DeviceConfigProblem(
      '50:50 split algorithm works only if quorum.device.votes configuration key is set to 1!',
    );
  return algorithm;
}

async function readTieBreaker(cmap: Cmap): Promise<QnetTieBreaker> {
  const text = (await cmap.getString(`${NET}tie_breaker`)) ?? 'lowest';
  if (text === 'lowest') return { mode: TieBreakerMode.LOWEST, nodeId: 0 };
  if (text === 'highest') return { mode: TieBreakerMode.HIGHEST, nodeId: 0 };
  const nodeId = /^\d+$/.test(text) ? Number(text) : 0;
  if (nodeId < 1 || nodeId > 0xffff_ffff)
    throw new DeviceConfigProblem('tie_breaker must be lowest|highest|valid_node_id');
  return { mode: TieBreakerMode.NODE_ID, nodeId };
}

async function readTls(cmap: Cmap): Promise<number> {
  const text = await cmap.getString(`${NET}tls`);
  if (text === null) return TlsMode.SUPPORTED;
  if (text.toLowerCase() === 'required') return TlsMode.REQUIRED;
  const on = readSwitch(text);
  if (on === null) throw new DeviceConfigProblem('quorum.device.net.tls value is not valid.');
  return on ? TlsMode.SUPPORTED : TlsMode.UNSUPPORTED;
}

async function readKeep(cmap: Cmap): Promise<boolean> {
  const text = await cmap.getString(`${NET}keep_active_partition_tie_breaker`);
  const on = text === null ? true : readSwitch(text);
  if (on === null)
    throw new DeviceConfigProblem('quorum.device.net.keep_active_partition_tie_breaker value is not valid.');
  return on;
}

export interface HeuristicsConfig {
  readonly mode: 'Disabled' | 'Enabled' | 'Enabled only on sync';
  readonly commands: readonly HeuristicCommand[];
  readonly timeoutMs: number;
  readonly syncTimeoutMs: number;
  readonly intervalMs: number;
}

/** @throws DeviceConfigProblem */
export async function readHeuristics(
  cmap: Cmap,
  { timeoutMs, syncTimeoutMs }: Pick<DeviceConfig, 'timeoutMs' | 'syncTimeoutMs'>,
  settings: QdeviceSettings,
  warn: (text: string) => void,
): Promise<HeuristicsConfig> {
  const key = `${KEY}heuristics.`;
  const { heuristics_min_timeout: min, heuristics_max_timeout: max } = settings;
  const timing = {
    timeoutMs: await readNumber(cmap, `${key}timeout`, min, max, Math.floor(timeoutMs / 2)),
    syncTimeoutMs: await readNumber(cmap, `${key}sync_timeout`, min, max, Math.floor(syncTimeoutMs / 2)),
    intervalMs: await readNumber(
      cmap,
      `${key}interval`,
      settings.heuristics_min_interval,
      settings.heuristics_max_interval,
      timeoutMs * 3,
    ),
  };
  const text = (await cmap.getString(`${key}mode`)) ?? 'off';
  const on = readSwitch(text);
  if (on === null && text.toLowerCase() !== 'sync')
    throw new DeviceConfigProblem('quorum.device.heuristics.mode value is not valid.');
  if (on === false) return { ...timing, mode: 'Disabled', commands: [] };
  const commands: HeuristicCommand[] = [];
  for await (const { key: name, value } of cmap.entries(`${key}exec_`)) {
    const exec = name.slice(`${key}exec_`.length);
    if (typeof value !== 'string' || exec === '' || exec.includes('.'))
      warn(`${name} is not a heuristics exec. Ignoring`);
    else commands.push({ name: exec, line: value });
  }
  if (commands.length > 0 && commands.length <= settings.heuristics_max_execs)
    return { ...timing, mode: on === true ? 'Enabled' : 'Enabled only on sync', commands };
  warn(
    `${commands.length} valid heuristics execs defined, 1 to ${settings.heuristics_max_execs} can be. Disabling heuristics.`,
  );
  return { ...timing, mode: 'Disabled', commands: [] };
}

/** `nodelist.node.N`: ids, also those that Corosync makes of an IPv4 address. @throws DeviceConfigProblem */
export async function readNodes(cmap: Cmap): Promise<readonly QnetNode[]> {
  const places = new Map<string, { nodeId?: number; dataCenterId?: number; address?: string }>();
  for await (const { key, value } of cmap.entries('nodelist.node.')) {
    const [, place, field] = /^nodelist\.node\.(\d+)\.(\w+)$/.exec(key) ?? [];
    if (place === undefined) continue;
    const node = places.get(place) ?? {};
    places.set(place, node);
    if (field === 'nodeid') node.nodeId = Number(value);
    else if (field === 'datacenterid') node.dataCenterId = Number(value);
    else if (field === 'ring0_addr') node.address = String(value);
  }
  const nodes: QnetNode[] = [];
  for (const { nodeId, dataCenterId = 0, address } of places.values()) {
    const id = nodeId ?? (await autoNodeId(cmap, address));
    if (!nodes.some((node) => node.nodeId === id)) nodes.push({ nodeId: id, dataCenterId, state: 0 });
  }
  if (nodes.length === 0)
    throw new DeviceConfigProblem('No configured nodes found - configuration without node list is not supported');
  return nodes;
}

async function autoNodeId(cmap: Cmap, address: string | undefined): Promise<number> {
  if (address === undefined)
    throw new DeviceConfigProblem(
      'A node has neither nodeid nor ring0_addr. One of them needs to be defined for every node.',
    );
  const found = await lookup(address, 4).catch(() => null);
  if (found === null) return 0;
  const id = found.address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return (await cmap.getString('totem.clear_node_high_bit')) === 'yes' ? id % 2 ** 31 : id;
}

/** `totem.config_version`, if there is one. */
export async function readConfigVersion(cmap: Cmap): Promise<bigint | null> {
  const entry = await cmap.get('totem.config_version');
  return typeof entry?.value === 'bigint' || typeof entry?.value === 'number' ? BigInt(entry.value) : null;
}

/** `logging.debug`, and that of the subsystem QDEVICE. */
export async function readDebug(cmap: Cmap): Promise<boolean> {
  for (const key of ['logging.logger_subsys.QDEVICE.debug', 'logging.debug']) {
    const text = await cmap.getString(key);
    if (text !== null) return text.toLowerCase() === 'trace' || readSwitch(text) === true;
  }
  return false;
}
