import type { CsStatus } from '../../lib/errors.ts';
import type { CfgLinkStatus } from '../codec/cfg.ts';

export type Awaitable<T> = T | Promise<T>;

/** One configured link of this node (services.md 8.3): name `0 10.0.0.1`, status `OK` or one digit a node. */
export interface RingLinkReport {
  readonly name: string;
  readonly status: string;
}

/** What the transport knows of a node. */
export interface NodeReport {
  readonly reachable: boolean;
  readonly remote: boolean;
  readonly external: boolean;
  readonly onwireMin: number;
  readonly onwireMax: number;
  readonly onwireVersion: number;
  /** Index = link number; at most eight. */
  readonly links: readonly CfgLinkStatus[];
}

export interface NodeAddresses {
  /** AF_INET 2 or AF_INET6 10. */
  readonly family: 2 | 10;
  /** Binary, network order: 4 or 16 bytes each. */
  readonly addresses: readonly Uint8Array[];
}

/** The first three phases of a reload on this node: parse, validate, plan. Nothing is changed. */
export interface Reloader {
  prepare(): Awaitable<PreparedReload>;
}
export type PreparedReload =
  | {
      readonly ok: false;
      readonly reason: string;
      /** The log of this node has it already, in stock's words. */
      readonly isLogged?: boolean;
    }
  | {
      readonly ok: true;
      /** Keys that differ but cannot change while the daemon runs; they were taken out of the plan. */
      readonly ignoredKeys: readonly string[];
      /** The fourth phase: the live map and the ring get the new configuration, as a whole. */
      apply(): Awaitable<AppliedReload>;
    };
/** Why a reload does not happen. */
export type Refusal = Pick<Extract<PreparedReload, { readonly ok: false }>, 'reason' | 'isLogged'>;

export interface AppliedReload {
  /** The crypto settings changed: the phases of services.md 8.5 follow. */
  readonly cryptoChanged: boolean;
  /** What did not work while links and nodes were applied; `null`: all did. */
  readonly errorMessage: string | null;
}

/** What cfg needs of the daemon. */
export interface CfgPorts {
  readonly reloader: Reloader;
  /** Asks the other nodes first; absent: each node for itself, as stock. */
  readonly agreement?: {
    readonly running: Promise<{
      mayReload(): Promise<Refusal | null>;
      takePrepared(requester: number): Awaitable<PreparedReload> | null;
    }>;
  };
  ringLinks(): Awaitable<readonly RingLinkReport[]>;
  /** `null`: the transport does not know the node. */
  nodeReport(nodeId: number): Awaitable<NodeReport | null>;
  nodeAddresses(nodeId: number): NodeAddresses | null;
  reopenLogs(): Awaitable<CsStatus>;
  /** The node was killed by another one: exit at once, status 255. */
  killed(): void;
  /** Orderly shutdown of this node. */
  shutdown(): void;
  /** What the ring brings to this node's engines from now on waits until the returned function is called. */
  holdRing(what: string): () => void;
  /** A reload is over, and its first crypto message has been multicast if it changes crypto. */
  reloadDone(): void;
}
