import { parseDscp } from '../totem/dscp.ts';
import { COMPRESSION, FILTER, KNET_LINK, KNET_OPTIONS, LINK, UDP_LINK } from './knet.ts';
import { formula, type OptionSpec, sectionOptions } from './option.ts';
import { TIMING } from './timing.ts';

const YES_NO = ['yes', 'no'] as const;
/** Of the format of the file. */
export const TOTEM_VERSION = 2;
export const KEY_FILE_DEFAULT = '/etc/corosync/authkey';
export const TRANSPORTS = ['udpu', 'udp', 'knet'] as const;
export const IP_VERSIONS = ['ipv4', 'ipv6', 'ipv4-6', 'ipv6-4'] as const;
export const CRYPTO_MODELS = ['nss', 'openssl'] as const;
/** Orders of these lists are the orders of stock's messages. */
export const CRYPTO_CIPHERS = ['none', 'aes256', 'aes192', 'aes128'] as const;
/** Further names, of kronosnet after 1.35: the mode may be said, with and without a hyphen. */
export const CRYPTO_CIPHER_NAMES: readonly string[] = [
  ...CRYPTO_CIPHERS,
  ...[256, 192, 128].flatMap((bits) => ['ctr', 'cbc'].flatMap((mode) => [`aes${bits}-${mode}`, `aes-${bits}-${mode}`])),
];
export const CRYPTO_HASHES = ['none', 'md5', 'sha1', 'sha256', 'sha384', 'sha512'] as const;
export const LINK_MODES = ['active', 'passive', 'rr'] as const;

/** What the cluster is, and how it talks. Fixed for the life of the daemon, or changed by a reload as a whole. */
export const GENERAL = sectionOptions('totem', { reload: 'no', cmap: 'refused' }, [
  {
    key: 'version',
    type: 'u32',
    min: TOTEM_VERSION,
    max: TOTEM_VERSION,
    doc: 'Version of the configuration format. Mandatory, always 2.',
  },
  {
    key: 'cluster_name',
    type: 'str',
    field: 'clusterName',
    doc: 'Name of the cluster. With transport udp the multicast address is made from it; qdevice and Pacemaker use it.',
  },
  {
    key: 'config_version',
    type: 'u64',
    default: 0,
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
    default: formula('ipv6-4 (udp: ipv4)', ({ transport }) => (transport === 'udp' ? 'ipv4' : 'ipv6-4')),
    values: IP_VERSIONS,
    doc: 'Which address family names are resolved to, and which one is preferred when there are both.',
  },
  {
    key: 'ip_dscp',
    type: 'str',
    default: '0',
    field: 'ipDscp',
    parse: (text) => parseDscp(text) ?? 0,
    range: '0-63, 0x.., or cs0..cs7, af11..af43, ef',
    doc: 'DSCP mark of outgoing packets. Stock knows it from 3.1.10 on; a text that is no DSCP value is ignored with a warning.',
  },
  {
    key: 'netmtu',
    type: 'u32',
    default: formula('1500 (knet: 65536)', ({ transport }) => (transport === 'knet' ? 65_536 : 1500)),
    field: 'netMtu',
    unit: 'bytes',
    doc: 'Largest packet of the ring protocol, IP and UDP headers included; knet splits it to the path MTU itself.',
  },
  { key: 'threads', type: 'u32', default: 0, doc: 'Unused.', obsolete: 'it has no effect' },
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
    values: CRYPTO_CIPHER_NAMES,
    doc: 'Encryption of knet packets. Needs a crypto_hash other than none. AES-CTR needs kronosnet after 1.35 on all nodes, or ours.',
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
    default: KEY_FILE_DEFAULT,
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

const member = sectionOptions('totem.interface.member', { reload: 'start', cmap: 'stored' }, [
  { key: 'memberaddr', type: 'str', doc: 'Address of a node.', obsolete: 'use the nodelist' },
]);

export const TOTEM_OPTIONS: readonly OptionSpec[] = [
  ...GENERAL,
  ...crypto,
  ...KNET_OPTIONS,
  ...COMPRESSION,
  ...FILTER,
  ...TIMING,
  ...dead,
  ...LINK,
  ...KNET_LINK,
  ...UDP_LINK,
  ...member,
];
