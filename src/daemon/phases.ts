/** A part of a life: begun in order, ended in the opposite order. */
export interface Phase {
  readonly name: string;
  /** May fail; `end` is called then, too, and copes with what is half there. */
  begin(): void | Promise<void>;
  end(): void | Promise<void>;
}

/**
 * The phases that were begun. However a life ends, what was begun is undone, last first, each phase once; a phase whose end fails
 * does not keep the others from theirs.
 */
export class Phases {
  private readonly begun: Phase[] = [];
  private ending: Promise<void> | null = null;

  constructor(private readonly endFailed: (name: string, error: unknown) => void) {}

  /** Begins a phase; rejects as it does. `false`: the end has begun meanwhile, or before, so that what comes next must not happen. */
  async begin(phase: Phase): Promise<boolean> {
    if (this.ending !== null) return false;
    this.begun.push(phase);
    await phase.begin();
    return this.ending === null;
  }

  /** Ends what was begun. Idempotent: everybody waits for the same end. */
  end(): Promise<void> {
    this.ending ??= this.endAll();
    return this.ending;
  }

  private async endAll(): Promise<void> {
    for (let phase = this.begun.pop(); phase !== undefined; phase = this.begun.pop()) {
      try {
        await phase.end();
      } catch (error) {
        this.endFailed(phase.name, error);
      }
    }
  }
}
