import { type OptionSpec, sectionOptions } from './option.ts';

const YES_NO = ['yes', 'no'] as const;
export const TRANSPORTS = ['udpu', 'udp', 'knet'] as const;
export const IP_VERSIONS = ['ipv4', 'ipv6', 'ipv4-6', 'ipv6-4'] as const;
export const CRYPTO_MODELS = ['nss', 'openssl'] as const;
/** Orders of these lists are the orders of stock's messages. */
export const CRYPTO_CIPHERS = ['none', 'aes256', 'aes192', 'aes128'] as const;
export const CRYPTO_HASHES = ['none', 'md5', 'sha1', 'sha256', 'sha384', 'sha512'] as const;
export const COMPRESSION_MODELS = ['zlib', 'lz4', 'lz4hc', 'lzo2', 'lzma', 'bzip2', 'zstd'] as const;
export const LINK_MODES = ['active', 'passive', 'rr'] as const;

/** What the cluster is, and how it talks. Fixed for the life of the daemon, or changed by a reload as a whole. */
const general = sectionOptions('totem', { reload: 'no', cmap: 'refused' }, [
  { key: 'version', type: 'u32', range: '2', doc: 'Version of the configuration format. Mandatory, always 2.' },
  {
    key: 'cluster_name',
    type: 'str',
    doc: 'Name of the cluster. With transport udp the multicast address is made from it; qdevice and Pacemaker use it.',
  },
  {
    key: 'config_version',
    type: 'u64',
    default: '0',
    reload: 'yes',
    cmap: 'live',
    doc: 'Version of the file. A node whose version is lower than that of the cluster it joins stops; 0 switches the check off.',
  },
  {
    key: 'transport',
    type: 'str',
    default: 'knet',
    values: TRANSPORTS,
    doc: 'How packets travel: knet (several links, encryption), udpu (one link, unicast), udp (one link, multicast).',
  },
  {
    key: 'ip_version',
    type: 'str',
    default: 'ipv6-4 (udp: ipv4)',
    values: IP_VERSIONS,
    doc: 'Which address family names are resolved to, and which one is preferred when there are both.',
  },
  {
    key: 'ip_dscp',
    type: 'str',
    default: '0',
    range: '0-63, 0x.., or cs0..cs7, af11..af43, ef',
    doc: 'DSCP mark of outgoing packets. Stock knows it from 3.1.10 on; a text that is no DSCP value is ignored with a warning.',
  },
  {
    key: 'netmtu',
    type: 'u32',
    default: '1500 (knet: 65536)',
    unit: 'bytes',
    doc: 'Largest packet of the ring protocol, IP and UDP headers included; knet splits it to the path MTU itself.',
  },
  { key: 'threads', type: 'u32', default: '0', doc: 'Unused.', obsolete: 'it has no effect' },
  {
    key: 'nodeid',
    type: 'u32',
    reload: 'start',
    doc: 'Ignored.',
    obsolete: 'the node id stands in the nodelist',
  },
  {
    key: 'clear_node_high_bit',
    type: 'str',
    default: 'no',
    values: YES_NO,
    reload: 'start',
    doc: 'Clears the top bit of node ids that udp and udpu make from IPv4 addresses.',
  },
  {
    key: 'link_mode',
    type: 'str',
    default: 'passive',
    values: LINK_MODES,
    reload: 'start',
    cmap: 'stored',
    doc: 'knet: passive uses the connected link of the highest priority, active all links at once, rr one after the other.',
  },
  {
    key: 'cluster_uuid',
    type: 'str',
    reload: 'yes',
    cmap: 'stored',
    doc: 'Written by pcs to tell clusters apart; the daemon does not use it.',
  },
]);

const crypto = sectionOptions('totem', { reload: 'yes', cmap: 'refused' }, [
  {
    key: 'crypto_model',
    type: 'str',
    default: 'nss',
    values: CRYPTO_MODELS,
    doc: 'Crypto library of stock. Both names mean the same bytes on the wire.',
  },
  {
    key: 'crypto_cipher',
    type: 'str',
    default: 'none',
    values: CRYPTO_CIPHERS,
    doc: 'Encryption of knet packets. Needs a crypto_hash other than none.',
  },
  { key: 'crypto_hash', type: 'str', default: 'none', values: CRYPTO_HASHES, doc: 'Authentication of knet packets.' },
  {
    key: 'secauth',
    type: 'str',
    default: 'off',
    values: ['on', 'off'],
    doc: 'on means crypto_cipher aes256 and crypto_hash sha256; explicit keys win. Any other text than on is off.',
  },
  {
    key: 'keyfile',
    type: 'str',
    default: '/etc/corosync/authkey',
    names: 'path',
    doc: 'File of the shared key, 128 to 4096 bytes, a regular file. Read again at every reload. One that others can read or write is a warning; the next release refuses it.',
  },
  {
    key: 'key',
    type: 'str',
    names: 'secret',
    doc: 'The shared key itself, 127 to 4095 characters. keyfile wins when both are given.',
  },
]);

