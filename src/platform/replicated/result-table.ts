/** Lives that are no members, whose results are remembered; then the oldest are forgotten. */
const ABSENT_LIVES_MAX = 1024;

export type SavedResults<Result> = readonly (readonly [string, readonly (readonly [number, Result])[]])[];

/**
 * The results of the commands that their submitters may still wait for: part of the state, so that a member which was away when its command
 * was applied learns the result all the same. Bounded by what a life may have open, and by the number of absent lives.
 */
export class ResultTable<Result> {
  private lives = new Map<string, Map<number, Result>>();

  /** @param done Requests below are settled at their submitter. */
  note(life: string, request: number, done: number, result: Result): void {
    const results = this.lives.get(life) ?? new Map<number, Result>();
    for (const old of results.keys()) {
      if (old >= done) break; // a life's requests are applied in their order
      results.delete(old);
    }
    results.set(request, result);
    this.lives.set(life, results);
  }

  /** `null`: it is not known here. */
  find(life: string, request: number): { readonly result: Result } | null {
    const results = this.lives.get(life);
    return results?.has(request) === true ? { result: results.get(request)! } : null;
  }

  members(present: ReadonlySet<string>): void {
    const absent = [...this.lives.keys()].filter((life) => !present.has(life));
    for (const life of absent.slice(0, Math.max(0, absent.length - ABSENT_LIVES_MAX))) this.lives.delete(life);
  }

  save(): SavedResults<Result> {
    return [...this.lives].map(([life, results]) => [life, [...results]]);
  }

  load(saved: SavedResults<Result>): void {
    this.lives = new Map(saved.map(([life, results]) => [life, new Map(results)]));
  }
}
