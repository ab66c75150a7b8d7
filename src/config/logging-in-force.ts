import { Icmap } from './icmap/index.ts';
import { type LoggingConfig, loggingChecks, readLogging, subsystemNames } from './logging-config.ts';

/** A value of section `logging` that cannot be used. */
export interface LoggingMistake {
  readonly key: string;
  readonly value: string;
  /** Stock's words for it. */
  readonly text: string;
}

/**
 * The `logging` section of a running daemon. Stock stops reading at the first wrong value of a reload or a client, without a word: what stands
 * before it, in its own order, acts, the wrong option and those after it stay as they were. This does the same, and logs it.
 */
export class LoggingInForce {
  /** The values that act. */
  private acting: Icmap | null = null;

  /** Takes over the live map. */
  follow(live: Icmap): { readonly config: LoggingConfig; readonly mistake: LoggingMistake | null } {
    const former = this.acting ?? new Icmap();
    const acting = new Icmap();
    let mistake: LoggingMistake | null = null;
    for (const { key, check } of loggingChecks(live)) {
      const value = live.getString(key);
      const text = value === null ? null : (check?.(value) ?? null);
      if (value !== null && text !== null) mistake ??= { key, value, text };
      copy(mistake === null ? live : former, acting, key);
    }
    if (mistake !== null) {
      for (const name of subsystemNames(former)) {
        const prefix = `logging.logger_subsys.${name}.`;
        if (acting.has(`${prefix}subsys`)) continue;
        for (const { key } of former.entries(prefix)) copy(former, acting, key);
      }
    }
    copy(live, acting, 'logging.format'); // ours
    this.acting = acting;
    return { config: readLogging(acting), mistake };
  }
}

function copy(from: Icmap, to: Icmap, key: string): void {
  const value = from.getString(key);
  if (value !== null) to.setString(key, value);
}
