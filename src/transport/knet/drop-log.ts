import { dropIsNoisy, dropName, type KnetDropReason } from '../../knet/drops.ts';
import { counted } from '../../lib/counted.ts';
import { Repeats } from '../../lib/repeats.ts';

const PERIOD_MS = 30_000;
/** Drops that are looked at in a second: a look makes strings, and in a flood the ring needs the time. */
const LOOKS_PER_SECOND = 32;

/**
 * One line for a kind of trouble and a peer, then silence for half a minute: a node with a wrong key sends dozens of
 * packets a second. What was kept back is counted and reported with the next line. Spoofed sources make neither this nor the
 * log grow.
 */
export class DropLog {
  private readonly repeats = new Repeats(PERIOD_MS);

  private looksEndMs = 0;
  private looks = 0;

  /**
   * Whether a drop of this kind may be worth a line, before anything is done for one. Beyond some in a second the rest is only counted in the
   * statistics, not in "more like it".
   */
  worthALook(reason: KnetDropReason, nowMs: number): boolean {
    if (!dropIsNoisy(reason)) return false;
    if (nowMs >= this.looksEndMs) {
      this.looksEndMs = nowMs + 1_000;
      this.looks = 0;
    }
    return this.looks++ < LOOKS_PER_SECOND;
  }

  /** The line to log, or null. `peer` is the datagram's source address in text form. */
  line(reason: KnetDropReason, peer: string, nodeId: number, length: number, nowMs: number): string | null {
    const keptBack = this.repeats.admit(`${reason} ${peer}`, nowMs);
    if (keptBack === null) return null;
    const more = keptBack > 0 ? ` (and ${keptBack} more like it before)` : '';
    const claimed = nodeId === 0 ? '' : `, claiming host ${nodeId}`;
    return `rx: packet of ${counted(length, 'byte')} from ${peer} dropped: ${TEXT[dropName(reason)] ?? dropName(reason)}${claimed}${more}`;
  }
}

const TEXT: Readonly<Record<string, string>> = {
  short: 'too short for a knet packet',
  authentication: 'authentication failed (another key, cipher or hash, or no encryption)',
  padding: 'decryption failed',
  clear_refused: 'not encrypted',
  version: 'unknown version (encrypted by a node with other crypto settings?)',
  unknown_host: 'unknown host',
  own_id: "this node's own id",
  bad_link: 'unknown link',
  source_address: "not from the host's address",
  bad_length: 'bad length',
  bad_fragment: 'contradictory fragments',
  stale: 'an old message sent again',
  replayed_ping: 'an old ping sent again',
  too_long: 'message too long',
  compression_unknown: 'unknown compression',
  compression_corrupt: 'corrupt compressed data',
  compression_budget: "expanding its messages takes too long (another knet_compression_model than this node's?)",
  truncated: 'truncated',
};
