/** Status codes of the C libraries (`cs_error_t`, spec services.md 0.4): the numbers are stock's. */
export const CsError = {
  OK: 1,
  LIBRARY: 2,
  VERSION: 3,
  INIT: 4,
  TIMEOUT: 5,
  TRY_AGAIN: 6,
  INVALID_PARAM: 7,
  NO_MEMORY: 8,
  BAD_HANDLE: 9,
  BUSY: 10,
  ACCESS: 11,
  NOT_EXIST: 12,
  NAME_TOO_LONG: 13,
  EXIST: 14,
  NO_SPACE: 15,
  INTERRUPT: 16,
  NAME_NOT_FOUND: 17,
  NO_RESOURCES: 18,
  NOT_SUPPORTED: 19,
  BAD_OPERATION: 20,
  FAILED_OPERATION: 21,
  MESSAGE_ERROR: 22,
  QUEUE_FULL: 23,
  QUEUE_NOT_AVAILABLE: 24,
  BAD_FLAGS: 25,
  TOO_BIG: 26,
  NO_SECTIONS: 27,
  CONTEXT_NOT_FOUND: 28,
  TOO_MANY_GROUPS: 30,
  SECURITY: 100,
} as const;
export type CsErrorName = keyof typeof CsError;
export type CsStatus = (typeof CsError)[CsErrorName];

/** Name of a status, or `UNKNOWN(n)` for a number that stock does not define. */
export function csErrorName(status: number): string {
  for (const [name, value] of Object.entries(CsError)) if (value === status) return name;
  return `UNKNOWN(${status})`;
}

/** Every copy of this package in a process finds the same symbol. */
const BRAND = Symbol.for('rondo.error');

/**
 * Base of every error that this project throws at its users.
 * `code` is stable and branded `RONDO_…`; `hint` says what to do about it.
 * `instanceof` compares a brand and the name, so that it also holds between two copies of the package in one process.
 *
 * A class of errors is its codes and its name: `class XError extends RondoError<XCode> { static errorName = 'XError' }`.
 */
export class RondoError<Code extends `RONDO_${string}` = `RONDO_${string}`> extends Error {
  /** What `name` is in errors of this class. A text of its own: a program in one script may have renamed the class. */
  static readonly errorName: string = 'RondoError';
  override readonly name: string;

  get [BRAND](): true {
    return true;
  }

  constructor(
    readonly code: Code,
    message: string,
    readonly hint: string = '',
    options?: ErrorOptions,
  ) {
    super(hint === '' ? message : `${message}. ${hint}`, options);
    this.name = new.target.errorName;
  }
}

function isInstance(this: typeof RondoError, value: unknown): boolean {
  if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
  if (!(value instanceof Error) || !(BRAND in value)) return false;
  return this === RondoError || (this.errorName !== RondoError.errorName && this.errorName === value.name);
}
Object.defineProperty(RondoError, Symbol.hasInstance, { value: isInstance });

/** A daemon returned a status other than OK. `status` is the `cs_error_t` number. */
export class CsStatusError extends RondoError {
  static override readonly errorName = 'CsStatusError';
  readonly statusName: string;
  constructor(
    readonly status: number,
    what: string,
    hint = '',
  ) {
    super(`RONDO_CS_${csErrorName(status)}`, `${what}: ${csErrorName(status)} (${status})`, hint);
    this.statusName = csErrorName(status);
  }
}
