import { type OptionSpec, sectionOptions } from './option.ts';

export const STATE_DIRECTORY_DEFAULT = '/var/lib/corosync';
/** Releases of stock whose defaults can be chosen. */
export const COMPATIBILITY = ['3.1', 'next'] as const;
const YES_NO = ['yes', 'no'] as const;
const LISTEN_RANGE = 'ADDRESS:PORT, [IPV6]:PORT or unix:/PATH';

const system = sectionOptions('system', { reload: 'no', cmap: 'refused' }, [
  {
    key: 'qb_ipc_type',
    type: 'str',
    default: 'native',
    values: ['native', 'shm', 'socket'],
    doc: 'How clients talk to the daemon: through shared memory, which is the native way, or unix sockets, for hosts on which daemon and clients do not share `/dev/shm`.',
  },
  { key: 'sched_rr', type: 'str', default: 'yes', values: YES_NO, doc: 'Run with round-robin real-time scheduling.' },
  {
    key: 'priority',
    type: 'str',
    default: '0',
    range: 'nice value, max or min',
    doc: 'Nice value when round-robin scheduling is not used. A wrong text is found at start only.',
  },
  {
    key: 'move_to_root_cgroup',
    type: 'str',
    default: 'auto',
    values: ['yes', 'no', 'auto'],
    doc: 'Move to the root control group, where real-time scheduling is allowed; auto: only if it failed.',
  },
  {
    key: 'allow_knet_handle_fallback',
    type: 'str',
    default: 'no',
    values: YES_NO,
    withoutEffect:
      'no part of the set-up of the network needs privileges here, so that it cannot fail for want of them',
    withoutEffectValues: ['yes'],
    doc: 'Go on when the privileged set-up of the network fails.',
  },
  {
    key: 'compatibility',
    type: 'str',
    default: '3.1',
    values: COMPATIBILITY,
    extension: true,
    doc: 'Whose defaults hold. 3.1: those of Corosync 3.1. next: those of the release after 3.1.10, knet only, encrypted with aes256 and sha256 unless the file names others, plain text refused; the same on all nodes (compatibility.md).',
  },
  {
    key: 'state_dir',
    type: 'str',
    default: STATE_DIRECTORY_DEFAULT,
    names: 'path',
    doc: 'Directory of the ring id and of dumps; must exist.',
  },
  {
    key: 'ipc_instance',
    type: 'str',
    extension: true,
    doc: 'Prefix of the IPC socket names, so that several daemons share a network namespace. Unset: the names of stock.',
  },
  {
    key: 'transmit_threads',
    type: 'str',
    default: '0',
    values: ['0', '1', '2', '4'],
    extension: true,
    doc: 'Threads that encrypt and send over knet for the ring thread, for machines with more than two processors (performance.md); 0: it does that itself. Without effect over udp and udpu.',
  },
  {
    key: 'warm_up',
    type: 'str',
    default: 'yes',
    values: YES_NO,
    extension: true,
    doc: "Once clients are served, and as long as there is nothing else to do, send messages round a ring that exists in memory only, so that code is compiled before the first messages come (performance.md). A node within a program does so only with `yes` here. It takes half a second of processor time at most, at the ring thread's priority and in slices of milliseconds, and less of a processor where others need it.",
  },
  {
    key: 'flight_size',
    type: 'u32',
    default: 4 << 20,
    min: 0,
    max: 1 << 28,
    unit: 'bytes',
    extension: true,
    doc: 'Size of the flight recorder in the state directory, from which `rondo why` explains what happened; 0: none. Another size begins anew.',
  },
  {
    key: 'metrics',
    type: 'str',
    extension: true,
    range: LISTEN_RANGE,
    doc: 'Where metrics are served for Prometheus, for example 127.0.0.1:9180; see metrics.md. Unset: nowhere.',
  },
  {
    key: 'dashboard',
    type: 'str',
    extension: true,
    range: LISTEN_RANGE,
    doc: 'Where a page shows what this node sees, for example 127.0.0.1:9181, or the address of the metrics. Unset: nowhere.',
  },
  {
    key: 'http_token_file',
    type: 'str',
    extension: true,
    names: 'path',
    doc: 'File with the token that readers of both must bring; kept as a key file is; read again at a reload. Without it, or TLS, only loopback addresses and unix sockets are taken.',
  },
  {
    key: 'http_certificate_file',
    type: 'str',
    extension: true,
    names: 'path',
    doc: 'Certificate with which both are served over TLS, PEM, those that lead to its authority after it; read again at a reload. Unset: plain HTTP. Unix sockets stay plain.',
  },
  {
    key: 'http_key_file',
    type: 'str',
    extension: true,
    names: 'path',
    doc: 'Private key of that certificate, PEM, without a passphrase; kept as a key file is; read again at a reload.',
  },
  {
    key: 'notify',
    type: 'str',
    extension: true,
    names: 'program',
    doc: 'Who is notified of changes of quorum, members, links and clients: up to 8 targets with blanks between (exec:/PATH, http://…, https://…, dbus:, snmp:HOST, mq:/NAME), see notify.md. A wrong one is found at start only.',
  },
  {
    key: 'notify_ca_file',
    type: 'str',
    extension: true,
    names: 'path',
    doc: 'Certificates of the authorities, PEM, that the servers of https targets are checked against. Unset: those that Node.js knows.',
  },
]);

