import { join } from 'node:path';
import type { LoggingConfig } from '../config/logging-config.ts';
import type { LogFunction } from '../lib/log.ts';
import { blackboxFile, type LogLosses, LogSink } from '../observe/log/index.ts';
import { createOwnFile, removeOwnFile, replaceLink } from '../os/own-file.ts';
import { openSyslog } from '../os/syslog.ts';
import { openLogFile } from '../os/trusted-path.ts';

/** Link to the latest dump of the flight recorder; `corosync-blackbox` reads it by this name. */
const DUMP_LINK = 'fdata';
/** Dumps that one process leaves: clients may ask for them as often as they like, and each takes half a megabyte. */
export const DUMPS_KEPT = 8;

/** The daemon's log: the sink, and what only a daemon has: a standard error that it gives up, and dumps. */
export class DaemonLog {
  private readonly sink = new LogSink({ openSyslog, openFile: openLogFile });
  /** Files of this process, oldest first. */
  private readonly dumps: string[] = [];
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

  /** Lines that no destination has, so far. */
  get lost(): LogLosses {
    return this.sink.lost;
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

  /**
   * Writes the latest records of all levels into the state directory, as libqb does (for `corosync-blackbox`) and as text, with a
   * link to the latest of each. An error is logged: dumps never do harm.
   */
  dumpFlightData(directory: string): void {
    const stamp = new Date().toISOString().replace(/\.\d+Z$/, '');
    const name = `${DUMP_LINK}-${stamp}-${process.pid}`;
    try {
      this.dump(directory, name, DUMP_LINK, blackboxFile([...this.sink.blackbox.entries()]));
      this.dump(directory, `${name}.txt`, `${DUMP_LINK}.txt`, Buffer.from(this.sink.blackbox.dump()));
    } catch (error) {
      this.write('warning', 'MAIN', `Flight data not written to ${directory}: ${String(error)}`);
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

  /** A file, and the link that is moved to it in one step; the oldest of this process is removed. */
  private dump(directory: string, name: string, link: string, content: Uint8Array): void {
    const path = join(directory, name);
    if (this.dumps.includes(path))
      removeOwnFile(path); // a second one in this second
    else this.dumps.push(path);
    createOwnFile(path, content, 0o600);
    replaceLink(join(directory, link), name);
    while (this.dumps.length > 2 * DUMPS_KEPT) removeOwnFile(this.dumps.shift() ?? '');
  }
}
