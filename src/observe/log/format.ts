import type { TimestampMode } from '../../config/logging-config.ts';
import { type LogLevel, severity } from '../../lib/log.ts';
import { printableLine } from '../../lib/printable.ts';

/** Longest line of stock; longer ones are cut (config-and-tools.md 4.2). */
export const LINE_CHARACTERS_MAX = 512;
/** Name of the program in the file and in syslog: log rules in the field look for it. */
export const PROGRAM = 'corosync';

export interface LogRecord {
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly subsystem: string;
  readonly message: string;
  /** `file:line` and function of the caller, when asked for. */
  readonly source?: Source | undefined;
}
export interface Source {
  readonly file: string;
  readonly line: number;
  readonly functionName: string;
}

export interface TextStyle {
  readonly timestamp: TimestampMode;
  readonly fileline: boolean;
  readonly functionName: boolean;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const two = (value: number): string => (value < 10 ? `0${value}` : `${value}`);

/** `Nov 21 20:12:00.969`, local time; '' with `off`. */
export function timestampText(timeMs: number, mode: TimestampMode): string {
  if (mode === 'off') return '';
  const time = new Date(timeMs);
  const text = `${MONTHS[time.getMonth()]} ${two(time.getDate())} ${clock(time)}`;
  return mode === 'hires' ? `${text}.${String(time.getMilliseconds()).padStart(3, '0')}` : text;
}

const clock = (time: Date): string => `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;

/**
 * One line, one record: a newline at the end is dropped, other control characters are shown. Names and texts of other
 * nodes and of clients must not be able to forge lines, nor to run the terminal of who reads them.
 */
export function sanitize(message: string): string {
  let end = message.length;
  while (message[end - 1] === '\n') end--;
  return printableLine(message.slice(0, end));
}

/** `[MAIN  ] text`, with the source between them when asked for. */
export function bodyText(record: LogRecord, style: TextStyle): string {
  const { source } = record;
  let where = '';
  if (source !== undefined && (style.fileline || style.functionName)) {
    const parts: (string | number)[] = style.fileline ? [source.file] : [];
    if (style.functionName) parts.push(source.functionName);
    if (style.fileline) parts.push(source.line);
    where = `${parts.join(':')} `;
  }
  return `[${record.subsystem.slice(0, 6).padEnd(6)}] ${where}${sanitize(record.message)}`;
}

/** `notice  [MAIN  ] text`. */
const levelAndBody = (record: LogRecord, style: TextStyle): string =>
  `${record.level.padEnd(7)} ${bodyText(record, style)}`;

const cut = (line: string): string => (line.length > LINE_CHARACTERS_MAX ? line.slice(0, LINE_CHARACTERS_MAX) : line);

/** Line of standard error, newline included. */
export function stderrLine(record: LogRecord, style: TextStyle): string {
  const time = timestampText(record.timeMs, style.timestamp);
  return `${cut(`${time}${time === '' ? '' : ' '}${levelAndBody(record, style)}`)}\n`;
}

/** Line of the log file, newline included. With `timestamp: off` stock loses the blank before the level; not here. */
export function fileLine(record: LogRecord, style: TextStyle, pid: number, host: string): string {
  const time = timestampText(record.timeMs, style.timestamp);
  const head = `${time}${time === '' ? '' : ' '}[${pid}] ${host} ${PROGRAM}`;
  return `${cut(`${head} ${levelAndBody(record, style)}`)}\n`;
}

/** Datagram for the syslog socket. Debug and trace records go there as info, as in stock (4.2). */
export function syslogText(record: LogRecord, style: TextStyle, pid: number, facility: number): string {
  const priority = facility * 8 + Math.min(severity[record.level], severity.info);
  const time = new Date(record.timeMs);
  const day = String(time.getDate()).padStart(2);
  return `<${priority}>${MONTHS[time.getMonth()]} ${day} ${clock(time)} ${PROGRAM}[${pid}]: ${cut(`  ${bodyText(record, style)}`)}`;
}
