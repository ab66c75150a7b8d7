/**
 * What the layers log through. The levels are syslog's, as in stock (config-and-tools.md 4).
 * On the ring thread the implementation is a record in the event ring; on the main thread it is the log sink.
 */
export type LogLevel = 'emerg' | 'alert' | 'crit' | 'error' | 'warning' | 'notice' | 'info' | 'debug' | 'trace';

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
