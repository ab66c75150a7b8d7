import type { LinkPolicy } from '../lib/knet-facts.ts';
import type { AddressWords } from './address.ts';
import type { HeartbeatSettings } from './heartbeat.ts';
import type { LinkSettings } from './link.ts';
import type { ReceiverSettings } from './receiver.ts';

/** One link towards one host (knet.md 3.3): where it goes, and what its users say that they need. */
export interface KnetLinkConfig extends LinkSettings {
  /** 0..7; both sides must number their links alike (knet.md 10, trap 5). */
  readonly linkId: number;
  readonly remote: AddressWords;
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
export interface KnetConfig extends HeartbeatSettings, ReceiverSettings {
  readonly nodeId: number;
  readonly policy: LinkPolicy;
  /** Without the own node. */
  readonly hosts: readonly KnetHostConfig[];
  readonly compression: KnetCompressionConfig;
}
