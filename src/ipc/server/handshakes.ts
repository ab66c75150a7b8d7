import { CLIENT_LIMITS, isPrivileged } from './limits.ts';
import { UserTurns } from './user-turns.ts';

/** A client that has connected and not asked yet. */
export interface SilentClient {
  readonly uid: number;
  readonly sinceMs: number;
  drop(reason: string): void;
}

/** Work on handshakes in one turn of the loop, before other clients have theirs. */
const TURN_MS = 4;
/** Users whose waste is counted; with more of them the counting begins anew. */
const WASTERS_MAX = 1024;

interface Waste {
  left: number;
  atMs: number;
}

/**
 * Handshakes of all services, so that a user who floods them delays himself: what costs something is done in turns of the users, root's at
 * once; who sends nothing, and whose requests wait, are counted by user.
 */
export class Handshakes {
  private readonly silent = new Map<number, Set<SilentClient>>();
  private silentTotal = 0;
  private readonly turns = new UserTurns(TURN_MS);
  private readonly wasters = new Map<number, Waste>();
  private silentTimer: NodeJS.Timeout | null = null;
  private closed = false;

  constructor(private readonly privileged: (uid: number) => boolean = isPrivileged) {}

  /** Keeps a silent client for a while; the oldest of those who have too many has to go. */
  keep(client: SilentClient): void {
    const clients = this.silent.get(client.uid) ?? new Set();
    this.silent.set(client.uid, clients.add(client));
    this.silentTotal++;
    if (clients.size > CLIENT_LIMITS.silentPerUserMax) oldest(clients)?.drop('tooManyPending');
    else if (this.silentTotal > CLIENT_LIMITS.silentMax) oldest(this.mostSilent())?.drop('tooManyPending');
    this.startTimer();
  }

  /** It has asked, or is gone. */
  forget(client: SilentClient): void {
    const clients = this.silent.get(client.uid);
    if (clients?.delete(client) !== true) return;
    this.silentTotal--;
    if (clients.size === 0) this.silent.delete(client.uid);
  }

  /** Runs a handshake in its user's turn; `false`: too many of the user's wait already. */
  enqueue(uid: number, handshake: () => void): boolean {
    if (this.privileged(uid)) {
      handshake();
      return true;
    }
    if (this.turns.waitingOf(uid) >= CLIENT_LIMITS.waitingPerUserMax) return false;
    this.turns.add(uid, handshake);
    return true;
  }

  /** A client of this user had no right, or did not wait for what it had asked for. */
  countWaste(uid: number): void {
    const entry = this.wasteOf(uid);
    entry.left -= 1;
    if (this.wasters.size >= WASTERS_MAX) this.wasters.clear();
    this.wasters.set(uid, entry);
  }

  /** So much of it that it is not worth a look what the next one wants. */
  isTiresome(uid: number): boolean {
    return this.wasters.has(uid) && !this.privileged(uid) && this.wasteOf(uid).left < 1;
  }

  close(): void {
    this.closed = true;
    if (this.silentTimer !== null) clearTimeout(this.silentTimer);
    this.turns.finish();
  }

  private wasteOf(uid: number): Waste {
    const nowMs = performance.now();
    const entry = this.wasters.get(uid) ?? { left: CLIENT_LIMITS.wasteAtOnce, atMs: nowMs };
    const earned = ((nowMs - entry.atMs) * CLIENT_LIMITS.wastePerSecond) / 1000;
    entry.left = Math.min(CLIENT_LIMITS.wasteAtOnce, entry.left + earned);
    entry.atMs = nowMs;
    return entry;
  }

  private mostSilent(): Set<SilentClient> {
    let most = new Set<SilentClient>();
    for (const clients of this.silent.values()) if (clients.size > most.size) most = clients;
    return most;
  }

  private startTimer(): void {
    if (this.silentTimer !== null || this.silentTotal === 0 || this.closed) return;
    this.silentTimer = setTimeout(() => {
      this.silentTimer = null;
      const limit = performance.now() - CLIENT_LIMITS.silentMs;
      for (const clients of this.silent.values())
        for (const client of clients) if (client.sinceMs <= limit) client.drop('silent');
      this.startTimer();
    }, CLIENT_LIMITS.silentMs);
    this.silentTimer.unref();
  }
}

function oldest(clients: Set<SilentClient>): SilentClient | undefined {
  const [first] = clients;
  return first;
}
