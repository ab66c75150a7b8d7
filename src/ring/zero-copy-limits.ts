/** Bounds on zero-copy buffers. Each is one descriptor of the daemon; stock's are mappings, of which it has 65,530 for everything. */
export const ZERO_COPY_LIMITS = {
  /** All together: this share of the daemon's descriptors, and no more than that many. */
  descriptorShare: 1 / 4,
  regionsMax: 65_536,
  /** Of these, all users but root together, and one of them. Stock serves 2,000 of a client: so does this, from 16,000 descriptors on. */
  unprivilegedShare: 3 / 4,
  userShare: 1 / 2,
} as const;

/** Counts buffers by user and in all. */
export class ZeroCopyBudget {
  private readonly users = new Map<number, number>();
  private total = 0;
  private unprivileged = 0;

  /** `regionsMax`: in all. */
  constructor(readonly regionsMax: number) {}

  static ofDescriptors(descriptors: number): ZeroCopyBudget {
    const { descriptorShare, regionsMax } = ZERO_COPY_LIMITS;
    return new ZeroCopyBudget(Math.min(regionsMax, Math.floor(descriptors * descriptorShare)));
  }

  /** One more; `false`: there are enough. */
  take(uid: number): boolean {
    const used = this.users.get(uid) ?? 0;
    if (this.total >= this.regionsMax) return false;
    if (uid !== 0 && this.unprivileged >= this.regionsMax * ZERO_COPY_LIMITS.unprivilegedShare) return false;
    if (uid !== 0 && used >= this.regionsMax * ZERO_COPY_LIMITS.userShare) return false;
    this.users.set(uid, used + 1);
    this.total++;
    if (uid !== 0) this.unprivileged++;
    return true;
  }

  give(uid: number): void {
    const left = (this.users.get(uid) ?? 0) - 1;
    if (left > 0) this.users.set(uid, left);
    else this.users.delete(uid);
    this.total--;
    if (uid !== 0) this.unprivileged--;
  }
}
