/** Runs of the garbage collector on one thread. */
export interface Collections {
  readonly kind: 'minor' | 'major' | 'incremental' | 'weak_callbacks';
  readonly count: number;
  readonly seconds: number;
  /** The longest of them. */
  readonly longestSeconds: number;
}
