import type { ConfigEnvironment } from '../environment.ts';
import { ConfigError, type ConfigErrorCode, type ConfigWarning, type Position } from '../errors.ts';
import type { Icmap } from '../icmap/index.ts';
import type { KeyMaterial } from '../key-material.ts';

/** What the steps from a filled map to a TotemConfig share. */
export class TotemContext {
  readonly warnings: ConfigWarning[] = [];
  /** Of the ring, when it has one. Whoever takes the result wipes it. */
  key: KeyMaterial | null = null;
  private readonly lookups = new Map<string, Promise<readonly string[]>>();
  private deadline: Promise<readonly string[]> | null = null;
  private timer: NodeJS.Timeout | undefined;

  /** `lookupMsMax` is for all look-ups together: they run at the same time, each name is asked for once. */
  constructor(
    readonly map: Icmap,
    readonly positions: ReadonlyMap<string, Position>,
    readonly environment: ConfigEnvironment,
    private readonly lookupMsMax: number,
    private readonly isReload = false,
  ) {}

  /** Numeric addresses of a name; none when it does not resolve in time. */
  lookup(name: string, family: 4 | 6): Promise<readonly string[]> {
    const key = `${family} ${name}`;
    let found = this.lookups.get(key);
    if (found === undefined) {
      this.deadline ??= new Promise((resolve) => {
        this.timer = setTimeout(() => resolve([]), this.lookupMsMax);
      });
      found = Promise.race([this.environment.lookup(name, family), this.deadline]);
      this.lookups.set(key, found);
    }
    return found;
  }

  /** Ends the waiting. */
  close(): void {
    clearTimeout(this.timer);
  }

  /** An error whose text stock logs as it is. */
  error(code: ConfigErrorCode, stockMessage: string, details: { key?: string; hint?: string } = {}): ConfigError {
    const position = details.key === undefined ? undefined : this.positions.get(details.key);
    return new ConfigError(code, stockMessage, { stockMessage, position, ...details });
  }

  /** An error of stock's validation: its text is logged with a prefix. */
  invalid(code: ConfigErrorCode, text: string, details: { key?: string; hint?: string } = {}): ConfigError {
    const position = details.key === undefined ? undefined : this.positions.get(details.key);
    return new ConfigError(code, text, { stockMessage: `parse error in config: ${text}`, position, ...details });
  }

  /** Refuses a start. A reload goes on, as in stock, where it only reads such values at its start; nothing uses them, and they are reported. */
  refuseStart(error: ConfigError): void {
    if (!this.isReload) throw error;
    const { position, key } = error;
    const text = error.stockMessage.replace(/^parse error in config: /, '').replace(/\.$/, '');
    const message = `${text}. It has no effect now, but the next start will be refused`;
    this.warnings.push({ code: 'next-start', position, key, message, hint: error.hint, stockMessage: null });
  }

  warn(code: string, stockMessage: string, key: string | undefined, hint: string): void {
    const position = key === undefined ? undefined : this.positions.get(key);
    this.warnings.push({ code, position, key, message: stockMessage.replace(/\.$/, ''), hint, stockMessage });
  }
}
