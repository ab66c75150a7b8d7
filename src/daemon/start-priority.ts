import { readdirSync } from 'node:fs';
import { endInheritedRoundRobin } from '../os/schedule.ts';

/** Set by bin/rondod when it has given this process a real-time priority for the time of the start. */
const MARK = 'RONDO_STARTS_FIRST';
/** A start that waits for something else, such as an interface, is no start in a hurry. */
const START_MS_MAX = 15_000;

/** The priority for the time of the start (bin/launch.sh): it ends here. */
export class StartPriority {
  private hurries: boolean;
  private timer: NodeJS.Timeout | null = null;

  constructor(env: NodeJS.ProcessEnv) {
    this.hurries = env[MARK] === 'yes';
    delete env[MARK];
  }

  /** It ends by itself, too. */
  begin(): void {
    if (this.hurries) this.timer = setTimeout(() => this.end(), START_MS_MAX).unref();
  }

  /** Clients are served, or no real-time priority is wanted. Linux keeps the policy for each thread. */
  end(): void {
    if (!this.hurries) return;
    this.hurries = false;
    if (this.timer !== null) clearTimeout(this.timer);
    // A thread that has ended meanwhile needs nothing.
    for (const thread of readdirSync('/proc/self/task')) endInheritedRoundRobin(Number(thread));
  }
}
