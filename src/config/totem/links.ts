import type { Icmap } from '../icmap/index.ts';
import type { TransportName } from '../totem-config.ts';
import { familyOf, familyPreference, generatedMulticast, isMulticast, resolveAddress } from './addresses.ts';
import type { TotemContext } from './context.ts';
import { LINKS_MAX, type NodeEntry } from './nodelist.ts';

export const PORT_DEFAULT = 5405;
export const UNRESOLVED_HINT =
  'The name has no address in a family that ip_version allows; numeric addresses need no name server';
const LINK_OPTIONS = [
  'bindnetaddr',
  'broadcast',
  'mcastaddr',
  'mcastport',
  'ttl',
  'knet_link_priority',
  'knet_ping_interval',
  'knet_ping_timeout',
  'knet_ping_precision',
  'knet_pong_count',
  'knet_transport',
] as const;

/** Link numbers that stand in `totem.interface.N.…`. */
export function interfaceNumbers(context: TotemContext): number[] {
  const numbers = new Set<number>();
  for (const { key } of context.map.entries('totem.interface.')) {
    const match = /^totem\.interface\.(\d+)\.(.+)$/.exec(key);
    if (match === null) continue;
    const number = Number(match[1]);
    if ((LINK_OPTIONS as readonly string[]).includes(match[2]!) || match[2]!.startsWith('member.')) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}

export function linkNumberError(context: TotemContext, number: number, key: string) {
  const text = `interface ring number ${number} is bigger than allowed maximum ${LINKS_MAX - 1}`;
  return context.invalid('RONDO_CONFIG_LINK', text, { key, hint: `Links are numbered 0 to ${LINKS_MAX - 1}` });
}

/** What a link's block says, before defaults that need the token timeout. */
export interface LinkSettings {
  readonly linkId: number;
  /** Unresolved text; `null` when the local node has no address on the link. */
  readonly bindText: string | null;
  bindAddress: string | null;
  multicastAddress: string;
  readonly broadcast: boolean;
  /** 0: none was given and none could be taken. */
  readonly port: number;
  readonly ttl: number;
  readonly priority: number;
  readonly pingIntervalMs: number | null;
  readonly pingTimeoutMs: number | null;
  readonly pingPrecision: number;
  readonly pongCount: number;
  readonly knetTransport: 'udp' | 'sctp';
  /** Nodes with an address on the link. */
  readonly members: readonly NodeEntry[];
}

/**
 * Checks the links of this node one after the other: its addresses, which must resolve at once, and the interface
 * blocks. The step before the whole node list is looked at. `self` is the local node.
 */
export async function checkInterfaceBlocks(
  context: TotemContext,
  numbers: readonly number[],
  transport: TransportName,
  self: NodeEntry | null,
): Promise<void> {
  const families = familyPreference(context.map.getString('totem.ip_version'), transport);
  const all = new Set([...numbers, ...(self?.addresses.keys() ?? [])]);
  for (const number of [...all].sort((a, b) => a - b)) {
    const key = `totem.interface.${number}`;
    const bindKey = self === null ? `${key}.bindnetaddr` : (self.addressKeys.get(number) ?? key);
    if (number >= LINKS_MAX) throw linkNumberError(context, number, bindKey);
    const bind = context.map.getString(bindKey);
    if (bind !== null && (await resolveAddress(context, bind, families)) === null) {
      throw context.error('RONDO_CONFIG_ADDRESS', `failed to parse bindnet address '${bind}'`, {
        key: bindKey,
        hint: UNRESOLVED_HINT,
      });
    }
    const multicast = context.map.getString(`${key}.mcastaddr`);
    if (multicast !== null && (await resolveAddress(context, multicast, families)) === null) {
      throw context.error('RONDO_CONFIG_ADDRESS', `failed to parse mcast address '${multicast}'`, {
        key: `${key}.mcastaddr`,
        hint: 'Give a multicast address of the family of the link, e.g. 239.192.0.1',
      });
    }
    const knetTransport = context.map.getString(`${key}.knet_transport`);
    if (knetTransport !== null && knetTransport !== 'udp' && knetTransport !== 'sctp') {
      throw context.error('RONDO_CONFIG_LINK', "Unrecognised knet_transport. expected 'udp' or 'sctp'", {
        key: `${key}.knet_transport`,
        hint: 'Leave it out: udp is the default',
      });
    }
    for (const { key: memberKey } of self !== null ? [] : context.map.entries(`${key}.member.`)) {
      const member = context.map.getString(memberKey) ?? '';
      if ((await resolveAddress(context, member, families)) !== null) continue;
      throw context.error('RONDO_CONFIG_ADDRESS', `failed to parse node address '${member}'`, {
        key: memberKey,
        hint: 'Use a nodelist instead',
      });
    }
  }
}

/**
 * Whether a link broadcasts. Stock has one switch for all links and reads them in order: once it is on, `no` does not
 * switch it off. It means nothing to knet and udpu, but their ports go by it, too.
 */
function broadcasts(map: Icmap, linkId: number): boolean {
  for (let link = 0; link <= linkId; link++) {
    if (map.getString(`totem.interface.${link}.broadcast`) === 'yes') return true;
  }
  return false;
}

/** Everything about one link but the resolved bind address and the token's derivates. */
export function linkSettings(
  context: TotemContext,
  linkId: number,
  nodes: readonly NodeEntry[],
  local: NodeEntry | null,
): LinkSettings {
  const { map } = context;
  const prefix = `totem.interface.${linkId}.`;
  const positive = (key: string): number | null => {
    const value = map.getU32(prefix + key);
    return value === null || value === 0 ? null : value;
  };
  const broadcast = broadcasts(map, linkId);
  const bindText = local?.addresses.get(linkId) ?? null;
  // Stock's ports go by broadcast whatever the transport, unless 0 is given.
  const given = map.getU16(`${prefix}mcastport`);
  const port = given ?? 0;
  const defaultPort = PORT_DEFAULT + (given === null && broadcast ? linkId * 2 : linkId);
  return {
    linkId,
    bindText,
    bindAddress: null,
    multicastAddress: '',
    broadcast,
    port: port === 0 && bindText !== null ? defaultPort : port,
    ttl: map.getU8(`${prefix}ttl`) ?? 1,
    priority: map.getU8(`${prefix}knet_link_priority`) ?? 1,
    pingIntervalMs: positive('knet_ping_interval'),
    pingTimeoutMs: positive('knet_ping_timeout'),
    pingPrecision: positive('knet_ping_precision') ?? 2048,
    pongCount: positive('knet_pong_count') ?? 2,
    knetTransport: map.getString(`${prefix}knet_transport`) === 'sctp' ? 'sctp' : 'udp',
    members: nodes.filter(({ addresses }) => addresses.has(linkId)),
  };
}

/** Group address of a link: broadcast, the one given, or the one made from the cluster's name; '' when there is none. */
export function multicastAddressOf(context: TotemContext, link: LinkSettings): string {
  if (link.broadcast) return '255.255.255.255';
  const given = context.map.getString(`totem.interface.${link.linkId}.mcastaddr`);
  if (given !== null) return given;
  const clusterName = context.map.getString('totem.cluster_name');
  if (clusterName === null || link.bindAddress === null) return '';
  return generatedMulticast(clusterName, link.linkId, familyOf(link.bindAddress));
}

/** The checks of one link, in stock's order (config-and-tools.md 1.8 step 8). */
export function checkLink(context: TotemContext, link: LinkSettings, transport: TransportName): void {
  const name = `interface ${link.linkId}`;
  const key = `totem.interface.${link.linkId}`;
  const fail = (option: string, text: string, hint: string) =>
    context.invalid('RONDO_CONFIG_LINK', text, { key: `${key}.${option}`, hint });
  if (transport === 'udp' && link.multicastAddress === '') {
    throw fail('mcastaddr', `No multicast address specified for ${name}`, 'Set mcastaddr or cluster_name');
  }
  if (link.port === 0) {
    const node = link.members[0];
    throw context.invalid('RONDO_CONFIG_LINK', `No multicast port specified for ${name}`, {
      key: node?.addressKeys.get(link.linkId) ?? key,
      hint: `Give the local node an address on link ${link.linkId} (ring${link.linkId}_addr)`,
    });
  }
  if (link.ttl !== 1 && transport !== 'udp') {
    throw fail('ttl', `Can only set ttl on multicast transport types for ${name}`, 'Remove ttl');
  }
  if (link.priority !== 1 && transport !== 'knet') {
    const text = `Can only set link priority on knet transport type for ${name}`;
    throw fail('knet_link_priority', text, 'Remove knet_link_priority');
  }
  if (transport !== 'udp' || link.broadcast) return;
  if (!isMulticast(link.multicastAddress)) {
    const text = `mcastaddr is not a correct multicast address for ${name}`;
    throw fail('mcastaddr', text, 'Multicast addresses are 224.0.0.0 to 239.255.255.255 and ff00::/8');
  }
  if (link.bindAddress !== null && familyOf(link.bindAddress) !== familyOf(link.multicastAddress)) {
    const text = `Multicast address family does not match bind address family for ${name}`;
    throw fail('mcastaddr', text, 'Use addresses of one family');
  }
}
