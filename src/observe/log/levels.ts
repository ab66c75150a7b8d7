import type { LogLevel } from '../../lib/log.ts';

/** Most important first; the position is syslog's severity, trace comes after debug. */
export const LEVELS: readonly LogLevel[] = [
  'emerg',
  'alert',
  'crit',
  'error',
  'warning',
  'notice',
  'info',
  'debug',
  'trace',
];

/** Numbers of the levels for pino: higher is more important. */
export const PINO_LEVELS: Readonly<Record<LogLevel, number>> = {
  emerg: 80,
  alert: 70,
  crit: 60,
  error: 50,
  warning: 40,
  notice: 35,
  info: 30,
  debug: 20,
  trace: 10,
};
