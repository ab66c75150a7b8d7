import { dirname } from 'node:path';
import { getLimit } from '../../os/schedule.ts';
import { notifyServiceManager } from '../../os/service-manager.ts';
import type { ArbiterSettings } from '../../qnet/arbiter.ts';
import { arbiterListText, arbiterStatusObject, arbiterStatusText } from '../../qnet/arbiter-status.ts';
import { TlsMode } from '../../qnet/ids.ts';
import { ArbiterProcess, type ProcessOptions } from '../arbiter-process.ts';
import type { ControlReply } from '../control-socket.ts';
import { loadKeys } from '../keys.ts';
import type { ProcessLog } from '../process-log.ts';
import { Connections } from './connections.ts';
import { serveMetrics } from './metrics.ts';
import { QNETD_NAME, type QnetdSettings } from './qnetd-settings.ts';

/** An arbiter for more has another limit of memory than this anyway. */
const CLUSTERS_MAX = 4096;
const LISTED_NODES_MAX = 500_000;
/** Where `-m 0` says that there is no limit, descriptors and memory are. */
const CLIENTS_MAX = 10_000;
/** Of the process itself, the listening sockets, the tools and those who read metrics. */
const OWN_DESCRIPTORS = 128;
export const AUTHORITY_NAME = 'QNet CA';

export interface QnetdOptions extends ProcessOptions {
  /** Empty: every address. */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly family: 4 | 6 | null;
  /** `TlsMode`. */
  readonly tls: number;
  readonly clientCertificateRequired: boolean;
  readonly clientsMax: number;
  readonly settings: QnetdSettings;
}

/** Runs the arbiter until `signal` aborts or a client of the control socket ends it. Returns the exit status. */
export function runQnetd(options: QnetdOptions, signal: AbortSignal): Promise<number> {
  const { settings } = options;
  return ArbiterProcess.run(QNETD_NAME, options, async (daemon) => {
    const { log } = daemon;
    let end: () => void = () => {};
    const ends = new Promise<void>((resolve) => {
      end = resolve;
    });
    if (!daemon.lock(settings)) return 1;
    const connections = daemon.owns(makeConnections(options, log));
    await daemon.openControl(settings, (words) => command(words, connections, options, () => end()));
    const hosts = options.hosts.length === 0 ? [null] : options.hosts;
    for (const host of hosts) await connections.listen(host, options.port, options.family);
    if (settings.metrics !== '') daemon.owns(serveMetrics(settings, connections, log.log));
    log.log('debug', 'QNetd ready to provide service');
    notifyServiceManager('READY=1');
    signal.addEventListener('abort', () => end(), { once: true });
    if (!signal.aborted) await ends;
    return 0;
  });
}

function arbiterSettings({ tls, clientCertificateRequired, settings }: QnetdOptions): ArbiterSettings {
  return {
    tls,
    clientCertificateRequired,
    heartbeatMsMin: settings.heartbeat_interval_min,
    heartbeatMsMax: settings.heartbeat_interval_max,
    receiveBytesMax: settings.max_client_receive_size,
    sendBytesMax: settings.max_client_send_size,
    keepActivePartition: settings.keep_active_partition_tie_breaker,
    clustersMax: CLUSTERS_MAX,
    listedNodesMax: LISTED_NODES_MAX,
  };
}

function makeConnections(options: QnetdOptions, log: ProcessLog): Connections {
  const { settings, tls } = options;
  const names = { authority: AUTHORITY_NAME, certificate: settings.cert_nickname };
  const warn = (text: string): void => log.log('warning', text);
  const work = dirname(settings.lock_file);
  const keys = tls === TlsMode.UNSUPPORTED ? null : loadKeys(settings.nss_db_dir, names, 'required', warn, work);
  const limits = {
    clientsMax: clientsMax(options.clientsMax, log),
    perAddressMax: settings.max_clients_per_address,
    handshakeMs: settings.handshake_timeout,
    tlsPerSecond: settings.tls_handshakes_per_second,
    tlsPerAddressPerSecond: settings.tls_handshakes_per_address,
    sendMessagesMax: settings.max_client_send_buffers,
    backlog: settings.listen_backlog,
    watchesClients: settings.dpd_enabled,
    silenceFactor: settings.dpd_interval_coefficient,
  };
  return new Connections(arbiterSettings(options), limits, keys, log.log);
}

function clientsMax(wanted: number, log: ProcessLog): number {
  const room = Math.max(1, getLimit('NOFILE').soft - OWN_DESCRIPTORS);
  if (wanted > room) log.log('warning', `There are descriptors for ${room} clients, not for ${wanted}`);
  return Math.min(wanted === 0 ? CLIENTS_MAX : wanted, room);
}

function command(
  words: readonly string[],
  { arbiter }: Connections,
  options: QnetdOptions,
  shutdown: () => void,
): ControlReply {
  const [name = '', ...rest] = words;
  const facts = {
    listening: (options.hosts.length === 0 ? ['*'] : options.hosts).map((host) => `${host}:${options.port}`).join(', '),
    clientsMax: options.clientsMax,
  };
  const verbose = rest.some((word) => word.toLowerCase() === 'verbose');
  switch (name.toLowerCase()) {
    case '':
      return { error: 'No command specified' };
    case 'shutdown':
      return { text: '', after: shutdown };
    case 'status':
      return { text: arbiterStatusText(arbiter, arbiterSettings(options), facts, verbose) };
    case 'json':
      return { text: `${JSON.stringify(arbiterStatusObject(arbiter, arbiterSettings(options), facts), null, 2)}\n` };
    case 'list': {
      const at = rest.findIndex((word) => word.toLowerCase() === 'cluster');
      return { text: arbiterListText(arbiter, at < 0 ? '' : (rest[at + 1] ?? ''), verbose) };
    }
    default:
      return { error: `Unknown command '${name}'` };
  }
}
