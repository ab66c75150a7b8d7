/**
 * What the layers log through. The levels are syslog's, as in stock (config-and-tools.md 4).
 * On the ring thread the implementation is a record in the event ring; on the main thread it is the log sink.
 */
export type LogLevel = 'emerg' | 'alert' | 'crit' | 'error' | 'warning' | 'notice' | 'info' | 'debug' | 'trace';

/** Severity of a level: 0 (emerg) to 7 (debug), 8 (trace). */
export const severity: Readonly<Record<LogLevel, number>> = {
  emerg: 0,
  alert: 1,
  crit: 2,
  error: 3,
  warning: 4,
  notice: 5,
  info: 6,
  debug: 7,
  trace: 8,
};

/**
 * Names of parts in the log, which select `logger_subsys` sections: stock's (config-and-tools.md 4.3), MAIN, TOTEM, KNET, QB, SERV, SYNC …
 * A service writes its own, which stands in its folder and nowhere else.
 */
export type LogSubsystem = Uppercase<string>;

/**
 * Logs one line. Lines are limited by kind (`line-limit.ts`): `kind` names it where the message begins with a text that varies, such as
 * a name that a client chose.
 */
export type LogFunction = (level: LogLevel, subsystem: LogSubsystem, message: string, kind?: string) => void;
