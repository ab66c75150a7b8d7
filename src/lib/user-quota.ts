/** How much of something may be held: by one user, by all users together, and in all, so that the difference is left for the privileged. */
export interface QuotaLimits {
  readonly perUser: number;
  readonly users: number;
  readonly all: number;
}

/** Who takes. The privileged (root, and the user that the daemon runs as) are bound by the limit of all only. */
export interface QuotaUser {
  readonly uid: number;
  readonly privileged: boolean;
}

/** Counts what users hold of a resource, and refuses beyond the limits. */
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
  take({ uid, privileged }: QuotaUser, amount: number): void {
    this.heldByAll += amount;
    if (privileged) return;
    this.heldByUsers += amount;
    const sum = this.of(uid) + amount;
    if (sum === 0) this.held.delete(uid);
    else this.held.set(uid, sum);
  }

  give(user: QuotaUser, amount: number): void {
    this.take(user, -amount);
  }

  /** Held by a user that is not privileged. */
  of(uid: number): number {
    return this.held.get(uid) ?? 0;
  }

  get total(): number {
    return this.heldByAll;
  }
}