const knet = sectionOptions('totem', { reload: 'yes', cmap: 'live' }, [
  {
    key: 'knet_mtu',
    type: 'u32',
    default: '0',
    unit: 'bytes',
    range: '0-65535',
    doc: 'Path MTU of all links; 0 finds it out.',
  },
  { key: 'knet_pmtud_interval', type: 'u32', default: '30', unit: 's', doc: 'How often the path MTU is found out.' },
  {
    key: 'knet_compression_model',
    type: 'str',
    default: 'none (omit the key)',
    values: COMPRESSION_MODELS,
    doc: 'Compression of packets. The word none is not accepted, as in stock: leave the key out.',
  },
  {
    key: 'knet_compression_threshold',
    type: 'u32',
    default: '0',
    unit: 'bytes',
    doc: 'Smaller packets are not compressed; 0 means 100.',
  },
  {
    key: 'knet_compression_level',
    type: 'i32',
    default: '0',
    doc: 'Level of the model; what it means depends on the model.',
  },
  {
    key: 'block_unlisted_ips',
    type: 'str',
    default: 'yes',
    values: YES_NO,
    doc: 'Drops packets from addresses that are not in the nodelist. Any other text is the default.',
  },
]);

const timing = sectionOptions('totem', { reload: 'yes', cmap: 'live' }, [
  {
    key: 'token',
    type: 'u32',
    default: '3000',
    unit: 'ms',
    range: '>= 30',
    doc: 'Time without token after which the ring is taken as broken. In force: token + (nodes - 2) * token_coefficient with three or more nodes.',
  },
  {
    key: 'token_coefficient',
    type: 'u32',
    default: '650',
    unit: 'ms',
    doc: 'Added to token for every node above two.',
  },
  {
    key: 'token_warning',
    type: 'u32',
    default: '75',
    unit: 'percent',
    range: '0-100',
    doc: 'Part of the token timeout after which a missing token is logged; 0 switches it off.',
  },
  {
    key: 'token_retransmits_before_loss_const',
    type: 'u32',
    default: '4',
    doc: 'How often the token is sent again before it counts as lost.',
  },
  {
    key: 'token_retransmit',
    type: 'u32',
    default: 'token / (token_retransmits_before_loss_const + 0.2)',
    unit: 'ms',
    range: '>= 30',
    doc: 'Time after which the token is sent again.',
  },
  {
    key: 'hold',
    type: 'u32',
    default: 'token_retransmit * 0.8 - 10',
    unit: 'ms',
    range: '>= 14',
    doc: 'How long the representative keeps the token of an idle ring.',
  },
  { key: 'join', type: 'u32', default: '50', unit: 'ms', range: '>= 30', doc: 'Time between join messages.' },
  {
    key: 'send_join',
    type: 'u32',
    default: '0',
    unit: 'ms',
    doc: 'Upper bound of a random delay before join messages.',
  },
  {
    key: 'consensus',
    type: 'u32',
    default: 'token * 1.2',
    unit: 'ms',
    range: '>= 30 and >= join',
    doc: 'Time to agree on a new membership before another round starts.',
  },
  {
    key: 'merge',
    type: 'u32',
    default: '200',
    unit: 'ms',
    range: '>= 30',
    doc: 'Time before an idle ring looks for other rings.',
  },
  {
    key: 'downcheck',
    type: 'u32',
    default: '1000',
    unit: 'ms',
    range: '>= 30',
    doc: 'How often a downed interface is looked at.',
  },
  {
    key: 'fail_recv_const',
    type: 'u32',
    default: '2500',
    doc: 'Token rotations without receiving messages that should come, before a new membership is formed.',
  },
  {
    key: 'seqno_unchanged_const',
    type: 'u32',
    default: '30',
    doc: 'Token rotations without traffic before the token is held.',
  },
  {
    key: 'heartbeat_failures_allowed',
    type: 'u32',
    default: '0',
    doc: 'Missed heartbeats before a loss is declared, for unreliable networks; 0 is off.',
  },
  {
    key: 'max_network_delay',
    type: 'u32',
    default: '50',
    unit: 'ms',
    range: '>= 30',
    doc: 'Delay of the network; used with heartbeats only.',
  },
  {
    key: 'window_size',
    type: 'u32',
    default: '50',
    doc: 'Messages that may be sent in one token rotation by all nodes together.',
  },
  { key: 'max_messages', type: 'u32', default: '17', doc: 'Messages that one node may send when it has the token.' },
  {
    key: 'miss_count_const',
    type: 'u32',
    default: '5',
    doc: 'Token visits with a missing message before it is asked for again.',
  },
  {
    key: 'cancel_token_hold_on_retransmit',
    type: 'str',
    default: 'no',
    values: YES_NO,
    doc: 'Ends the holding of the token when a retransmission was asked for. Any other text is the default.',
  },
]);

