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
    ...config.knet,
    ...config.filter,
    nodeId: config.nodeId,
    policy: config.linkPolicy,
    hosts,
    compression: {
      method: Math.max(0, compressionMethod(config.compression.model)),
      thresholdBytes: config.compression.thresholdBytes,
      level: config.compression.level,
    },
  };
}

/** libknet's own timers, which stay in force when it refuses others: 0, made by a huge pong count. */
const PING_INTERVAL_MS = 1_000;
const PING_TIMEOUT_MS = 2_000;
/** Stock pings at most every 200 ms, whatever is asked for; we are a bit more generous. */
const PING_INTERVAL_MS_MIN = 20;
const PONG_COUNT_MAX = 255;

/** What is in the map, within the bounds of what works. */
function linkConfig({ linkId, knet }: LinkConfig, address: string): KnetLinkConfig {
  const refused = knet.pingIntervalMs === 0 || knet.pingTimeoutMs === 0;
  return {
    ...knet,
    linkId,
    remote: addressWords(address),
    // 0 acts as 1 for both (knet.md 3.3).
    priority: Math.max(1, knet.priority),
    pongCount: Math.min(PONG_COUNT_MAX, Math.max(1, knet.pongCount)),
    pingIntervalMs: refused ? PING_INTERVAL_MS : Math.max(PING_INTERVAL_MS_MIN, knet.pingIntervalMs),
    pingTimeoutMs: refused ? PING_TIMEOUT_MS : knet.pingTimeoutMs,
  };
}

function isOfFamily(address: string, family: 4 | 6): boolean {
  const bytes = parseIp(address);
  return bytes !== null && bytes.length === (family === 4 ? 4 : 16);
}
