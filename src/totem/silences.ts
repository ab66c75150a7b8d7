/** A report of another node that is older than this says nothing about now; each repeats its own several times meanwhile. */
const REPORT_VALID_MS = 500;

interface Report {
  readonly atMs: number;
  /** Node → since when, on this node's clock. */
  readonly sinceMs: ReadonlyMap<number, number>;
}

/** Which nodes are silent to whom: as this node's transport sees it, and as the other members of the ring report it. */
export class Silences {
  /** Node → since when. It outlives the ring: silence is the transport's matter. */
  private readonly own = new Map<number, number>();
  private readonly reports = new Map<number, Report>();
  /** When `own` changed last. */
  changedMs = Number.NEGATIVE_INFINITY;
  /** When this node reported last. */
  reportedAtMs = Number.NEGATIVE_INFINITY;
  /** Place in the list of members of the one that was asked last whether it lives. */
  watched = 0;

  set(node: number, sinceMs: number): void {
    this.own.set(node, sinceMs);
  }

  /** Returns whether it was silent. */
  clear(node: number): boolean {
    return this.own.delete(node);
  }

  get someone(): boolean {
    return this.own.size > 0;
  }

  get nodes(): Iterable<number> {
    return this.own.keys();
  }

  isSilent(node: number): boolean {
    return this.own.has(node);
  }

  /** How long `node` has been silent to this node, 0 if it is not. */
  silentMs(node: number, nowMs: number): number {
    const since = this.own.get(node);
    return since === undefined ? 0 : nowMs - since;
  }

  heard(from: number, silentMs: ReadonlyMap<number, number>, nowMs: number): void {
    const sinceMs = new Map([...silentMs].map(([node, ms]) => [node, nowMs - ms]));
    this.reports.set(from, { atMs: nowMs, sinceMs });
  }

  /** How long `node` has been silent to `by`, 0 if `by` has not said so lately. */
  reportedMs(by: number, node: number, nowMs: number): number {
    const report = this.reports.get(by);
    const since = report === undefined || nowMs - report.atMs > REPORT_VALID_MS ? undefined : report.sinceMs.get(node);
    return since === undefined ? 0 : nowMs - since;
  }

  /**
   * Whether `node` is silent to this node, or to one of `witnesses` by its last report, however old that is: changes are reported.
   */
  isUnheard(node: number, witnesses: readonly number[]): boolean {
    return this.own.has(node) || witnesses.some((by) => this.reports.get(by)?.sinceMs.has(node) === true);
  }

  /** What others said about the members of a ring ends with it. */
  endRing(): void {
    this.reports.clear();
  }
}
