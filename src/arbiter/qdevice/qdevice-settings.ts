import { MESSAGE_BYTES_DEFAULT, QNETD_CERTIFICATE_NAME } from '../../qnet/ids.ts';
import type { SettingKinds, SettingValue } from '../settings.ts';

const INT_MAX = 2 ** 31 - 1;
const SIZE_MAX = Number.MAX_SAFE_INTEGER;
const U32_MAX = 2 ** 32 - 1;
const number = (min: number, max: number) => ({ kind: 'number', min, max }) as const;

/** `-S` of `corosync-qdevice`. */
export const QDEVICE_SETTING_KINDS = {
  lock_file: { kind: 'text' },
  local_socket_file: { kind: 'text' },
  local_socket_umask: { kind: 'umask' },
  local_socket_gid: { kind: 'group' },
  local_socket_backlog: number(1, INT_MAX),
  max_cs_try_again: number(1, INT_MAX),
  votequorum_device_name: { kind: 'text' },
  ipc_max_clients: number(0, SIZE_MAX),
  ipc_max_receive_size: number(1024, SIZE_MAX),
  ipc_max_send_size: number(1024, SIZE_MAX),
  heuristics_ipc_max_send_buffers: number(10, SIZE_MAX),
  heuristics_ipc_max_send_receive_size: number(1024, SIZE_MAX),
  heuristics_min_timeout: number(250, U32_MAX),
  heuristics_max_timeout: number(250, U32_MAX),
  heuristics_min_interval: number(250, U32_MAX),
  heuristics_max_interval: number(250, U32_MAX),
  heuristics_max_execs: number(1, SIZE_MAX),
  heuristics_use_execvp: { kind: 'switch' },
  heuristics_max_processes: number(1, SIZE_MAX),
  heuristics_kill_list_interval: number(250, U32_MAX),
  net_nss_db_dir: { kind: 'text' },
  net_initial_msg_receive_size: number(16, SIZE_MAX),
  net_initial_msg_send_size: number(16, SIZE_MAX),
  net_min_msg_send_size: number(16, SIZE_MAX),
  net_max_msg_receive_size: number(16, SIZE_MAX),
  net_max_send_buffers: number(2, SIZE_MAX),
  net_nss_qnetd_cn: { kind: 'text' },
  net_nss_client_cert_nickname: { kind: 'text' },
  net_heartbeat_interval_min: number(1, U32_MAX),
  net_heartbeat_interval_max: number(1, U32_MAX),
  net_min_connect_timeout: number(1, U32_MAX),
  net_max_connect_timeout: number(1, U32_MAX),
  net_test_algorithm_enabled: { kind: 'switch' },
  master_wins: { kind: 'words', words: ['model', 'yes', 'on', '1', 'no', 'off', '0'] },
} as const satisfies SettingKinds;

const QDEVICE_RUN = '/run/corosync-qdevice';
const MINUTES_2 = 2 * 60 * 1000;

/** Their defaults; a type that holds what `applySettings` puts in. */
export function qdeviceSettings() {
  return {
    lock_file: `${QDEVICE_RUN}/corosync-qdevice.pid`,
    local_socket_file: `${QDEVICE_RUN}/corosync-qdevice.sock`,
    local_socket_umask: null as number | null,
    local_socket_gid: null as number | null,
    local_socket_backlog: 10,
    max_cs_try_again: 10,
    votequorum_device_name: 'Qdevice',
    ipc_max_clients: 10,
    ipc_max_receive_size: 4 * 1024,
    ipc_max_send_size: 64 * 1024,
    heuristics_min_timeout: 1000,
    heuristics_max_timeout: MINUTES_2,
    heuristics_min_interval: 1000,
    heuristics_max_interval: 60 * 60 * 1000,
    heuristics_max_execs: 32,
    heuristics_use_execvp: false,
    heuristics_max_processes: 32 * 5,
    net_nss_db_dir: '/etc/corosync/qdevice/net/nssdb',
    net_initial_msg_receive_size: MESSAGE_BYTES_DEFAULT,
    net_min_msg_send_size: MESSAGE_BYTES_DEFAULT,
    net_max_msg_receive_size: 1 << 24,
    net_max_send_buffers: 10,
    net_nss_qnetd_cn: QNETD_CERTIFICATE_NAME as string,
    net_nss_client_cert_nickname: 'Cluster Cert',
    net_heartbeat_interval_min: 1000,
    net_heartbeat_interval_max: MINUTES_2,
    net_min_connect_timeout: 1000,
    net_max_connect_timeout: MINUTES_2,
    net_test_algorithm_enabled: false,
    master_wins: 'model',
  } satisfies Record<string, SettingValue>;
}
export type QdeviceSettings = ReturnType<typeof qdeviceSettings>;
