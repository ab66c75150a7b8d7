import { type LogRecord, sanitize } from './format.ts';

/** The latest records of every level, in memory, for a dump when something went wrong. */
export class Blackbox {
  private readonly records: (LogRecord | null)[];
  private count = 0;

  constructor(readonly capacity = 4096) {
    this.records = Array.from({ length: capacity }, () => null);
  }

  add(record: LogRecord): void {
    this.records[this.count % this.capacity] = record;
    this.count++;
  }

  /** Oldest first. */
  *entries(): Generator<LogRecord> {
    for (let index = Math.max(0, this.count - this.capacity); index < this.count; index++) {
      const record = this.records[index % this.capacity];
      if (record !== null && record !== undefined) yield record;
    }
  }

  clear(): void {
    this.records.fill(null);
    this.count = 0;
  }

  /** One line a record, with full dates in UTC. */
  dump(): string {
    let text = '';
    for (const { timeMs, level, subsystem, message } of this.entries()) {
      text += `${new Date(timeMs).toISOString()} ${level.padEnd(7)} [${subsystem.padEnd(6)}] ${sanitize(message)}\n`;
    }
    return text;
  }
}
