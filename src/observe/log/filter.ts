import type { LoggingConfig, SubsystemLogging } from '../../config/logging-config.ts';
import { type LogLevel, severity } from '../../lib/log.ts';

/** Least important severity that a subsystem sends to each kind of destination. */
export interface Thresholds {
  /** The log file and standard error share one priority (config-and-tools.md 4.1). */
  readonly file: number;
  readonly syslog: number;
}

/** `debug: on` and `trace` lift the priorities: everything up to that level passes (4.2). */
function thresholdsOf(settings: SubsystemLogging): Thresholds {
  const floor = settings.debug === 'off' ? -1 : severity[settings.debug === 'on' ? 'debug' : 'trace'];
  return {
    file: Math.max(floor, severity[settings.logfilePriority]),
    syslog: Math.max(floor, severity[settings.syslogPriority]),
  };
}

/** Which records go where. Made anew with every change of the configuration. */
export class LogFilter {
  private readonly general: Thresholds;
  private readonly subsystems = new Map<string, Thresholds>();
  /** Every file that something goes to. */
  readonly files: ReadonlySet<string>;

  constructor(private readonly config: LoggingConfig) {
    this.general = thresholdsOf(config);
    for (const [name, settings] of config.subsystems) this.subsystems.set(name, thresholdsOf(settings));
    const all = [config, ...config.subsystems.values()].flatMap(({ file }) => (file === null ? [] : [file]));
    this.files = new Set(all);
  }

  thresholds(subsystem: string): Thresholds {
    return this.subsystems.get(subsystem) ?? this.general;
  }

  /** The file that the records of a subsystem go to. */
  file(subsystem: string): string | null {
    return (this.config.subsystems.get(subsystem) ?? this.config).file;
  }

  /** For each file that lines go to: which one they went to with the former settings. */
  moved(before: LogFilter): ReadonlyMap<string, string> {
    const moved = new Map<string, string>();
    for (const subsystem of [...this.config.subsystems.keys(), '']) {
      const [to, from] = [this.file(subsystem), before.file(subsystem)];
      if (to !== null && from !== null && to !== from) moved.set(to, from);
    }
    return moved;
  }

  /** Whether any destination wants such a record; the blackbox, which takes all, does not count. */
  wants(level: LogLevel, subsystem: string): boolean {
    const { file, syslog } = this.thresholds(subsystem);
    const { toStderr, toSyslog } = this.config;
    const lines = toStderr || this.file(subsystem) !== null;
    return (lines && severity[level] <= file) || (toSyslog && severity[level] <= syslog);
  }
}
