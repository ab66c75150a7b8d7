import type { LogFunction, LogLevel, LogSubsystem } from './log.ts';

/** Lines of one kind that may come at once: more than a start with 32 nodes over two links makes. */
export const LINES_AT_ONCE = 256;
/** Lines of one kind in the long run. */
export const LINES_PER_SECOND = 1;
/** Debug and trace lines are there because somebody asked for them. */
export const DEBUG_LINES_AT_ONCE = 1024;
export const DEBUG_LINES_PER_SECOND = 10;
/** Kinds that are distinguished; those that come when the table is full share one allowance. */
export const KINDS_MAX = 512;
/** Lines that were kept back are reported this often. */
export const REPORT_MS = 10_000;
/** So much of a message, numbers left out, makes its kind: variable text of others must come later, or the caller names the kind. */
export const KIND_CHARACTERS = 24;
const SAMPLE_CHARACTERS = 80;
const OTHERS = 'others';

interface Kind {
  readonly level: LogLevel;
  readonly subsystem: LogSubsystem;
  /** Lines that may still come, as of `atMs`. */
  allowance: number;
  atMs: number;
  keptBack: number;
  sinceMs: number;
  sample: string;
}

/**
 * Bounds every kind of log line, so that nobody fills a disk by what he makes the daemon log: packets, requests and members cause lines
 * at whatever rate they like. Everything that is logged goes through one of these, on each thread; a caller cannot forget it.
 *
 * A kind is the level, the subsystem and the beginning of the message without its numbers. Each has an allowance that fills up again with
 * time; lines beyond it are counted, and the number is logged with the next report.
 */
export class LineLimit {
  private readonly kinds = new Map<string, Kind>();
  /** When `report()` has something to log; infinity: nothing was kept back. */
  dueMs = Number.POSITIVE_INFINITY;

  constructor(
    private readonly out: LogFunction,
    private readonly nowMs: () => number,
    /** Called when a first line is kept back: for who has to set a timer for `report()`. */
    private readonly onKeptBack: (delayMs: number) => void = () => {},
  ) {}

  /** Passes the line on, or keeps it back. Bound, so that it can be handed on. */
  readonly log: LogFunction = (level, subsystem, message, kind) => {
    if (this.admit(level, subsystem, message, kind)) this.out(level, subsystem, message);
  };

  /** Whether such a line may be logged; it counts as logged. */
  admit(level: LogLevel, subsystem: LogSubsystem, message: string, kind?: string): boolean {
    const nowMs = this.nowMs();
    const entry = this.entry(level, subsystem, kind ?? kindOf(message), nowMs);
    const [most, perSecond] = allowanceOf(level);
    entry.allowance = Math.min(most, entry.allowance + ((nowMs - entry.atMs) * perSecond) / 1000);
    entry.atMs = nowMs;
    if (entry.allowance >= 1) {
      entry.allowance -= 1;
      return true;
    }
    if (entry.keptBack++ === 0) entry.sinceMs = nowMs;
    entry.sample = message;
    if (this.dueMs === Number.POSITIVE_INFINITY) {
      this.dueMs = nowMs + REPORT_MS;
      this.onKeptBack(REPORT_MS);
    }
    return false;
  }

  /** Logs how many lines of each kind were kept back since the last report. */
  report(): void {
    const nowMs = this.nowMs();
    this.dueMs = Number.POSITIVE_INFINITY;
    for (const entry of this.kinds.values()) {
      if (entry.keptBack === 0) continue;
      const seconds = Math.max(1, Math.round((nowMs - entry.sinceMs) / 1000));
      const sample = entry.sample.slice(0, SAMPLE_CHARACTERS).trimEnd();
      const text = `${entry.keptBack} more lines like this one were not logged in ${seconds} s: ${sample}`;
      entry.keptBack = 0;
      entry.sample = '';
      this.out(entry.level, entry.subsystem, text);
    }
  }

  private entry(level: LogLevel, subsystem: LogSubsystem, kind: string, nowMs: number): Kind {
    const key = `${level} ${subsystem} ${kind}`;
    const known = this.kinds.get(key);
    if (known !== undefined) return known;
    if (this.kinds.size >= KINDS_MAX && kind !== OTHERS && !this.makeRoom(nowMs))
      return this.entry('warning', 'MAIN', OTHERS, nowMs);
    const [allowance] = allowanceOf(level);
    const entry = { level, subsystem, allowance, atMs: nowMs, keptBack: 0, sinceMs: nowMs, sample: '' };
    this.kinds.set(key, entry);
    return entry;
  }

  /** Forgets kinds whose allowance is whole again: nothing is lost with them. The oldest come first, and few are looked at. */
  private makeRoom(nowMs: number): boolean {
    let looked = 0;
    for (const [key, { level, allowance, atMs, keptBack }] of this.kinds) {
      const [most, perSecond] = allowanceOf(level);
      if (keptBack === 0 && allowance + ((nowMs - atMs) * perSecond) / 1000 >= most) {
        this.kinds.delete(key);
        return true;
      }
      if (++looked === 16) break;
    }
    return false;
  }
}

const allowanceOf = (level: LogLevel): readonly [most: number, perSecond: number] =>
  level === 'debug' || level === 'trace'
    ? [DEBUG_LINES_AT_ONCE, DEBUG_LINES_PER_SECOND]
    : [LINES_AT_ONCE, LINES_PER_SECOND];

/** Numbers, addresses and lists of them. */
const NUMBERS = /[0-9][0-9a-fx]*(?:[.: -]+[0-9][0-9a-f]*|[.:][0-9a-f]+)*/g;

/** What lines of one kind have in common. */
export function kindOf(message: string): string {
  return message
    .slice(0, 3 * KIND_CHARACTERS)
    .replace(NUMBERS, '#')
    .slice(0, KIND_CHARACTERS);
}
