import type { Icmap } from '../icmap/index.ts';
import { findOption } from '../options/index.ts';
import { KNET_TRANSPORTS, LINKS_MAX, PORT_DEFAULT, UDP_LINK } from '../options/knet.ts';
import type { TransportName } from '../totem-config.ts';
import { familyOf, familyPreference, generatedMulticast, isMulticast, resolveAddress } from './addresses.ts';
import type { TotemContext } from './context.ts';
import type { NodeEntry } from './nodelist.ts';
import { readSettings } from './settings.ts';

export const UNRESOLVED_HINT =
  'The name has no address in a family that ip_version allows; numeric addresses need no name server';
/** The number itself is no key of the map. */
const isLinkKey = (key: string): boolean =>
  (key !== 'linknumber' && findOption('totem.interface', key) !== undefined) || key.startsWith('member.');

const knetTransportOf = (map: Icmap, prefix: string) =>
  KNET_TRANSPORTS.find((name) => name === map.getString(`${prefix}knet_transport`));

/** Link numbers that stand in `totem.interface.N.…`. */
export function interfaceNumbers(context: TotemContext): number[] {
  const numbers = new Set<number>();
  for (const { key } of context.map.entries('totem.interface.')) {
    const match = /^totem\.interface\.(\d+)\.(.+)$/.exec(key);
    if (match === null) continue;
    const number = Number(match[1]);
    if (isLinkKey(match[2]!)) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}

export function linkNumberError(context: TotemContext, number: number, key: string) {
  const text = `interface ring number ${number} is bigger than allowed maximum ${LINKS_MAX - 1}`;
  return context.invalid('RONDO_CONFIG_LINK', text, { key, hint: `Links are numbered 0 to ${LINKS_MAX - 1}` });
}

/** What a link's block says, before defaults that need the token timeout. */
export interface InterfaceSettings {
  readonly linkId: number;
  /** Unresolved text; `null` when the local node has no address on the link. */
  readonly bindText: string | null;
  bindAddress: string | null;
  multicastAddress: string;
  readonly broadcast: boolean;
  /** 0: none was given and none could be taken. */
  readonly port: number;
  readonly ttl: number;
  /** As given: 0 acts as the default, and is not it. */
  readonly priorityGiven: number | null;
  readonly knetTransport: (typeof KNET_TRANSPORTS)[number];
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
  const families = familyPreference(context.map, transport);
  const all = new Set([...numbers, ...(self?.addresses.keys() ?? [])]);
  for (const number of [...all].sort((a, b) => a - b)) {
    const key = `totem.interface.${number}`;
    const bindKey = self?.addressKeys.get(number) ?? `${key}.bindnetaddr`;
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
      const error = context.error('RONDO_CONFIG_ADDRESS', `failed to parse mcast address '${multicast}'`, {
        key: `${key}.mcastaddr`,
        hint: 'Give a multicast address of the family of the link, e.g. 239.192.0.1',
      });
      context.refuseStart(error);
    }
    if (
      context.map.getString(`${key}.knet_transport`) !== null &&
      knetTransportOf(context.map, `${key}.`) === undefined
    ) {
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
 * switch it off. It means nothing to knet and udpu, but their ports depend on it, too.
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
): InterfaceSettings {
  const { map } = context;
  const prefix = `totem.interface.${linkId}.`;
  const { ttl } = readSettings(UDP_LINK, map, prefix);
  const broadcast = broadcasts(map, linkId);
  const bindText = local?.addresses.get(linkId) ?? null;
  // Stock's ports depend on broadcast whatever the transport, unless 0 is given.
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
    ttl,
    priorityGiven: map.getU8(`${prefix}knet_link_priority`),
    knetTransport: knetTransportOf(map, prefix) ?? 'udp',
    members: nodes.filter(({ addresses }) => addresses.has(linkId)),
  };
}

/** Group address of a link: broadcast, the one given, or the one made from the cluster's name; '' when there is none. */
export function multicastAddressOf(context: TotemContext, link: InterfaceSettings): string {
  if (link.broadcast) return '255.255.255.255';
  const given = context.map.getString(`totem.interface.${link.linkId}.mcastaddr`);
  if (given !== null) return given;
  const clusterName = context.map.getString('totem.cluster_name');
  if (clusterName === null || link.bindAddress === null) return '';
  return generatedMulticast(clusterName, link.linkId, familyOf(link.bindAddress));
}

/** The checks of one link, in stock's order (config-and-tools.md 1.8 step 8). */
export function checkLink(context: TotemContext, link: InterfaceSettings, transport: TransportName): void {
  const name = `interface ${link.linkId}`;
  const key = `totem.interface.${link.linkId}`;
  const fail = (option: string, text: string, hint: string) =>
    context.invalid('RONDO_CONFIG_LINK', text, { key: `${key}.${option}`, hint });
  if (transport === 'udp' && link.multicastAddress === '') {
    context.refuseStart(
      fail('mcastaddr', `No multicast address specified for ${name}`, 'Set mcastaddr or cluster_name'),
    );
  }
  if (link.port === 0) {
    const node = link.members[0];
    throw context.invalid('RONDO_CONFIG_LINK', `No multicast port specified for ${name}`, {
      key: node?.addressKeys.get(link.linkId) ?? key,
      hint: `Give the local node an address on link ${link.linkId} (ring${link.linkId}_addr)`,
    });
  }
  if (link.ttl !== 1 && transport !== 'udp') {
    context.refuseStart(fail('ttl', `Can only set ttl on multicast transport types for ${name}`, 'Remove ttl'));
  }
  if ((link.priorityGiven ?? 1) !== 1 && transport !== 'knet') {
    const text = `Can only set link priority on knet transport type for ${name}`;
    context.refuseStart(fail('knet_link_priority', text, 'Remove knet_link_priority'));
  }
  if (transport !== 'udp' || link.broadcast || link.multicastAddress === '') return;
  if (!isMulticast(link.multicastAddress)) {
    const text = `mcastaddr is not a correct multicast address for ${name}`;
    context.refuseStart(fail('mcastaddr', text, 'Multicast addresses are 224.0.0.0 to 239.255.255.255 and ff00::/8'));
  } else if (link.bindAddress !== null && familyOf(link.bindAddress) !== familyOf(link.multicastAddress)) {
    const text = `Multicast address family does not match bind address family for ${name}`;
    context.refuseStart(fail('mcastaddr', text, 'Use addresses of one family'));
  }
}
