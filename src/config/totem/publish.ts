import type { Icmap } from '../icmap/index.ts';
import type { TotemConfig } from '../totem-config.ts';
import type { TotemReading } from './read-totem.ts';

/**
 * Keys that the daemon adds to those of the file (config-and-tools.md 2.1). The copy of the bind address is there at
 * start only: it goes away at the first reload, as in stock.
 */
export function publishTotem(map: Icmap, reading: TotemReading, atStart = true): void {
  const { totem, localNode, links, generatedNodeIds } = reading;
  map.setU32('nodelist.local_node_pos', localNode.index);
  for (const [index, nodeId] of generatedNodeIds) map.setU32(`nodelist.node.${index}.nodeid`, nodeId);
  for (const link of links) {
    const prefix = `totem.interface.${link.linkId}.`;
    if (atStart && link.bindText !== null) map.setString(`${prefix}bindnetaddr`, link.bindText);
    if (totem.transport !== 'udp') continue;
    // What the file says stays as it is, even where another value is in force (broadcast, port 0).
    if (!map.has(`${prefix}mcastaddr`)) map.setString(`${prefix}mcastaddr`, link.multicastAddress);
    if (!map.has(`${prefix}mcastport`)) map.setU16(`${prefix}mcastport`, link.port);
  }
  publishRuntimeTotem(map, totem);
}

/** `runtime.config.totem.…`: the values in force. Called again whenever they change. */
export function publishRuntimeTotem(map: Icmap, totem: TotemConfig): void {
  const { timings } = totem;
  const numbers: Readonly<Record<string, number>> = {
    block_unlisted_ips: totem.blockUnlistedIps ? 1 : 0,
    cancel_token_hold_on_retransmit: timings.cancelTokenHoldOnRetransmit ? 1 : 0,
    consensus: timings.consensusMs,
    downcheck: timings.downcheckMs,
    fail_recv_const: timings.failRecvConst,
    heartbeat_failures_allowed: timings.heartbeatFailuresAllowed,
    hold: timings.holdMs,
    join: timings.joinMs,
    knet_compression_threshold: totem.compression.thresholdBytes,
    knet_mtu: totem.knetMtu,
    knet_pmtud_interval: totem.knetPmtudIntervalSec,
    max_messages: timings.maxMessages,
    max_network_delay: timings.maxNetworkDelayMs,
    merge: timings.mergeMs,
    miss_count_const: timings.missCountConst,
    send_join: timings.sendJoinMs,
    seqno_unchanged_const: timings.seqnoUnchangedConst,
    token: timings.tokenMs,
    token_retransmit: timings.tokenRetransmitMs,
    token_retransmits_before_loss_const: timings.tokenRetransmitsBeforeLoss,
    token_warning: timings.tokenWarningPercent,
    window_size: timings.windowSize,
  };
  for (const [key, value] of Object.entries(numbers)) map.setU32(`runtime.config.totem.${key}`, value);
  map.setI32('runtime.config.totem.knet_compression_level', totem.compression.level);
  map.setString('runtime.config.totem.knet_compression_model', totem.compression.model);
  for (const link of totem.links) {
    const prefix = `runtime.config.totem.interface.${link.linkId}.`;
    map.setU32(`${prefix}knet_ping_interval`, link.knetPingIntervalMs);
    map.setU32(`${prefix}knet_ping_timeout`, link.knetPingTimeoutMs);
  }
}
