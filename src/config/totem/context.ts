import type { ConfigEnvironment } from '../environment.ts';
import { ConfigError, type ConfigErrorCode, type ConfigWarning, type Position } from '../errors.ts';
import type { Icmap } from '../icmap/index.ts';

/** What the steps from a filled map to a TotemConfig share. */
export class TotemContext {
  readonly warnings: ConfigWarning[] = [];

  constructor(
    readonly map: Icmap,
    readonly positions: ReadonlyMap<string, Position>,
    readonly environment: ConfigEnvironment,
  ) {}

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

  warn(code: string, stockMessage: string, key: string | undefined, hint: string): void {
    const position = key === undefined ? undefined : this.positions.get(key);
    this.warnings.push({ code, position, key, message: stockMessage.replace(/\.$/, ''), hint, stockMessage });
  }
}
