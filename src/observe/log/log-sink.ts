import { openSync } from 'node:fs';
import { hostname } from 'node:os';
import pino from 'pino';
import { LOGGING_DEFAULTS, type LoggingConfig } from '../../config/logging-config.ts';
import { LineLimit } from '../../lib/line-limit.ts';
import { type LogFunction, type LogLevel, type LogSubsystem, severity } from '../../lib/log.ts';
import { printableJson } from '../../lib/printable.ts';
import { Blackbox } from './blackbox.ts';
import { LogFilter } from './filter.ts';
import { fileLine, type LogRecord, stderrLine, syslogText } from './format.ts';
import { PINO_LEVELS } from './levels.ts';
import { type LineDestination, LineWriter, type OpenLogFile } from './line-writer.ts';
import { LogFiles } from './log-files.ts';
import { callerSource } from './source.ts';
import { SyslogDestination, type SyslogSocket } from './syslog.ts';

/** Records that could not be written, by destination. */
export interface LogLosses {
  readonly file: number;
  readonly syslog: number;
}

export interface LogSinkOptions {
  /** Opens a socket to the system's logger; `null` when there is none. Left out: no syslog. */
  readonly openSyslog?: () => SyslogSocket | null;
  /** Opens log files; left out: simply for appending. */
  readonly openFile?: OpenLogFile;
  readonly pid?: number;
  readonly host?: string;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Standard error; for tests. */
  readonly stderr?: LineDestination;
}

/** A disk that hangs must not keep the process from ending. */
const CLOSE_MS_MAX = 2_000;

interface LogFields {
  readonly record: LogRecord;
}

/** What pino tells a stream that asks for it (`pino.metadata`), beside the line of JSON. */
interface MetadataStream {
  write(json: string): void;
  lastObj: LogFields;
  readonly [key: symbol]: true;
}

/**
 * The daemon's log: stock's destinations and line formats (config-and-tools.md 4), or JSON lines with
 * `logging.format: json`. Runs on the main thread; records of other threads arrive as messages.
 *
 *   log() -> limit by kind -> filter by subsystem and level -> pino -> text or JSON -> file, stderr   (asynchronous, bounded)
 *     |                                              syslog datagram                 (never waits)
 *     +---> blackbox (every record)
 */
export class LogSink {
  private config: LoggingConfig = LOGGING_DEFAULTS;
  private filter = new LogFilter(LOGGING_DEFAULTS);
  private stderr: LineDestination | null = null;
  private readonly files: LogFiles;
  private readonly syslog: SyslogDestination;
  private readonly logger: pino.Logger<LogLevel>;
  private readonly pid: number;
  private readonly host: string;
  private readonly now: () => number;
  readonly blackbox = new Blackbox();
  private readonly limit = new LineLimit(
    (level, subsystem, message) => this.record(level, subsystem, message),
    () => performance.now(),
    (delayMs) => setTimeout(() => this.limit.report(), delayMs).unref(),
  );

  constructor(private readonly options: LogSinkOptions = {}) {
    this.pid = options.pid ?? process.pid;
    this.host = options.host ?? hostname().split('.')[0] ?? '';
    this.now = options.now ?? Date.now;
    this.syslog = new SyslogDestination(options.openSyslog ?? (() => null));
    const openFile = options.openFile ?? ((path) => openSync(path, 'a'));
    this.files = new LogFiles(openFile, (text) => this.log('error', 'MAIN', text, 'log file'));
    this.logger = this.createLogger();
    this.configure(LOGGING_DEFAULTS);
  }

  /** The function that every layer gets. Bound, so that it can be passed on. */
  readonly log: LogFunction = (level, subsystem, message, kind) => {
    if (!this.config.blackbox && !this.filter.wants(level, subsystem)) return;
    this.limit.log(level, subsystem, message, kind);
  };

  private record(level: LogLevel, subsystem: LogSubsystem, message: string): void {
    const wanted = this.filter.wants(level, subsystem);
    const needsSource = wanted && (this.config.fileline || this.config.functionName);
    const source = needsSource ? callerSource() : undefined;
    const record: LogRecord = { timeMs: this.now(), level, subsystem, message, source };
    if (this.config.blackbox) this.blackbox.add(record);
    if (wanted) this.logger[level]({ record });
  }

  /** For callers whose text is costly: whether a destination would get the record. */
  wants(level: LogLevel, subsystem: string): boolean {
    return this.filter.wants(level, subsystem);
  }

  /** Takes other settings into force at once: at start, at reload, and when a `logging.` key changes. */
  configure(config: LoggingConfig): void {
    const before = this.filter;
    this.config = config;
    this.filter = new LogFilter(config);
    if (config.toStderr)
      this.stderr ??= this.options.stderr ?? new LineWriter(2, { open: () => -1, lost: () => {}, written: () => {} });
    else this.closeStderr();
    this.files.use(this.filter.files, this.filter.moved(before));
    if (!config.toSyslog) this.syslog.close();
    if (!config.blackbox) this.blackbox.clear();
  }

  /** Opens the log file again: after rotation (`corosync-cfgtool -L`). */
  reopen(): void {
    this.files.reopen();
  }

  /** Records that could not be written: for the statistics. */
  get lost(): LogLosses {
    return { file: this.files.lost, syslog: this.syslog.dropped };
  }

  /** Writes out what is waiting. Blocking: before the process ends. */
  flushSync(): void {
    this.limit.report();
    this.files.flushSync();
    this.stderr?.flushSync();
  }

  /** Writes out what is waiting, then closes everything. */
  async close(): Promise<void> {
    this.limit.report();
    const { stderr } = this;
    this.stderr = null;
    this.syslog.close();
    const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS_MAX).unref());
    await Promise.race([Promise.all([this.files.end(), stderr?.end()]), late]);
  }

  private createLogger(): pino.Logger<LogLevel> {
    const stream: MetadataStream = {
      lastObj: { record: { timeMs: 0, level: 'info', subsystem: '', message: '' } },
      [Symbol.for('pino.metadata')]: true,
      write: (json) => this.route(stream.lastObj.record, printableJson(json)),
    };
    return pino<LogLevel>(
      {
        level: 'trace',
        customLevels: { ...PINO_LEVELS },
        useOnlyCustomLevels: true,
        base: null,
        timestamp: false,
        formatters: { level: (level) => ({ level }), log: (fields) => this.jsonFields(fields as unknown as LogFields) },
      },
      stream,
    );
  }

  private jsonFields({ record }: LogFields): Record<string, unknown> {
    const { source } = record;
    return {
      time: new Date(record.timeMs).toISOString(),
      pid: this.pid,
      host: this.host,
      subsystem: record.subsystem,
      msg: record.message,
      ...(source === undefined ? {} : { source: `${source.file}:${source.line}`, function: source.functionName }),
    };
  }

  private route(record: LogRecord, json: string): void {
    const thresholds = this.filter.thresholds(record.subsystem);
    const level = severity[record.level];
    const isText = this.config.format === 'text';
    if (level <= thresholds.file) {
      this.stderr?.write(isText ? stderrLine(record, this.config) : json);
      const path = this.filter.file(record.subsystem);
      if (path !== null) this.files.write(path, isText ? fileLine(record, this.config, this.pid, this.host) : json);
    }
    if (this.config.toSyslog && level <= thresholds.syslog) {
      this.syslog.send(syslogText(record, this.config, this.pid, this.config.syslogFacility));
    }
  }

  private closeStderr(): void {
    void this.stderr?.end();
    this.stderr = null;
  }
}
