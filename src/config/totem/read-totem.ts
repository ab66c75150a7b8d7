import type { LinkPolicy } from '../../lib/knet-facts.ts';
import { LINKS_MAX } from '../options/knet.ts';
import { GENERAL, LINK_MODES, TOTEM_VERSION, TRANSPORTS } from '../options/totem.ts';
import type { KnetLinkSettings, LinkConfig, MemberConfig, TotemConfig, TransportName } from '../totem-config.ts';
import { readActingParts, readKnetLink } from './acting.ts';
import { familyOf } from './addresses.ts';
import { checkDuplicateIds, checkMultiLink } from './check-nodes.ts';
import { followsNext } from './compatibility.ts';
import type { TotemContext } from './context.ts';
import { readCrypto } from './crypto.ts';
import {
  checkInterfaceBlocks,
  checkLink,
  type InterfaceSettings,
  interfaceNumbers,
  linkNumberError,
  linkSettings,
  multicastAddressOf,
} from './links.ts';
import { findLocalNode, type NodeEntry, readNodelist } from './nodelist.ts';
import { type Resolution, resolveNodes, type TotemReadOptions, type UnresolvedAddress } from './resolve-nodes.ts';
import { readSettings, readText } from './settings.ts';
import { checkTimings } from './timings.ts';

const LINK_MODE_BYTES_MAX = 63;

export interface TotemReading {
  readonly totem: TotemConfig;
  readonly localNode: NodeEntry;
  readonly nodes: readonly NodeEntry[];
  readonly links: readonly InterfaceSettings[];
  /** Node ids that udp and udpu made from addresses, by position in the list. */
  readonly generatedNodeIds: ReadonlyMap<number, number>;
  readonly unresolved: readonly UnresolvedAddress[];
}

/**
 * Makes the effective Totem configuration from a filled map, with stock's checks in stock's order
 * (config-and-tools.md 1.8 steps 4 to 11). Throws the first ConfigError; warnings collect in the context.
 */
export async function readTotem(context: TotemContext, options: TotemReadOptions): Promise<TotemReading> {
  const { map } = context;
  const transport = readTransport(context);
  const crypto = await readCrypto(context);
  const linkMode = readLinkMode(context);
  const nodes = readNodelist(map);
  const local = await findLocalNode(context, nodes, transport);
  const self = local ?? nodes.at(-1) ?? null;
  const numbers = interfaceNumbers(context);
  await checkInterfaceBlocks(context, numbers, transport, self);
  const linkIds = allLinkIds(context, numbers, nodes);
  const links = linkIds.map((linkId) => linkSettings(context, linkId, nodes, local));
  const resolution = await resolveNodes(context, nodes, self, transport, options);
  for (const link of links) {
    link.bindAddress = local === null ? null : (resolution.addresses.get(local.index)?.[link.linkId] ?? null);
    link.multicastAddress = transport === 'udp' ? multicastAddressOf(context, link) : '';
  }
  warnDeprecated(context, numbers, nodes);

  if (links.length === 0) {
    throw context.invalid('RONDO_CONFIG_LINK', 'No interfaces defined', {
      hint: 'Add a nodelist with ring0_addr for every node',
    });
  }
  if (local === null) throw noLocalNode(context);
  for (const link of links) checkLink(context, link, transport);
  if (map.getU32('totem.version') !== TOTEM_VERSION) {
    const text = 'This totem parser can only parse version 2 configurations.';
    throw context.invalid('RONDO_CONFIG_TOTEM', text, {
      key: 'totem.version',
      hint: 'Write version: 2 in section totem',
    });
  }
  const firstLink = links.find(({ linkId }) => linkId === 0)?.members ?? [];
  const tokenNodes = tokenNodeCount(firstLink, resolution.generatedNodeIds);
  const parts = readActingParts(map, tokenNodes);
  const problem = checkTimings(map, parts.timings);
  if (problem !== null) {
    throw context.invalid('RONDO_CONFIG_TIMING', problem.text, { key: problem.key, hint: problem.hint });
  }
  checkMultiLink(context, nodes, links, resolution.addresses);
  checkDuplicateIds(context, resolution);
  const linkPolicy = checkLinkMode(context, linkMode);
  if (transport !== 'knet') checkPlainTransport(context, links, crypto);

  const { generatedNodeIds, unresolved } = resolution;
  const totem: TotemConfig = {
    ...readSettings(GENERAL, map, 'totem.', { transport }),
    ...parts,
    nodeId: resolution.nodeIds.get(local.index) ?? 0,
    transport,
    linkPolicy,
    tokenNodes,
    links: links
      .filter(({ bindAddress }) => bindAddress !== null)
      .map((link) => toLinkConfig(link, readKnetLink(map, link.linkId, parts.timings.tokenMs))),
    members: toMembers(nodes, resolution),
    crypto,
  };
  return { totem, localNode: local, nodes, links, generatedNodeIds, unresolved };
}

/**
 * The number of nodes by which the token timeout grows: those with an address on link 0. Stock counts a node twice whose
 * id it made itself, when its address is all that the file says of it, and all nodes of a ring should have the same
 * timeouts.
 */
function tokenNodeCount(nodes: readonly NodeEntry[], generated: ReadonlyMap<number, number>): number {
  return nodes.length + nodes.filter(({ index, isBareAddress }) => isBareAddress && generated.has(index)).length;
}

