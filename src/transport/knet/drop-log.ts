import { type DropReason, dropIsNoisy, dropName } from '../../knet/drops.ts';

const PERIOD_MS = 30_000;
const ENTRIES_MAX = 256;

interface Entry {
  loggedMs: number;
  suppressed: number;
}

/**
 * One line for a kind of trouble and a peer, then silence for half a minute: a node with a wrong key sends dozens of
 * packets a second. What was kept back is counted and told with the next line.
 */
export class DropLog {
  private readonly entries = new Map<string, Entry>();

  /** The line to log, or null. `peer` is the datagram's source address in text form. */
  line(reason: DropReason, peer: string, nodeId: number, length: number, nowMs: number): string | null {
    if (!dropIsNoisy(reason)) return null;
    const key = `${reason} ${peer}`;
    const entry = this.entries.get(key);
    if (entry !== undefined && nowMs - entry.loggedMs < PERIOD_MS) {
      entry.suppressed++;
      return null;
    }
    // Spoofed sources must make neither this nor the log grow: while all places are taken, strangers are not named.
    if (entry === undefined && this.entries.size >= ENTRIES_MAX && !this.makeRoom(nowMs)) return null;
    const more = entry !== undefined && entry.suppressed > 0 ? ` (and ${entry.suppressed} more like it before)` : '';
    this.entries.delete(key); // to the end: the table is in the order of the lines
    this.entries.set(key, { loggedMs: nowMs, suppressed: 0 });
    const claimed = nodeId === 0 ? '' : `, claiming host ${nodeId}`;
    return `rx: packet of ${length} bytes from ${peer} dropped: ${TEXT[dropName(reason)] ?? dropName(reason)}${claimed}${more}`;
  }

  /** Forgets the peers whose silence is over. The oldest is looked at first, so a full table costs next to nothing. */
  private makeRoom(nowMs: number): boolean {
    for (const [key, { loggedMs }] of this.entries) {
      if (nowMs - loggedMs < PERIOD_MS) break;
      this.entries.delete(key);
    }
    return this.entries.size < ENTRIES_MAX;
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
  truncated: 'truncated',
};
