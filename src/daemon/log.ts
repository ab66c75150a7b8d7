import type { LoggingConfig } from '../config/logging-config.ts';
import type { LogFunction } from '../lib/log.ts';

/** Interim sink. */
export class DaemonLog {
  private constructor(
    private config: LoggingConfig,
    private stderr: boolean,
  ) {}
  static async open(config: LoggingConfig, stderr: boolean): Promise<DaemonLog> {
    return new DaemonLog(config, stderr);
  }
  readonly write: LogFunction = (level, subsystem, message) => {
    const line = `${new Date().toISOString()} ${level.padEnd(7)} [${subsystem.padEnd(6)}] ${message}\n`;
    if (level === 'debug' || level === 'trace') return;
    if (this.stderr && this.config.toStderr) process.stderr.write(line);
  };
  async reopen(): Promise<void> {}
  reconfigure(config: LoggingConfig): void {
    this.config = config;
  }
  withoutStderr(): void {
    this.stderr = false;
  }
  dumpFlightData(_directory: string): void {}
  async close(): Promise<void> {}
}
