import type { ConfigWarning, Position } from '../errors.ts';

/** Nobody reads more of them, and each suggestion costs a comparison with every known name. */
export const FINDINGS_MAX = 500;

/** Collects what the rules find, up to a number. `stockMessage` is always `null`: stock says nothing about these. */
export class Findings {
  readonly warnings: ConfigWarning[] = [];

  add(code: string, position: Position | undefined, key: string | undefined, message: string, hint = ''): void {
    if (!this.isFull) this.warnings.push({ code, position, key, message, hint, stockMessage: null });
  }

  /** Rules need not look any further. */
  get isFull(): boolean {
    return this.warnings.length >= FINDINGS_MAX;
  }
}
