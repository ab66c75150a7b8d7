/**
 * The effective Totem configuration: validated, resolved, derived values filled in. The main thread makes it from
 * corosync.conf; the ring thread gets it as a plain object, at start and at every reload. All times in milliseconds.
 */
export type TransportName = 'udp' | 'udpu' | 'knet';
export type LinkPolicy = 'passive' | 'active' | 'rr';

/** Timers and parameters of the ring protocol (totem.md 3), defaults and derivations applied. */
export interface TotemTimings {
  readonly tokenMs: number;
  readonly tokenWarningPercent: number;
  readonly tokenRetransmitMs: number;
  readonly tokenRetransmitsBeforeLoss: number;
  readonly holdMs: number;
  readonly joinMs: number;
  readonly sendJoinMs: number;
  readonly consensusMs: number;
  readonly mergeMs: number;
  readonly downcheckMs: number;
  readonly failRecvConst: number;
  readonly seqnoUnchangedConst: number;
  readonly heartbeatFailuresAllowed: number;
  readonly maxNetworkDelayMs: number;
  readonly windowSize: number;
  readonly maxMessages: number;
  readonly missCountConst: number;
  readonly cancelTokenHoldOnRetransmit: boolean;
}

/** One of the up to eight links of this node (config-and-tools.md 1.5.2). */
export interface LinkConfig {
  readonly linkId: number;
  /** Numeric address that the socket is bound to. */
  readonly bindAddress: string;
  readonly family: 4 | 6;
  readonly port: number;
  /** udp only: group address, `255.255.255.255` with `broadcast: yes`. */
  readonly multicastAddress: string;
  readonly broadcast: boolean;
  readonly ttl: number;
  readonly knetPriority: number;
  readonly knetPingIntervalMs: number;
  readonly knetPingTimeoutMs: number;
  readonly knetPingPrecision: number;
  readonly knetPongCount: number;
}

export interface MemberConfig {
  readonly nodeId: number;
  readonly name: string;
  /** Index = link; `null` where the node has no address (or it did not resolve yet). Numeric. */
  readonly addresses: readonly (string | null)[];
}

export interface CryptoConfig {
  readonly model: string;
  readonly cipher: 'none' | 'aes128' | 'aes192' | 'aes256';
  readonly hash: 'none' | 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512';
  /** Tells keys apart (key-material.ts); empty when crypto is off. The key itself goes its own way, as bytes. */
  readonly keyFingerprint: string;
}

export interface TotemConfig {
  readonly nodeId: number;
  readonly clusterName: string;
  readonly transport: TransportName;
  readonly netMtu: number;
  /** Value of the DSCP field, 0..63. */
  readonly ipDscp: number;
  readonly linkPolicy: LinkPolicy;
  readonly blockUnlistedIps: boolean;
  readonly timings: TotemTimings;
  /** By how many nodes the token timeout grows (`token_coefficient`). */
  readonly tokenNodes: number;
  readonly links: readonly LinkConfig[];
  /** In node-list order, the local node included; nodes without any address are not here. */
  readonly members: readonly MemberConfig[];
  readonly crypto: CryptoConfig;
  readonly knetMtu: number;
  readonly knetPmtudIntervalSec: number;
  readonly compression: { readonly model: string; readonly thresholdBytes: number; readonly level: number };
}
