import type { KnetCore } from '../../knet/core.ts';
import { type LinkKey, LinkStat } from '../../knet/stats.ts';
import type { SendTrouble } from './knet-sender.ts';

/** By `RunKind`. */
const ERROR_KEYS: readonly LinkKey[] = ['tx_data_errors', 'tx_ping_errors', 'tx_pong_errors', 'tx_pmtu_errors'];
const RETRY_KEYS: readonly LinkKey[] = ['tx_data_retries', 'tx_ping_retries', 'tx_pong_retries', 'tx_pmtu_retries'];

/** What refused sends mean for the core and its links, on the ring thread, whichever thread has sent. */
export class SendTroubles implements SendTrouble {
  constructor(
    private readonly core: KnetCore,
    /** Link indexes: links without a route are asked for a PONG after the send that found that. */
    private readonly suspects: number[],
    readonly pendingError: (fd: number) => void,
  ) {}

  tooBig(link: number): void {
    this.core.pathTooSmall(link);
  }

  unreachable(link: number): void {
    this.suspects.push(link);
  }

  failed(link: number, kind: number, packets: number): void {
    this.count(link, ERROR_KEYS, kind, packets);
  }

  retried(link: number, kind: number): void {
    this.count(link, RETRY_KEYS, kind, 1);
  }

  private count(link: number, keys: readonly LinkKey[], kind: number, amount: number): void {
    this.core.hosts.links[link]?.stats.add(LinkStat[keys[kind]!], amount);
  }
}