function readTransport(context: TotemContext): TransportName {
  const text = readText(context.map, 'totem', 'transport');
  const transport = TRANSPORTS.find((name) => name === text);
  const isNext = followsNext(context.map);
  if (transport !== undefined && (!isNext || transport === 'knet')) return transport;
  const names = isNext ? 'knet' : 'udpu, udp or knet';
  throw context.error('RONDO_CONFIG_TOTEM', `Invalid transport type. Should be ${names}`, {
    key: 'totem.transport',
    hint: isNext ? 'Write knet, or system.compatibility: 3.1' : 'Write knet, udpu or udp',
  });
}

function readLinkMode(context: TotemContext): string {
  const linkMode = readText(context.map, 'totem', 'link_mode');
  if (linkMode.length <= LINK_MODE_BYTES_MAX) return linkMode;
  const hint = 'Write passive, active or rr';
  context.refuseStart(
    context.error('RONDO_CONFIG_TOTEM', 'totem.link_mode is too long', { key: 'totem.link_mode', hint }),
  );
  return 'passive'; // a reload keeps the one in force
}

function checkLinkMode(context: TotemContext, linkMode: string): LinkPolicy {
  const policy = LINK_MODES.find((mode) => mode === linkMode);
  if (policy !== undefined) return policy;
  const text = `The Knet link mode "${linkMode}" specified is invalid.  It must be active, passive or rr.`;
  const hint = 'Write passive, active or rr';
  context.refuseStart(context.invalid('RONDO_CONFIG_TOTEM', text, { key: 'totem.link_mode', hint }));
  return 'passive'; // a reload keeps the one in force
}

function noLocalNode(context: TotemContext) {
  return context.invalid('RONDO_CONFIG_NODELIST', 'No valid name found for local host', {
    key: 'nodelist.node.0.ring0_addr',
    hint: `No node of the nodelist is this machine: ${context.environment.hostname()} is none of the names, and none of the addresses is on a local interface`,
  });
}

/** Links of interface blocks and of every address in the node list. */
function allLinkIds(context: TotemContext, numbers: readonly number[], nodes: readonly NodeEntry[]): number[] {
  const linkIds = new Set(numbers);
  for (const node of nodes) {
    for (const [linkId, key] of node.addressKeys) {
      if (linkId >= LINKS_MAX) throw linkNumberError(context, linkId, key);
      linkIds.add(linkId);
    }
  }
  return [...linkIds].sort((a, b) => a - b);
}

/** Deprecations that stock warns of (config-and-tools.md 1.8 step 7). */
function warnDeprecated(context: TotemContext, numbers: readonly number[], nodes: readonly NodeEntry[]): void {
  const { map } = context;
  const migrate = (): void => context.warn('migrate', 'Please migrate config file to nodelist.', undefined, '');
  const memberKey = [...map.keysWithPrefix('totem.interface.')].find((key) => /\.member\.\d+$/.test(key));
  const bindKey = numbers.map((number) => `totem.interface.${number}.bindnetaddr`).find((key) => map.has(key));
  if (memberKey !== undefined) {
    const text =
      nodes.length > 0
        ? 'member section is used together with nodelist. Members ignored.'
        : 'member section is deprecated.';
    context.warn('deprecated', text, memberKey, 'Remove the member blocks');
  }
  if (nodes.length > 0 && bindKey !== undefined) {
    const text = 'interface section bindnetaddr is used together with nodelist. Nodelist one is going to be used.';
    context.warn('deprecated', text, bindKey, 'Remove bindnetaddr');
  }
  if (map.has('totem.nodeid')) {
    const text =
      'nodeid in totem section is deprecated and ignored. Nodelist (or autogenerated) nodeid is going to be used.';
    context.warn('deprecated', text, 'totem.nodeid', 'Remove it');
  }
  if (context.warnings.some(({ code }) => code === 'deprecated')) migrate();
}

function checkPlainTransport(
  context: TotemContext,
  links: readonly InterfaceSettings[],
  crypto: TotemConfig['crypto'],
): void {
  if (links.length > 1) {
    const text = `${links.length} is too many configured interfaces for non-Knet transport.`;
    throw context.invalid('RONDO_CONFIG_LINK', text, { key: 'totem.transport', hint: 'Use knet, or one link' });
  }
  if (crypto.cipher !== 'none' || crypto.hash !== 'none') {
    const text = 'crypto_cipher & crypto_hash are only valid for the Knet transport.';
    throw context.invalid('RONDO_CONFIG_CRYPTO', text, { key: 'totem.transport', hint: 'Use knet, or no crypto' });
  }
}

function toLinkConfig(link: InterfaceSettings, knet: KnetLinkSettings): LinkConfig {
  return {
    linkId: link.linkId,
    bindAddress: link.bindAddress ?? '',
    family: familyOf(link.bindAddress ?? ''),
    port: link.port,
    multicastAddress: link.multicastAddress,
    broadcast: link.broadcast,
    ttl: link.ttl,
    knet,
  };
}

function toMembers(nodes: readonly NodeEntry[], { nodeIds, addresses }: Resolution): MemberConfig[] {
  return nodes
    .filter((node) => node.addresses.size > 0 && nodeIds.has(node.index))
    .map((node) => ({
      nodeId: nodeIds.get(node.index)!,
      name: node.name ?? '',
      addresses: addresses.get(node.index)!.slice(0, Math.max(...node.addresses.keys()) + 1),
    }));
}
