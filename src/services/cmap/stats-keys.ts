import {
  CmapType,
  type CmapTypeCode,
  type CmapValue,
  cmapDouble,
  cmapFloat,
  cmapInteger,
  cmapString,
} from '../../lib/cmap-value.ts';

/** Names and types of the statistics (services.md 5.8). A table is name → type. */
export type StatsTable = Readonly<Record<string, CmapTypeCode>>;

const { U8, I32, U32, U64, STRING, FLOAT } = CmapType;
const all = (type: CmapTypeCode, ...names: string[]): Record<string, CmapTypeCode> =>
  Object.fromEntries(names.map((name) => [name, type]));

/** `stats.pg.` */
export const PG_STATS: StatsTable = all(U32, 'msg_queue_avail', 'msg_reserved');

/** `stats.srp.` */
export const SRP_STATS: StatsTable = {
  ...all(U64, 'orf_token_tx', 'orf_token_rx', 'memb_merge_detect_tx', 'memb_merge_detect_rx', 'memb_join_tx'),
  ...all(U64, 'memb_join_rx', 'mcast_tx', 'mcast_retx', 'mcast_rx', 'memb_commit_token_tx', 'memb_commit_token_rx'),
  ...all(U64, 'token_hold_cancel_tx', 'token_hold_cancel_rx', 'operational_entered', 'operational_token_lost'),
  ...all(U64, 'gather_entered', 'gather_token_lost', 'commit_entered', 'commit_token_lost', 'recovery_entered'),
  ...all(U64, 'recovery_token_lost', 'consensus_timeouts', 'rx_msg_dropped', 'time_since_token_last_received'),
  ...all(U32, 'continuous_gather', 'continuous_sendmsg_failures', 'mtt_rx_token', 'avg_token_workload'),
  ...all(U32, 'avg_backlog_calc'),
  firewall_enabled_or_nic_failure: U8,
};

/** `stats.ipcs.global.` */
export const IPC_GLOBAL_STATS: StatsTable = all(U64, 'active', 'closed');

/** `stats.ipcs.service<S>.<pid>.<pointer>.` */
export const IPC_CONNECTION_STATS: StatsTable = {
  queueing: I32,
  ...all(U32, 'queued', 'sent', 'flow_control'),
  ...all(U64, 'invalid_request', 'overload', 'requests', 'responses', 'dispatched', 'send_retries', 'recv_retries'),
  flow_control_count: U64,
  procname: STRING,
};

const traffic = (direction: 'tx' | 'rx'): string[] =>
  ['data', 'ping', 'pong', 'pmtu', 'total'].flatMap((kind) => [
    `${direction}_${kind}_packets`,
    `${direction}_${kind}_bytes`,
  ]);

/** `stats.knet.node<N>.link<L>.` */
export const KNET_LINK_STATS: StatsTable = {
  ...all(U8, 'enabled', 'connected'),
  mtu: U32,
  ...all(U64, ...traffic('tx'), ...traffic('rx'), 'tx_total_errors', 'rx_total_retries'),
  ...all(U32, ...['pmtu', 'ping', 'pong', 'data'].flatMap((kind) => [`tx_${kind}_errors`, `tx_${kind}_retries`])),
  ...all(U32, 'latency_min', 'latency_max', 'latency_ave', 'latency_samples', 'down_count', 'up_count'),
};

const times = (name: string): string[] => [`${name}_min`, `${name}_max`, `${name}_ave`];

/** `stats.knet.handle.` */
export const KNET_HANDLE_STATS: StatsTable = all(
  U64,
  'tx_uncompressed_packets',
  'tx_compressed_packets',
  'tx_compressed_original_bytes',
  'tx_compressed_size_bytes',
  ...times('tx_compress_time'),
  'rx_compressed_packets',
  'rx_compressed_original_bytes',
  'rx_compressed_size_bytes',
  ...times('rx_compress_time'),
  'tx_crypt_packets',
  'tx_crypt_byte_overhead',
  ...times('tx_crypt_time'),
  'rx_crypt_packets',
  ...times('rx_crypt_time'),
);

/** `stats.schedmiss.<n>.` */
export const SCHEDMISS_STATS: StatsTable = { timestamp: U64, delay: FLOAT };

export function statsValue(type: CmapTypeCode, value: number | bigint | string): CmapValue {
  if (type === STRING) return cmapString(String(value));
  if (type === FLOAT) return cmapFloat(Number(value));
  if (type === CmapType.DOUBLE) return cmapDouble(Number(value));
  return cmapInteger(type, typeof value === 'number' ? Math.trunc(value) : BigInt(value));
}
