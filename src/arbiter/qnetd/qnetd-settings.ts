import {
  CONTROL_SETTING_KINDS,
  controlSettings,
  intKind,
  type SettingKinds,
  type SettingValue,
  sizeKind,
  u32Kind,
} from '../settings.ts';

/** `-S` of `corosync-qnetd`. The last six are ours. */
export const QNETD_SETTING_KINDS = {
  ...CONTROL_SETTING_KINDS,
  listen_backlog: intKind(1),
  max_client_send_buffers: sizeKind(2),
  max_client_send_size: sizeKind(16),
  max_client_receive_size: sizeKind(16),
  nss_db_dir: { kind: 'text' },
  cert_nickname: { kind: 'text' },
  heartbeat_interval_min: u32Kind(1),
  heartbeat_interval_max: u32Kind(1),
  dpd_enabled: { kind: 'switch' },
  dpd_interval: { kind: 'ignored' },
  dpd_interval_coefficient: { kind: 'number', min: 1, max: 1000, fraction: true },
  keep_active_partition_tie_breaker: { kind: 'switch' },
  max_clients_per_address: intKind(1),
  handshake_timeout: { kind: 'number', min: 1000, max: 10 * 60 * 1000 },
  tls_handshakes_per_second: intKind(1),
  tls_handshakes_per_address: intKind(1),
  metrics: { kind: 'text' },
  metrics_token_file: { kind: 'text' },
} as const satisfies SettingKinds;

export const QNETD_NAME = 'corosync-qnetd';

/** Their defaults; a type that holds what `applySettings` puts in. */
export function qnetdSettings() {
  return {
    ...controlSettings(QNETD_NAME, 10 * 1024 * 1024),
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
    keep_active_partition_tie_breaker: false,
    max_clients_per_address: 256,
    handshake_timeout: 30_000,
    tls_handshakes_per_second: 200,
    tls_handshakes_per_address: 8,
    metrics: '',
    metrics_token_file: '',
  } satisfies Record<string, SettingValue>;
}
export type QnetdSettings = ReturnType<typeof qnetdSettings>;