const RESOURCE_KEYS = [
  { key: 'max', type: 'str', doc: 'Limit: percent of memory, or load average. Setting it starts the monitoring.' },
  {
    key: 'poll_period',
    type: 'u64',
    default: 3000,
    unit: 'ms',
    min: 500,
    max: 120_000,
    doc: 'Time between measurements.',
  },
  {
    key: 'recovery',
    type: 'str',
    values: ['none', 'watchdog', 'quit', 'reboot', 'shutdown'],
    doc: 'What happens when the limit is passed.',
  },
] as const;

const MACHINE = { reload: 'yes', cmap: 'live', names: 'machine' } as const;
const resources = [
  ...sectionOptions('resources', { reload: 'start', cmap: 'live', names: 'machine' }, [
    { key: 'watchdog_device', type: 'str', names: 'path', doc: 'Watchdog device; unset, empty or off: no watchdog.' },
    { key: 'watchdog_timeout', type: 'u32', default: 6, unit: 's', min: 2, max: 120, doc: 'Timeout of the watchdog.' },
  ]),
  ...sectionOptions('resources.system.memory_used', MACHINE, RESOURCE_KEYS),
  ...sectionOptions('resources.system.load_15min', MACHINE, RESOURCE_KEYS),
];

const access = sectionOptions('uidgid', { reload: 'yes', cmap: 'refused', names: 'account' }, [
  { key: 'uid', type: 'str', doc: 'User, by name or number, who may connect. Root always may.' },
  { key: 'gid', type: 'str', doc: 'Group, by name or number, whose members may connect.' },
]);

const nozzle = sectionOptions('nozzle', { reload: 'yes', cmap: 'stored', names: 'machine' }, [
  { key: 'name', type: 'str', doc: 'Name of a virtual Ethernet device between the nodes (knet).' },
  { key: 'ipaddr', type: 'str', doc: 'Network; the host part becomes the node id.' },
  { key: 'ipprefix', type: 'str', doc: 'Prefix length: IPv4 8-30, IPv6 8-64.' },
  {
    key: 'macaddr',
    type: 'str',
    default: '54:54:01:00:00:00',

    doc: 'Hardware address; its last two bytes become the node id.',
  },
]);

const THROUGH_CMAP = { withoutEffect: 'set it through cmap, as u32' } as const;
const pload = sectionOptions('pload', { reload: 'start', cmap: 'live' }, [
  { key: 'count', type: 'str', ...THROUGH_CMAP, doc: 'Load generator: how many messages.' },
  { key: 'size', type: 'str', ...THROUGH_CMAP, doc: 'Load generator: bytes of a message.' },
]);

const service = sectionOptions('service', { reload: 'start', cmap: 'stored', names: 'program' }, [
  { key: 'name', type: 'str', extension: true, doc: 'Short name of a service engine that is loaded at start.' },
  {
    key: 'path',
    type: 'str',
    extension: true,
    doc: 'Module of the engine. Blocks of Corosync 1.x without path are ignored.',
  },
]);

export const SYSTEM_OPTIONS: readonly OptionSpec[] = [
  ...system,
  ...resources,
  ...access,
  ...nozzle,
  ...pload,
  ...service,
];
