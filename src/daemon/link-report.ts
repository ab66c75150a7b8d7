import type { TotemConfig } from '../config/totem-config.ts';
import type { NodeReport, RingLinkReport } from '../services/cfg/ports.ts';
import type { CfgLinkStatus } from '../services/codec/cfg.ts';
import type { LinkStatus } from '../transport/transport.ts';

/**
 * What cfg reports of links and nodes, out of what the transport reports (services.md 8.3). Each transport has its own story,
 * reported as stock reports it.
 */
export function ringLinkReports(config: TotemConfig, links: readonly LinkStatus[]): RingLinkReport[] {
  return links.map((link) => ({
    name: `${link.linkId} ${link.localAddress}`,
    status: config.transport === 'knet' ? knetStatus(config, link) : 'OK',
  }));
}

/** One character a node, ascending ids: `n` this node, `d` no such link, else enabled + 2 · connected. */
function knetStatus(config: TotemConfig, link: LinkStatus): string {
  return [...config.members]
    .sort((a, b) => a.nodeId - b.nodeId)
    .map(({ nodeId }) => {
      if (nodeId === config.nodeId) return 'n';
      const peer = link.peers.find((candidate) => candidate.nodeId === nodeId);
      return peer === undefined ? 'd' : String((peer.enabled ? 1 : 0) + (peer.connected ? 2 : 0));
    })
    .join('');
}

/** `null`: the transport does not know the node (knet only; udp and udpu report any id). */
export function nodeReport(
  config: TotemConfig,
  links: readonly LinkStatus[],
  members: readonly number[],
  nodeId: number,
): NodeReport | null {
  if (config.transport !== 'knet') return datagramReport(config, members, nodeId);
  const own = nodeId === config.nodeId;
  const records: CfgLinkStatus[] = [];
  for (const link of own ? links.slice(0, 1) : links) {
    const peer = link.peers.find((candidate) => candidate.nodeId === nodeId);
    if (peer === undefined) continue;
    records[own ? 0 : link.linkId] = {
      enabled: peer.enabled ? 1 : 0,
      connected: peer.connected ? 1 : 0,
      dynconnected: 0, // links with a peer address that is not configured: there are none
      mtu: peer.mtu,
      source: own ? peer.address : link.localAddress,
      destination: peer.address,
    };
  }
  if (records.length === 0) return null;
  const filled = Array.from(records, (record) => record ?? NO_LINK);
  return { ...PLAIN, reachable: filled.some(({ connected }) => connected !== 0), links: filled };
}

function datagramReport(config: TotemConfig, members: readonly number[], nodeId: number): NodeReport {
  const address = config.members.find((member) => member.nodeId === nodeId)?.addresses[0] ?? null;
  const reachable = members.includes(nodeId);
  if (address === null && !reachable) return { ...PLAIN, reachable: false, links: [] };
  const link = {
    ...NO_LINK,
    enabled: 1,
    connected: reachable ? 1 : 0,
    mtu: config.netMtu - FRAME_OVERHEAD_BYTES,
    source: address ?? '',
  };
  return { ...PLAIN, reachable, links: [link] };
}

/** Totem's MTU is the network's less this (totem.md 2.2). */
const FRAME_OVERHEAD_BYTES = 90;
const PLAIN = { remote: false, external: false, onwireMin: 0, onwireMax: 0, onwireVersion: 0 } as const;
const NO_LINK: CfgLinkStatus = { enabled: 0, connected: 0, dynconnected: 0, mtu: 0, source: '', destination: '' };
