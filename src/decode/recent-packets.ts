import { createHash } from 'node:crypto';
import type { Datagram } from './datagrams.ts';

/** A capture of all interfaces has a packet once for each that it passes, one behind the other. */
const SAME_MS = 2;
const PACKETS_MAX = 4_096;

/** Knows packets that came just before. */
export class RecentPackets {
  private readonly seen = new Map<string, number>();

  knows({ timeMs, from, to, fromPort, toPort, payload }: Datagram): boolean {
    const key = `${from}:${fromPort}>${to}:${toPort} ${createHash('sha1').update(payload).digest('base64')}`;
    const before = this.seen.get(key);
    this.seen.delete(key);
    this.seen.set(key, timeMs);
    if (this.seen.size > PACKETS_MAX) {
      for (const oldest of this.seen.keys()) {
        this.seen.delete(oldest);
        break;
      }
    }
    return before !== undefined && timeMs - before <= SAME_MS;
  }
}
