import { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoggingConfig } from '../config/logging-config.ts';
import type { LogFunction } from '../lib/log.ts';
import { LogSink } from '../observe/log/index.ts';
import { openSyslog } from '../os/syslog.ts';

/** Name of the link to the latest dump of the flight recorder. */
const DUMP_LINK = 'fdata.txt';

/** The daemon's log: the sink, and what only a daemon has: a standard error that it gives up, and dumps. */
export class DaemonLog {
  private readonly sink = new LogSink({ openSyslog });
  /** Bound, so that every part of the daemon can hold it. */
  readonly write: LogFunction = this.sink.log;

  constructor(
    private config: LoggingConfig,
    private stderr: boolean,
  ) {
    this.reconfigure(config);
  }

  /** Whether a destination wants such records: for texts that are costly to make. */
  wants(...[level, subsystem]: Parameters<LogSink['wants']>): boolean {
    return this.sink.wants(level, subsystem);
  }

  reopen(): void {
    this.sink.reopen();
  }

  reconfigure(config: LoggingConfig): void {
    this.config = config;
    this.sink.configure({ ...config, toStderr: config.toStderr && this.stderr });
  }

  /** The daemon left its terminal. */
  withoutStderr(): void {
    this.stderr = false;
    this.reconfigure(this.config);
  }

  /** Writes the latest records of all levels into the state directory. An error is logged: dumps never do harm. */
  dumpFlightData(directory: string): void {
    const stamp = new Date().toISOString().replace(/\.\d+Z$/, '');
    const name = `fdata-${stamp}-${process.pid}.txt`;
    try {
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, name), this.sink.blackbox.dump(), { mode: 0o600 });
      const link = join(directory, `${DUMP_LINK}.${process.pid}`);
      symlinkSync(name, link);
      renameSync(link, join(directory, DUMP_LINK));
    } catch (error) {
      this.write('warning', 'MAIN', `Flight data not written to ${directory}: ${String(error)}`);
      try {
        unlinkSync(join(directory, `${DUMP_LINK}.${process.pid}`));
      } catch {
        // It was not there.
      }
    }
  }

  /** Everything that was logged is written; standard error too. */
  async close(): Promise<void> {
    await this.sink.close();
  }

  /** The last moments of a crash: what waits is written, blocking. */
  flush(): void {
    this.sink.flushSync();
  }
}
