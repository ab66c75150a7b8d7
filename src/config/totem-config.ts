import type { LinkPolicy } from '../lib/knet-facts.ts';
import type { COMPRESSION, FILTER, KNET_LINK, KNET_OPTIONS, LINK, UDP_LINK } from './options/knet.ts';
import type { Settings } from './options/option.ts';
import type { TIMING } from './options/timing.ts';
import type { GENERAL } from './options/totem.ts';

/**
 * The effective Totem configuration: validated, resolved, derived values filled in. The main thread makes it from
 * corosync.conf; the ring thread gets it as a plain object, at start and at every reload. All times in milliseconds.
 */
export type TransportName = 'udp' | 'udpu' | 'knet';

/** Timers and parameters of the ring protocol (totem.md 3), defaults and derivations applied. The rows are in options/timing.ts. */
export type TotemTimings = Omit<Settings<typeof TIMING>, 'tokenCoefficientMs'>;

export type KnetLinkSettings = Settings<typeof KNET_LINK>;

/** One of the up to eight links of this node (config-and-tools.md 1.5.2). */
export interface LinkConfig extends Settings<typeof LINK>, Settings<typeof UDP_LINK> {
  readonly linkId: number;
  /** Numeric address that the socket is bound to. */
  readonly bindAddress: string;
  readonly family: 4 | 6;
  readonly knet: KnetLinkSettings;
}

export interface MemberConfig {
  readonly nodeId: number;
  readonly name: string;
  /** Index = link; `null` where the node has no address (or it did not resolve yet). Numeric. */
  readonly addresses: readonly (string | null)[];
}

export interface CryptoConfig {
  readonly model: string;
  readonly cipher: 'none' | 'aes128' | 'aes192' | 'aes256' | 'aes128-ctr' | 'aes192-ctr' | 'aes256-ctr';
  readonly hash: 'none' | 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512';
  /** Tells keys apart (key-material.ts); empty when crypto is off. The key itself goes its own way, as bytes. */
  readonly keyFingerprint: string;
}

/** The parts that are made of options which act at run time, each of them one table of rows. */
export interface ActingParts {
  readonly timings: TotemTimings;
  readonly knet: Settings<typeof KNET_OPTIONS>;
  readonly compression: Settings<typeof COMPRESSION>;
  /** Which packets are taken. */
  readonly filter: Settings<typeof FILTER>;
}

export interface TotemConfig extends Settings<typeof GENERAL>, ActingParts {
  readonly nodeId: number;
  readonly transport: TransportName;
  readonly linkPolicy: LinkPolicy;
  /** By how many nodes the token timeout grows (`token_coefficient`). */
  readonly tokenNodes: number;
  readonly links: readonly LinkConfig[];
  /** In node-list order, the local node included; nodes without any address are not here. */
  readonly members: readonly MemberConfig[];
  readonly crypto: CryptoConfig;
}

/** The fields that a key which was set at run time has changed, with their new values, by part. */
export type TotemChanges = { readonly [P in keyof ActingParts]: Partial<ActingParts[P]> };
