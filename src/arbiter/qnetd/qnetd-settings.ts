import type { SettingKinds, SettingValue } from '../settings.ts';

const INT_MAX = 2 ** 31 - 1;
const SIZE_MAX = Number.MAX_SAFE_INTEGER;
const U32_MAX = 2 ** 32 - 1;
const number = (min: number, max: number, fraction = false) => ({ kind: 'number', min, max, fraction }) as const;

/** `-S` of `corosync-qnetd`. The last three are ours. */
export const QNETD_SETTING_KINDS = {
  listen_backlog: number(1, INT_MAX),
  max_client_send_buffers: number(2, SIZE_MAX),
  max_client_send_size: number(16, SIZE_MAX),
  max_client_receive_size: number(16, SIZE_MAX),
  nss_db_dir: { kind: 'text' },
  cert_nickname: { kind: 'text' },
  heartbeat_interval_min: number(1, U32_MAX),
  heartbeat_interval_max: number(1, U32_MAX),
  dpd_enabled: { kind: 'switch' },
  dpd_interval: { kind: 'ignored' },
  dpd_interval_coefficient: number(1, 1000, true),
  lock_file: { kind: 'text' },
  local_socket_file: { kind: 'text' },
  local_socket_umask: { kind: 'umask' },
  local_socket_gid: { kind: 'group' },
  local_socket_backlog: number(1, INT_MAX),
  ipc_max_clients: number(0, SIZE_MAX),
  ipc_max_receive_size: number(1024, SIZE_MAX),
  ipc_max_send_size: number(1024, SIZE_MAX),
  keep_active_partition_tie_breaker: { kind: 'switch' },
  max_clients_per_address: number(1, INT_MAX),
  handshake_timeout: number(1000, 10 * 60 * 1000),
  metrics: { kind: 'text' },
} as const satisfies SettingKinds;

export const QNETD_RUN = '/run/corosync-qnetd';

/** Their defaults; a type that holds what `applySettings` puts in. */
export function qnetdSettings() {
  return {
    listen_backlog: 10,
    max_client_send_buffers: 32,
    max_client_send_size: 1 << 15,
    max_client_receive_size: 1 << 15,
    nss_db_dir: '/etc/corosync/qnetd/nssdb',
    cert_nickname: 'QNetd Cert',
    heartbeat_interval_min: 1000,
    heartbeat_interval_max: 2 * 60 * 1000,
    dpd_enabled: true,
    dpd_interval_coefficient: 1.5,
    lock_file: `${QNETD_RUN}/corosync-qnetd.pid`,
    local_socket_file: `${QNETD_RUN}/corosync-qnetd.sock`,
    local_socket_umask: null as number | null,
    local_socket_gid: null as number | null,
    local_socket_backlog: 10,
    ipc_max_clients: 10,
    ipc_max_receive_size: 4 * 1024,
    ipc_max_send_size: 10 * 1024 * 1024,
    keep_active_partition_tie_breaker: false,
    max_clients_per_address: 256,
    handshake_timeout: 30_000,
    metrics: '',
  } satisfies Record<string, SettingValue>;
}
export type QnetdSettings = ReturnType<typeof qnetdSettings>;
