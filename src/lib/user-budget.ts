/** Which share of a total others may have: all users but root together, and one of them. */
export interface BudgetShares {
  readonly unprivileged: number;
  readonly user: number;
}

/** Counts what users hold of something, by user and in all, so that no one takes what others need, nor all of them what root needs. */
export class UserBudget {
  private readonly users = new Map<number, number>();
  private total = 0;
  private unprivileged = 0;

  constructor(
    readonly max: number,
    private readonly shares: BudgetShares,
  ) {}

  /** `amount` more for that user; `false`: there would be too many. */
  take(uid: number, amount = 1): boolean {
    const used = this.users.get(uid) ?? 0;
    if (this.total + amount > this.max) return false;
    if (uid !== 0 && this.unprivileged + amount > this.max * this.shares.unprivileged) return false;
    if (uid !== 0 && used + amount > this.max * this.shares.user) return false;
    this.users.set(uid, used + amount);
    this.total += amount;
    if (uid !== 0) this.unprivileged += amount;
    return true;
  }

  give(uid: number, amount = 1): void {
    const left = (this.users.get(uid) ?? 0) - amount;
    if (left > 0) this.users.set(uid, left);
    else this.users.delete(uid);
    this.total -= amount;
    if (uid !== 0) this.unprivileged -= amount;
  }
}