const DEAD = 'it has had no effect since 3.0';
const dead = sectionOptions('totem', { reload: 'yes', cmap: 'stored' }, [
  { key: 'rrp_mode', type: 'str', cmap: 'refused', doc: 'Ignored.', obsolete: DEAD },
  { key: 'vsftype', type: 'str', doc: 'Ignored.', obsolete: DEAD },
  { key: 'rrp_problem_count_timeout', type: 'u32', doc: 'Ignored.', obsolete: DEAD },
  { key: 'rrp_problem_count_threshold', type: 'u32', doc: 'Ignored.', obsolete: DEAD },
  { key: 'rrp_problem_count_mcast_threshold', type: 'u32', doc: 'Ignored.', obsolete: DEAD },
  { key: 'rrp_token_expired_timeout', type: 'u32', doc: 'Ignored.', obsolete: DEAD },
  { key: 'rrp_autorecovery_check_timeout', type: 'u32', doc: 'Ignored.', obsolete: DEAD },
]);

const link = sectionOptions('totem.interface', { reload: 'link', cmap: 'stored' }, [
  { key: 'linknumber', type: 'u8', default: '0', range: '0-7', doc: 'Which link the block is about.' },
  {
    key: 'mcastport',
    type: 'u16',
    default: '5405 + linknumber',
    doc: 'UDP port of the link; 0 is the default. udp uses the port below as well.',
  },
  {
    key: 'knet_transport',
    type: 'str',
    default: 'udp',
    values: ['udp', 'sctp'],
    doc: 'Protocol below knet. sctp is accepted by the check but not available here.',
  },
  {
    key: 'knet_link_priority',
    type: 'u8',
    default: '1',
    reload: 'yes',
    cmap: 'live',
    doc: 'Priority of the link with link_mode passive; higher is preferred, 0 acts as 1.',
  },
  {
    key: 'knet_ping_interval',
    type: 'u32',
    default: 'token / (knet_pong_count * 2)',
    unit: 'ms',
    reload: 'yes',
    cmap: 'live',
    doc: 'Time between pings on the link.',
  },
  {
    key: 'knet_ping_timeout',
    type: 'u32',
    default: 'token / knet_pong_count',
    unit: 'ms',
    reload: 'yes',
    cmap: 'live',
    doc: 'Time without answer after which the link is down. Should be larger than the interval.',
  },
  {
    key: 'knet_ping_precision',
    type: 'u32',
    default: '2048',
    reload: 'yes',
    cmap: 'live',
    doc: 'How many samples the average latency is made of.',
  },
  {
    key: 'knet_pong_count',
    type: 'u32',
    default: '2',
    reload: 'yes',
    cmap: 'live',
    doc: 'Answers needed before a link is up.',
  },
  {
    key: 'bindnetaddr',
    type: 'str',
    reload: 'start',
    doc: 'Address to bind to. The nodelist overrides it.',
    obsolete: 'the address stands in the nodelist',
  },
  {
    key: 'broadcast',
    type: 'str',
    default: 'no',
    values: YES_NO,
    reload: 'start',
    doc: 'udp only: broadcast instead of multicast.',
  },
  {
    key: 'mcastaddr',
    type: 'str',
    default: 'made from cluster_name',
    reload: 'start',
    doc: 'udp only: multicast group.',
  },
  { key: 'ttl', type: 'u8', default: '1', reload: 'start', doc: 'udp only: time to live of multicast packets.' },
]);

const member = sectionOptions('totem.interface.member', { reload: 'start', cmap: 'stored' }, [
  { key: 'memberaddr', type: 'str', doc: 'Address of a node.', obsolete: 'use the nodelist' },
]);

export const TOTEM_OPTIONS: readonly OptionSpec[] = [
  ...general,
  ...crypto,
  ...knet,
  ...timing,
  ...dead,
  ...link,
  ...member,
];
