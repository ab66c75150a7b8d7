import { Errno } from '../../os/errno.ts';
import { CLIENT_LIMITS, connectionsMaxHere, connectionWeight, isPrivileged } from './limits.ts';

/** Counts connections, by user and in all: so that no user can take what others need, nor all of them what root needs. */
export class Admission {
  private readonly perUserMax: number;
  private readonly unprivilegedMax: number;
  private readonly users = new Map<number, number>();
  private total = 0;

  constructor(
    private readonly connectionsMax: number = connectionsMaxHere(),
    private readonly privileged: (uid: number) => boolean = isPrivileged,
  ) {
    this.perUserMax = Math.max(1, Math.floor(connectionsMax * CLIENT_LIMITS.userShare));
    this.unprivilegedMax = connectionsMax - Math.max(1, Math.floor(connectionsMax * CLIENT_LIMITS.reservedShare));
  }

  /** One more connection of that user: 0, or the errno that the client gets, which is what libqb has without memory: ENOMEM. */
  take(uid: number, maxMessageBytes: number): number {
    const weight = connectionWeight(maxMessageBytes);
    const used = this.users.get(uid) ?? 0;
    const privileged = this.privileged(uid);
    if (this.total + weight > (privileged ? this.connectionsMax : this.unprivilegedMax)) return Errno.ENOMEM;
    if (!privileged && used + weight > this.perUserMax) return Errno.ENOMEM;
    this.users.set(uid, used + weight);
    this.total += weight;
    return 0;
  }

  /** That connection has ended, or did not come about. */
  give(uid: number, maxMessageBytes: number): void {
    const weight = connectionWeight(maxMessageBytes);
    const left = (this.users.get(uid) ?? 0) - weight;
    if (left > 0) this.users.set(uid, left);
    else this.users.delete(uid);
    this.total -= weight;
  }

  /** For the log: what the user has and may have. */
  describe(uid: number): string {
    const used = `${this.users.get(uid) ?? 0} connections of the user, ${this.total} in all`;
    return `${used}; at most ${this.perUserMax} and ${this.unprivilegedMax}, ${this.connectionsMax} with root's`;
  }
}
