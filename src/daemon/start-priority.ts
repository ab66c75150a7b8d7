import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Set by bin/rondod when it has raised the priority for the time of the start. */
const MARK = 'RONDO_STARTS_FIRST';
/** A start that waits for something else, such as an interface, is no start in a hurry. */
const START_MS_MAX = 15_000;

/** The priority for the time of the start (bin/launch.sh): whose threads have it, and the nice value that they have afterwards. */
export class StartPriority {
  private hurries: boolean;
  private nice = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(env: NodeJS.ProcessEnv) {
    this.hurries = env[MARK] === 'yes';
    delete env[MARK];
    if (!this.hurries) return;
    this.timer = setTimeout(() => this.end(), START_MS_MAX);
    this.timer.unref();
  }

  /** Takes a nice value for later. `false`: nothing was raised, it can be set at once. */
  setLater(nice: number): boolean {
    this.nice = nice;
    return this.hurries;
  }

  /** Clients are served. Linux keeps a nice value for each thread. */
  end(): void {
    if (!this.hurries) return;
    this.hurries = false;
    if (this.timer !== null) clearTimeout(this.timer);
    for (const thread of readdirSync('/proc/self/task')) {
      try {
        setPriority(Number(thread), this.nice);
      } catch {
        // It has ended meanwhile.
      }
    }
  }
}
