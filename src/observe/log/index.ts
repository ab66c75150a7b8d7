export { Blackbox } from './blackbox.ts';
export { blackboxFile } from './blackbox-file.ts';
export type { LineDestination } from './line-writer.ts';
export { type LogLosses, LogSink, type LogSinkOptions } from './log-sink.ts';
export type { SyslogSocket } from './syslog.ts';
