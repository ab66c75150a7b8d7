import { MESSAGE_BYTES_DEFAULT, QNETD_CERTIFICATE_NAME } from '../../qnet/ids.ts';
import {
  CONTROL_SETTING_KINDS,
  controlSettings,
  intKind,
  type SettingKinds,
  type SettingValue,
  sizeKind,
  u32Kind,
} from '../settings.ts';

/** Stock runs the commands of heuristics from a process of its own, and kills the ones that are late politely first. */
const NO_HEURISTICS_PROCESS = 'no process of its own runs the commands of heuristics';
const KILLED_AT_ONCE = 'commands of heuristics that are late are killed at once';
const GROWS = 'what is sent first is as long as it has to be';

/** `-S` of `corosync-qdevice`. */
export const QDEVICE_SETTING_KINDS = {
  ...CONTROL_SETTING_KINDS,
  max_cs_try_again: intKind(1),
  votequorum_device_name: { kind: 'text' },
  heuristics_ipc_max_send_buffers: { ...sizeKind(10), withoutEffect: NO_HEURISTICS_PROCESS },
  heuristics_ipc_max_send_receive_size: { ...sizeKind(1024), withoutEffect: NO_HEURISTICS_PROCESS },
  heuristics_min_timeout: u32Kind(250),
  heuristics_max_timeout: u32Kind(250),
  heuristics_min_interval: u32Kind(250),
  heuristics_max_interval: u32Kind(250),
  heuristics_max_execs: sizeKind(1),
  heuristics_use_execvp: { kind: 'switch' },
  heuristics_max_processes: sizeKind(1),
  heuristics_kill_list_interval: { ...u32Kind(250), withoutEffect: KILLED_AT_ONCE },
  net_nss_db_dir: { kind: 'text' },
  net_initial_msg_receive_size: sizeKind(16),
  net_initial_msg_send_size: { ...sizeKind(16), withoutEffect: GROWS },
  net_min_msg_send_size: sizeKind(16),
  net_max_msg_receive_size: sizeKind(16),
  net_max_send_buffers: sizeKind(2),
  net_nss_qnetd_cn: { kind: 'text' },
  net_nss_client_cert_nickname: { kind: 'text' },
  net_heartbeat_interval_min: u32Kind(1),
  net_heartbeat_interval_max: u32Kind(1),
  net_min_connect_timeout: u32Kind(1),
  net_max_connect_timeout: u32Kind(1),
  net_test_algorithm_enabled: { kind: 'switch' },
  master_wins: { kind: 'words', words: ['model', 'yes', 'on', '1', 'no', 'off', '0'] },
} as const satisfies SettingKinds;

export const QDEVICE_NAME = 'corosync-qdevice';
const MINUTES_2 = 2 * 60 * 1000;

/** Their defaults; a type that holds what `applySettings` puts in. */
export function qdeviceSettings() {
  return {
    ...controlSettings(QDEVICE_NAME, 64 * 1024),
    max_cs_try_again: 10,
    votequorum_device_name: 'Qdevice',
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
