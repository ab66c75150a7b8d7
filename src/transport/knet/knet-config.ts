import type { LinkConfig, TotemConfig } from '../../config/totem-config.ts';
import { compressionMethod } from '../../knet/compression.ts';
import type { KnetConfig, KnetHostConfig, KnetLinkConfig } from '../../knet/config.ts';
import { KNET } from '../../knet/constants.ts';
import { parseIp } from '../../os/sockaddr.ts';
import { addressWords } from './knet-addresses.ts';

/** The core's configuration from the daemon's. Addresses that did not resolve, or of the wrong family, are left out. */
export function knetConfig(config: TotemConfig): KnetConfig {
  const hosts: KnetHostConfig[] = [];
  for (const { nodeId, addresses } of config.members) {
    if (nodeId === config.nodeId || nodeId < 1 || nodeId > KNET.hostIdMax) continue;
    const links: KnetLinkConfig[] = [];
    for (const link of config.links) {
      const address = addresses[link.linkId] ?? null;
      if (address !== null && isOfFamily(address, link.family)) links.push(linkConfig(link, address));
    }
    if (links.length > 0) hosts.push({ nodeId, links });
  }
  return {
    nodeId: config.nodeId,
    policy: config.linkPolicy,
    hosts,
    blockUnlistedIps: config.blockUnlistedIps,
    manualMtu: config.knetMtu,
    pmtudIntervalMs: config.knetPmtudIntervalSec * 1000,
    compression: {
      method: Math.max(0, compressionMethod(config.compression.model)),
      thresholdBytes: config.compression.thresholdBytes,
      level: config.compression.level,
    },
  };
}

function linkConfig(link: LinkConfig, address: string): KnetLinkConfig {
  return {
    linkId: link.linkId,
    remote: addressWords(address),
    // 0 acts as 1 for both (knet.md 3.3).
    priority: Math.max(1, link.knetPriority),
    pongCount: Math.max(1, link.knetPongCount),
    pingIntervalMs: Math.max(1, link.knetPingIntervalMs),
    pongTimeoutMs: Math.max(1, link.knetPingTimeoutMs),
    pingPrecision: Math.max(1, link.knetPingPrecision),
  };
}

function isOfFamily(address: string, family: 4 | 6): boolean {
  const bytes = parseIp(address);
  return bytes !== null && bytes.length === (family === 4 ? 4 : 16);
}
