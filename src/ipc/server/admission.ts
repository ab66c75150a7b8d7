import { type QuotaUser, UserQuota } from '../../lib/user-quota.ts';
import { Errno } from '../../os/errno.ts';
import { CLIENT_LIMITS, connectionsMaxHere, connectionWeight, isPrivileged } from './limits.ts';

/** Counts connections, by user and in all: so that no user can take what others need, nor all of them what root needs. */
export class Admission {
  private readonly quota: UserQuota;

  constructor(
    connectionsMax: number = connectionsMaxHere(),
    private readonly privileged: (uid: number) => boolean = isPrivileged,
  ) {
    this.quota = new UserQuota({
      perUser: Math.max(1, Math.floor(connectionsMax * CLIENT_LIMITS.userShare)),
      users: connectionsMax - Math.max(1, Math.floor(connectionsMax * CLIENT_LIMITS.reservedShare)),
      all: connectionsMax,
    });
  }

  /** One more connection of that user: 0, or the errno that the client gets, which is what libqb has without memory: ENOMEM. */
  take(uid: number, maxMessageBytes: number): number {
    return this.quota.tryTake(this.user(uid), connectionWeight(maxMessageBytes)) ? 0 : Errno.ENOMEM;
  }

  /** That connection has ended, or did not come about. */
  give(uid: number, maxMessageBytes: number): void {
    this.quota.give(this.user(uid), connectionWeight(maxMessageBytes));
  }

  /** For the log: what the user has and may have. */
  describe(uid: number): string {
    const { perUser, users, all } = this.quota.limits;
    const used = `${this.quota.of(uid)} connections of the user, ${this.quota.total} in all`;
    return `${used}; at most ${perUser} and ${users}, ${all} with root's`;
  }

  private user(uid: number): QuotaUser {
    return { uid, privileged: this.privileged(uid) };
  }
}
