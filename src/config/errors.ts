import { RondoError } from '../lib/errors.ts';

/** Where something stands in a configuration file. Lines and columns count from 1, columns in bytes. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Exit statuses of the daemon that come from configuration (config-and-tools.md 3.1). */
export const ConfigExit = {
  OK: 0,
  LOGGING: 7,
  MAIN_CONFIG: 8,
  STATE_DIRECTORY: 16,
  SERVICE_ENGINE: 20,
} as const;
export type ConfigExitStatus = (typeof ConfigExit)[keyof typeof ConfigExit];

export type ConfigErrorCode = `RONDO_CONFIG_${
  | 'READ'
  | 'SYNTAX'
  | 'KEY'
  | 'VALUE'
  | 'UIDGID'
  | 'LOGGING'
  | 'STATE_DIRECTORY'
  | 'CRYPTO'
  | 'ADDRESS'
  | 'NODELIST'
  | 'LINK'
  | 'TIMING'
  | 'TOTEM'
  | 'QUORUM'
  | 'UNSUPPORTED'}`;

export interface ConfigErrorDetails {
  /** The exact text that stock prints or logs for this mistake, for tools that match it. */
  readonly stockMessage: string;
  readonly exitCode?: ConfigExitStatus;
  readonly position?: Position | undefined;
  /** The map key that is wrong, if one is. */
  readonly key?: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** A configuration that cannot be used. `message` is ours (position, problem, hint); `stockMessage` is stock's. */
export class ConfigError extends RondoError<ConfigErrorCode> {
  static override readonly errorName = 'ConfigError';
  readonly stockMessage: string;
  readonly exitCode: ConfigExitStatus;
  readonly position: Position | undefined;
  readonly key: string | undefined;

  constructor(code: ConfigErrorCode, problem: string, details: ConfigErrorDetails) {
    super(code, positionText(details.position) + problem.replace(/\.$/, ''), details.hint ?? '');
    this.stockMessage = details.stockMessage;
    this.exitCode = details.exitCode ?? ConfigExit.MAIN_CONFIG;
    this.position = details.position;
    this.key = details.key;
  }
}

/** Something that works but is probably not what was meant, or is out of date. */
export interface ConfigWarning {
  /** Stable, for scripts that filter. */
  readonly code: string;
  readonly position: Position | undefined;
  readonly key: string | undefined;
  readonly message: string;
  readonly hint: string;
  /** Text that stock logs for it, at warning level; `null` where stock is silent. */
  readonly stockMessage: string | null;
}

/** `FILE:LINE:COLUMN: `, or nothing. */
export function positionText(position: Position | undefined): string {
  return position === undefined ? '' : `${position.file}:${position.line}:${position.column}: `;
}

export function warningText(warning: ConfigWarning): string {
  const hint = warning.hint === '' ? '' : `. ${warning.hint}`;
  return `${positionText(warning.position)}${warning.message}${hint}`;
}
