import type { AddressWords } from './address.ts';

export type LinkPolicy = 'passive' | 'active' | 'rr';

/** One link towards one host, timers derived and defaults applied (knet.md 3.3). */
export interface KnetLinkConfig {
  /** 0..7; both sides must number their links alike (knet.md 10, trap 5). */
  readonly linkId: number;
  readonly remote: AddressWords;
  /** 1..255; passive prefers the highest. */
  readonly priority: number;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  /** Samples after which the latency mean becomes an exponential one. */
  readonly pingPrecision: number;
  /** A link comes up with the PONG after this many (knet.md trap 4). */
  readonly pongCount: number;
}

export interface KnetHostConfig {
  readonly nodeId: number;
  readonly links: readonly KnetLinkConfig[];
}

export interface KnetCompressionConfig {
  /** Wire id of the model, 0 for none (knet.md 6). */
  readonly method: number;
  readonly thresholdBytes: number;
  readonly level: number;
}

/** The whole configuration of the core; a reload hands in a new one (knet.md 7.5). */
export interface KnetConfig {
  readonly nodeId: number;
  readonly policy: LinkPolicy;
  /** Without the own node. */
  readonly hosts: readonly KnetHostConfig[];
  /** Internal packets only from the claimed link's address (knet.md 3.6). DATA always is checked. */
  readonly blockUnlistedIps: boolean;
  /** Interface MTU; 0 discovers (knet.md 4.4). */
  readonly manualMtu: number;
  readonly pmtudIntervalMs: number;
  readonly compression: KnetCompressionConfig;
}
