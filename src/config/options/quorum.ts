import { described, type OptionSpec, sectionOptions } from './option.ts';

const ON_OFF = ['on', 'off'] as const;
/** On or off. */
const SWITCH = { type: 'u8', min: 0, max: 1 } as const;

const nodelist = sectionOptions('nodelist.node', { reload: 'yes', cmap: 'refused' }, [
  {
    key: 'ring<0-7>_addr',
    type: 'str',
    doc: 'Address or name of the node on a link. The address of a live link cannot change in a reload of stock.',
  },
  {
    key: 'nodeid',
    type: 'u32',
    default: described('mandatory (udp, udpu: made from the IPv4 address)'),
    range: '1-65535 with knet',
    doc: 'Number of the node, unique in the cluster.',
  },
  { key: 'name', type: 'str', doc: 'Name of the node. Mandatory on every node when there is more than one link.' },
  { key: 'quorum_votes', type: 'u32', default: 1, unit: 'votes', doc: 'Votes of the node; 0 is allowed.' },
]);

const quorum = sectionOptions('quorum', { reload: 'start', cmap: 'refused' }, [
  {
    key: 'provider',
    type: 'str',
    valuesFrom: 'quorumProviders',
    reload: 'no',
    cmap: 'stored',
    doc: 'Who decides about quorum; without it every node is always quorate.',
  },
  {
    key: 'expected_votes',
    type: 'u32',
    default: described('sum of the votes in the nodelist and of the device'),
    unit: 'votes',
    reload: 'yes',
    cmap: 'live',
    doc: 'Votes of the whole cluster. Required without a nodelist.',
  },
  {
    key: 'votes',
    type: 'u32',
    default: 1,
    unit: 'votes',
    reload: 'yes',
    cmap: 'live',
    doc: 'Votes of this node when the nodelist does not say.',
  },
  {
    key: 'two_node',
    ...SWITCH,
    default: 0,
    reload: 'yes',
    cmap: 'live',
    doc: 'Cluster of two: one vote is enough for quorum. Turns wait_for_all on unless that key is given.',
  },
  {
    key: 'wait_for_all',
    ...SWITCH,
    default: described('0 (1 with two_node)'),
    doc: 'After its start a node has no quorum until it has seen all nodes once.',
  },
  {
    key: 'last_man_standing',
    ...SWITCH,
    default: 0,
    doc: 'Expected votes follow the members after last_man_standing_window. Needs one vote for every node.',
  },
  {
    key: 'last_man_standing_window',
    type: 'u32',
    default: 10_000,
    unit: 'ms',
    doc: 'Time before expected votes are lowered.',
  },
  {
    key: 'auto_tie_breaker',
    ...SWITCH,
    default: 0,
    doc: 'With exactly half of the votes, the half with the chosen node stays quorate.',
  },
  {
    key: 'auto_tie_breaker_node',
    type: 'str',
    default: 'lowest',
    range: 'lowest, highest, or node ids separated by blanks',
    doc: 'The node that decides a tie.',
  },
  {
    key: 'allow_downscale',
    ...SWITCH,
    default: 0,
    doc: 'Expected votes go down when a node leaves in an orderly way. Implies expected_votes_tracking.',
  },
  {
    key: 'expected_votes_tracking',
    ...SWITCH,
    default: 0,
    doc: 'Keeps the highest expected votes in the state directory.',
  },
  { key: 'leaving_timeout', type: 'u32', unit: 'ms', cmap: 'stored', doc: 'Unused.', obsolete: 'it has no effect' },
  {
    key: 'cancel_wait_for_all',
    type: 'str',
    cmap: 'live',
    withoutEffect: 'it is not for the file',
    doc: 'Set to 1 (u8) through cmap it releases a node that waits for all.',
  },
]);

const device = sectionOptions('quorum.device', { reload: 'yes', cmap: 'live', names: 'program' }, [
  {
    key: 'model',
    type: 'str',
    values: ['net'],
    doc: 'Kind of quorum device; its presence switches device support on.',
  },
  { key: 'votes', type: 'u32', default: described('nodes - 1'), unit: 'votes', doc: 'Votes of the device.' },
  { key: 'timeout', type: 'u32', default: 10_000, unit: 'ms', doc: 'The device must poll within this time.' },
  {
    key: 'sync_timeout',
    type: 'u32',
    default: 30_000,
    unit: 'ms',
    doc: 'The same while a new membership is synchronised.',
  },
  {
    key: 'master_wins',
    ...SWITCH,
    default: 0,
    cmap: 'stored',
    doc: 'Read by the device daemon only.',
  },
]);

const DEVICE_RESTART = { reload: 'start', cmap: 'stored', names: 'host' } as const;
const deviceNet = sectionOptions('quorum.device.net', DEVICE_RESTART, [
  { key: 'host', type: 'str', doc: 'Host of the qnetd server. Mandatory for model net.' },
  { key: 'port', type: 'str', default: '5403', doc: 'Port of the qnetd server.' },
  { key: 'tls', type: 'str', default: 'on', values: ['on', 'off', 'required'], doc: 'TLS to the qnetd server.' },
  {
    key: 'algorithm',
    type: 'str',
    default: 'ffsplit',
    values: ['ffsplit', 'lms', '2nodelms', 'test'],
    doc: 'How the server gives its vote.',
  },
  { key: 'tie_breaker', type: 'str', default: 'lowest', doc: 'lowest, highest or a node id.' },
  {
    key: 'connect_timeout',
    type: 'str',
    default: described('0.8 * timeout'),
    unit: 'ms',
    doc: 'Time to connect to the server.',
  },
  { key: 'force_ip_version', type: 'str', default: '0', values: ['0', '4', '6'], doc: 'Address family of the server.' },
  {
    key: 'keep_active_partition_tie_breaker',
    type: 'str',
    default: 'on',
    values: ON_OFF,
    doc: 'A tie keeps the partition that was active.',
  },
]);

const heuristics = sectionOptions('quorum.device.heuristics', { reload: 'yes', cmap: 'stored', names: 'program' }, [
  { key: 'mode', type: 'str', default: 'off', values: ['on', 'sync', 'off'], doc: 'When the commands are run.' },
  { key: 'timeout', type: 'str', default: described('timeout / 2'), unit: 'ms', doc: 'Time for all commands.' },
  {
    key: 'sync_timeout',
    type: 'str',
    default: described('sync_timeout / 2'),
    unit: 'ms',
    doc: 'The same during synchronisation.',
  },
  { key: 'interval', type: 'str', default: described('3 * timeout'), unit: 'ms', doc: 'Time between two runs.' },
  { key: 'exec_<NAME>', type: 'str', doc: 'Command line; up to 32 of them.' },
]);

export const QUORUM_OPTIONS: readonly OptionSpec[] = [...nodelist, ...quorum, ...device, ...deviceNet, ...heuristics];
