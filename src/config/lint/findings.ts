import type { ConfigWarning, Position } from '../errors.ts';

/** Collects what the rules find. `stockMessage` is always `null`: stock says nothing about these. */
export class Findings {
  readonly warnings: ConfigWarning[] = [];

  add(code: string, position: Position | undefined, key: string | undefined, message: string, hint = ''): void {
    this.warnings.push({ code, position, key, message, hint, stockMessage: null });
  }
}
