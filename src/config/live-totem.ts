import type { Icmap } from './icmap/index.ts';
import { checkTimings, deriveTimings, type TimingProblem } from './totem/timings.ts';
import type { LinkConfig, TotemConfig } from './totem-config.ts';

export type LiveResult =
  | { readonly ok: true; readonly totem: TotemConfig; readonly changed: boolean }
  /** `stockMessage` is what stock logs; unlike stock the value is not used (config-and-tools.md 8.1 T6). */
  | { readonly ok: false; readonly problem: TimingProblem; readonly stockMessage: string };

/**
 * The ring's configuration after somebody changed `totem.` keys in the live map (config-and-tools.md 1.11): timings,
 * link priorities and ping timers, knet's tunables. Addresses, links, nodes and crypto need a reload.
 */
export function recomputeTotem(current: TotemConfig, map: Icmap): LiveResult {
  const timings = deriveTimings(map, current.tokenNodes);
  const problem = checkTimings(map, timings);
  if (problem !== null) return { ok: false, problem, stockMessage: `parse error in config: ${problem.text}` };
  const totem: TotemConfig = {
    ...current,
    timings,
    blockUnlistedIps: map.getString('totem.block_unlisted_ips') !== 'no',
    knetMtu: map.getU32('totem.knet_mtu') ?? 0,
    knetPmtudIntervalSec: map.getU32('totem.knet_pmtud_interval') || 30,
    compression: {
      model: map.getString('totem.knet_compression_model') ?? 'none',
      thresholdBytes: map.getU32('totem.knet_compression_threshold') ?? 0,
      level: map.getI32('totem.knet_compression_level') ?? 0,
    },
    links: current.links.map((link) => recomputeLink(link, map, timings.tokenMs)),
  };
  return { ok: true, totem, changed: JSON.stringify(totem) !== JSON.stringify(current) };
}

function recomputeLink(link: LinkConfig, map: Icmap, tokenMs: number): LinkConfig {
  const prefix = `totem.interface.${link.linkId}.`;
  const knetPongCount = map.getU32(`${prefix}knet_pong_count`) || 2;
  const intervalMs = map.getU32(`${prefix}knet_ping_interval`) || Math.trunc(tokenMs / (knetPongCount * 2));
  const timeoutMs = map.getU32(`${prefix}knet_ping_timeout`) || Math.trunc(tokenMs / knetPongCount);
  // libknet refuses timers of 0 (a huge pong count makes them) and keeps those in force.
  const refused = intervalMs === 0 || timeoutMs === 0;
  return {
    ...link,
    knetPriority: map.getU8(`${prefix}knet_link_priority`) || 1,
    knetPingIntervalMs: refused ? link.knetPingIntervalMs : intervalMs,
    knetPingTimeoutMs: refused ? link.knetPingTimeoutMs : timeoutMs,
    knetPingPrecision: map.getU32(`${prefix}knet_ping_precision`) || 2048,
    knetPongCount,
  };
}
