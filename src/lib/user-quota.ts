import { assert } from './assert.ts';

/** How much of something may be held: by one user, by all users together, and in all, so that the difference is left for the privileged. */
export interface QuotaLimits {
  readonly perUser: number;
  readonly users: number;
  readonly all: number;
}

/** The same as shares of all that there is. */
export interface QuotaShares {
  readonly user: number;
  readonly users: number;
}

export const quotaOf = (all: number, shares: QuotaShares): QuotaLimits => ({
  perUser: Math.floor(all * shares.user),
  users: Math.floor(all * shares.users),
  all,
});

/** Who takes. The privileged (root, and the user that the daemon runs as) are bound by the limit of all only. */
export interface QuotaUser {
  readonly uid: number;
  readonly privileged: boolean;
}

/**
 * Counts what users hold of a resource, by user and in all, and refuses beyond the limits: so that no one takes what others need, nor all
 * of them what root needs.
 */
export class UserQuota {
  private readonly held = new Map<number, number>();
  private heldByUsers = 0;
  private heldByAll = 0;

  constructor(readonly limits: QuotaLimits) {}

  /** Whether `amount` more would be within the limits. Nothing more (0 or less) always is. */
  allows({ uid, privileged }: QuotaUser, amount: number): boolean {
    if (amount <= 0) return true;
    const { perUser, users, all } = this.limits;
    if (this.heldByAll + amount > all) return false;
    return privileged || (this.heldByUsers + amount <= users && this.of(uid) + amount <= perUser);
  }

  /** Takes, whatever the limits say: after `allows`. */
  take({ uid, privileged }: QuotaUser, amount = 1): void {
    this.heldByAll += amount;
    if (!privileged) this.heldByUsers += amount;
    const sum = this.of(uid) + amount;
    assert(sum >= 0 && this.heldByUsers >= 0 && this.heldByAll >= sum, 'given back by who took it, once');
    if (sum === 0) this.held.delete(uid);
    else this.held.set(uid, sum);
  }

  /** `false`: it would be beyond the limits, and nothing was taken. */
  tryTake(user: QuotaUser, amount = 1): boolean {
    if (!this.allows(user, amount)) return false;
    this.take(user, amount);
    return true;
  }

  give(user: QuotaUser, amount = 1): void {
    this.take(user, -amount);
  }

  /** Held by one user. */
  of(uid: number): number {
    return this.held.get(uid) ?? 0;
  }

  get total(): number {
    return this.heldByAll;
  }
}
