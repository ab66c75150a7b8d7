/**
 * Decides which of many equal complaints are logged: the first, then none for a period, then one again, which reports how
 * many were kept back. The table is bounded: while it is full, strangers are not admitted at all.
 */
export class Repeats {
  /** In the order of the admissions. */
  private readonly entries = new Map<string, { readonly admittedMs: number; keptBack: number }>();

  constructor(
    private readonly periodMs: number,
    private readonly entriesMax = 256,
  ) {}

  /** How many with this key were kept back since the last one that was admitted; `null`: this one is kept back, too. */
  admit(key: string, nowMs: number): number | null {
    const entry = this.entries.get(key);
    if (entry !== undefined && nowMs - entry.admittedMs < this.periodMs) {
      entry.keptBack++;
      return null;
    }
    if (entry === undefined && this.entries.size >= this.entriesMax && !this.makeRoom(nowMs)) return null;
    this.entries.delete(key);
    this.entries.set(key, { admittedMs: nowMs, keptBack: 0 });
    return entry?.keptBack ?? 0;
  }

  /** Forgets those whose period is over. The oldest is looked at first, so a full table costs next to nothing. */
  private makeRoom(nowMs: number): boolean {
    for (const [key, { admittedMs }] of this.entries) {
      if (nowMs - admittedMs < this.periodMs) break;
      this.entries.delete(key);
    }
    return this.entries.size < this.entriesMax;
  }
}
