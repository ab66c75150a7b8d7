import { writeSync } from 'node:fs';
import { LineLimit } from '../lib/line-limit.ts';
import { type LogLevel, severity } from '../lib/log.ts';
import { printable } from '../lib/printable.ts';
import { openSyslog, type SyslogConnection } from '../os/syslog.ts';

const FACILITY_DAEMON = 3;
const MONTH_AND_TIME = /^\w+ (\w+ \d\d) \d+ (\d\d:\d\d:\d\d)/;

export interface ProcessLogOptions {
  readonly ident: string;
  /** To standard error besides syslog. */
  readonly toStderr: boolean;
  readonly debug: boolean;
  /** Debug lines have the priority info: for systems that store none of debug. */
  readonly bump: boolean;
}

/** The log of an arbiter or a device: syslog, and standard error in the foreground, in stock's format. Bounded by kind of line. */
export class ProcessLog {
  private readonly syslog: SyslogConnection | null = openSyslog();
  private reportTimer: NodeJS.Timeout | null = null;
  private readonly limit: LineLimit;
  debug: boolean;

  constructor(private readonly options: ProcessLogOptions) {
    this.debug = options.debug;
    this.limit = new LineLimit(
      (level, _subsystem, message) => this.write(level, message),
      () => performance.now(),
      (delayMs) => {
        this.reportTimer ??= setTimeout(() => {
          this.reportTimer = null;
          this.limit.report();
        }, delayMs);
        this.reportTimer.unref();
      },
    );
  }

  /** Bound, so that it can be handed on. `kind` where the message begins with what others choose. */
  readonly log = (level: LogLevel, message: string, kind?: string): void => {
    if (level === 'debug' && !this.debug) return;
    this.limit.log(level, 'QNET', message, kind);
  };

  private write(level: LogLevel, text: string): void {
    const message = printable(text);
    const [, day = '', time = ''] = MONTH_AND_TIME.exec(new Date().toString()) ?? [];
    const { ident, toStderr, bump } = this.options;
    if (toStderr) {
      try {
        writeSync(2, `${day} ${time} ${level.padEnd(7)} ${message}\n`);
      } catch {
        // Nobody reads it: syslog has it.
      }
    }
    const priority = FACILITY_DAEMON * 8 + Math.min(severity[level], bump ? severity.info : severity.debug);
    this.syslog?.send(
      Buffer.from(`<${priority}>${day.replace(/ 0/, '  ')} ${time} ${ident}[${process.pid}]: ${message}`),
    );
  }

  close(): void {
    if (this.reportTimer !== null) clearTimeout(this.reportTimer);
    this.syslog?.close();
  }
}
