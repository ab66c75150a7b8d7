import { COMPRESSION_MODELS } from '../../lib/knet-facts.ts';
import { described, formula, onlyYes, sectionOptions, unlessNo } from './option.ts';

const YES_NO = ['yes', 'no'] as const;
/** `none` is refused by stock's parser. */
export const COMPRESSION_NAMES = COMPRESSION_MODELS.filter((model) => model !== 'none');
export const KNET_TRANSPORTS = ['udp', 'sctp'] as const;
export const LINKS_MAX = 8;
/** Of link 0. */
export const PORT_DEFAULT = 5405;

const ACTS = { reload: 'yes', cmap: 'live' } as const;

/** knet as a whole: `TotemConfig.knet`. */
export const KNET_OPTIONS = sectionOptions('totem', ACTS, [
  {
    key: 'knet_mtu',
    type: 'u32',
    default: 0,
    unit: 'bytes',
    min: 0,
    max: 65_535,
    field: 'manualMtu',
    published: true,
    doc: 'Path MTU of all links; 0 finds it out.',
  },
  {
    key: 'knet_pmtud_interval',
    type: 'u32',
    default: 30,
    unit: 's',
    field: 'pmtudIntervalSec',
    published: true,
    doc: 'How often the path MTU is found out.',
  },
]);

/** `TotemConfig.compression`. */
export const COMPRESSION = sectionOptions('totem', ACTS, [
  {
    key: 'knet_compression_model',
    type: 'str',
    default: formula('none (omit the key)', () => 'none'),
    field: 'model',
    published: true,
    values: COMPRESSION_NAMES,
    doc: 'Compression of packets. The word none is not accepted, as in stock: leave the key out.',
  },
  {
    key: 'knet_compression_threshold',
    type: 'u32',
    default: 0,
    unit: 'bytes',
    field: 'thresholdBytes',
    published: true,
    doc: 'Smaller packets are not compressed; 0 means 100.',
  },
  {
    key: 'knet_compression_level',
    type: 'i32',
    default: 0,
    field: 'level',
    published: true,
    doc: 'Level of the model; what it means depends on the model.',
  },
]);

/** Which packets are taken: `TotemConfig.filter`. */
export const FILTER = sectionOptions('totem', ACTS, [
  {
    key: 'block_unlisted_ips',
    type: 'str',
    default: 'yes',
    values: YES_NO,
    field: 'blockUnlistedIps',
    parse: unlessNo,
    published: true,
    doc: 'Drops packets from addresses that are not in the nodelist. Any other text is the default.',
  },
]);

const AT_CREATION = { reload: 'link', cmap: 'stored' } as const;

/** A link of any transport: fields of `LinkConfig` itself. */
export const LINK = sectionOptions('totem.interface', AT_CREATION, [
  { key: 'linknumber', type: 'u8', default: 0, min: 0, max: LINKS_MAX - 1, doc: 'Which link the block is about.' },
  {
    key: 'mcastport',
    type: 'u16',
    default: described(`${PORT_DEFAULT} + linknumber`),
    field: 'port',
    doc: 'UDP port of the link; 0 is the default. udp uses the port below as well.',
  },
  {
    key: 'knet_transport',
    type: 'str',
    default: 'udp',
    values: KNET_TRANSPORTS,
    doc: 'Protocol below knet. sctp is accepted by the check but not available here.',
  },
]);

/** A link of knet: `LinkConfig.knet`. Who sets one of these in the map changes nothing, as with stock. */
export const KNET_LINK = sectionOptions('totem.interface', { reload: 'yes', cmap: 'stored' }, [
  {
    key: 'knet_link_priority',
    type: 'u8',
    default: 1,
    field: 'priority',
    doc: 'Priority of the link with link_mode passive; higher is preferred, 0 acts as 1.',
  },
  {
    key: 'knet_ping_interval',
    type: 'u32',
    default: formula('token / (knet_pong_count * 2)', ({ tokenMs, pongCount }) =>
      Math.trunc(tokenMs / (pongCount * 2)),
    ),
    field: 'pingIntervalMs',
    published: true,
    unit: 'ms',
    doc: 'Time between pings on the link.',
  },
  {
    key: 'knet_ping_timeout',
    type: 'u32',
    default: formula('token / knet_pong_count', ({ tokenMs, pongCount }) => Math.trunc(tokenMs / pongCount)),
    field: 'pingTimeoutMs',
    published: true,
    unit: 'ms',
    doc: 'Time without a PONG after which the link is down. Should be larger than the interval.',
  },
  {
    key: 'knet_ping_precision',
    type: 'u32',
    default: 2048,
    field: 'pingPrecision',
    doc: 'How many samples the average latency is made of.',
  },
  {
    key: 'knet_pong_count',
    type: 'u32',
    default: 2,
    field: 'pongCount',
    doc: 'PONGs needed before a link is up.',
  },
]);

/** A link of udp, where not for all: fields of `LinkConfig` itself. */
export const UDP_LINK = sectionOptions('totem.interface', { reload: 'start', cmap: 'stored' }, [
  {
    key: 'bindnetaddr',
    type: 'str',
    doc: 'Address to bind to. The nodelist overrides it.',
    obsolete: 'the address stands in the nodelist',
  },
  {
    key: 'broadcast',
    type: 'str',
    default: 'no',
    values: YES_NO,
    field: 'broadcast',
    parse: onlyYes,
    doc: 'udp only: broadcast instead of multicast.',
  },
  {
    key: 'mcastaddr',
    type: 'str',
    default: described('made from cluster_name'),
    field: 'multicastAddress',
    doc: 'udp only: multicast group.',
  },
  {
    key: 'ttl',
    type: 'u8',
    default: 1,
    zeroCounts: true,
    field: 'ttl',
    doc: 'udp only: time to live of multicast packets.',
  },
]);
