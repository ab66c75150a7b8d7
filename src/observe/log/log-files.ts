import { counted } from '../../lib/counted.ts';
import { LineWriter, type OpenLogFile } from './line-writer.ts';

interface OpenFile {
  readonly writer: LineWriter;
  readonly losses: Losses;
  /** Takes the lines while this file has never been open: the one that they went to before. */
  standIn: string | null;
}

/** Lines that a file lost: in all, of which logged; and whether the trouble itself has been logged. */
interface Losses {
  lines: number;
  reportedLines: number;
  reported: boolean;
}

/**
 * The log files that the configuration names: one for all, and those that subsystems have of their own. Several may have the same.
 * A file in trouble (a full disk, a directory that is gone) costs its lines and nothing else; the others log that, once for each time.
 */
export class LogFiles {
  private readonly files = new Map<string, OpenFile>();
  private wanted: ReadonlySet<string> = new Set();
  private lostBefore = 0;

  constructor(
    private readonly openFile: OpenLogFile,
    /** Logs a line about a file; never called from within `write()`. */
    private readonly report: (text: string) => void,
  ) {}

  /**
   * Opens what is not open yet, and closes what is not wanted any more. `before` has where the lines of a new file went until now: they go on there
   * as long as the new one cannot be opened, as in stock.
   */
  use(paths: ReadonlySet<string>, before: ReadonlyMap<string, string> = new Map()): void {
    this.wanted = paths;
    for (const path of paths) {
      if (this.files.has(path)) continue;
      const old = before.get(path);
      const file = this.open(path, old === undefined ? null : (this.files.get(old)?.standIn ?? old));
      this.files.set(path, file);
    }
    this.closeUnwanted();
  }

  write(path: string, line: string): void {
    const file = this.files.get(path);
    if (file?.standIn != null) {
      if (!file.writer.isOpen) {
        this.files.get(file.standIn)?.writer.write(line);
        return;
      }
      file.standIn = null;
      this.closeUnwanted();
    }
    file?.writer.write(line);
  }

  private closeUnwanted(): void {
    const standIns = new Set([...this.wanted].map((path) => this.files.get(path)?.standIn));
    for (const [path, file] of this.files) {
      if (this.wanted.has(path) || standIns.has(path)) continue;
      this.lostBefore += file.losses.lines;
      this.files.delete(path);
      void file.writer.end();
    }
  }

  reopen(): void {
    for (const { writer } of this.files.values()) writer.reopen();
  }

  /** Lines that could not be written. */
  get lost(): number {
    return [...this.files.values()].reduce((sum, { losses }) => sum + losses.lines, this.lostBefore);
  }

  flushSync(): void {
    for (const { writer } of this.files.values()) writer.flushSync();
  }

  async end(): Promise<void> {
    const writers = [...this.files.values()].map(({ writer }) => writer);
    this.files.clear();
    await Promise.all(writers.map((writer) => writer.end()));
  }

  private open(path: string, standIn: string | null): OpenFile {
    const losses: Losses = { lines: 0, reportedLines: 0, reported: false };
    const writer = new LineWriter(path, {
      open: this.openFile,
      lost: (lines, error) => {
        losses.lines += lines;
        if (losses.reported || error === null) return;
        losses.reported = true;
        const reason = error instanceof Error ? error.message : String(error);
        const fate = standIn !== null && this.files.get(path)?.standIn !== null ? `go to ${standIn}` : 'are lost';
        queueMicrotask(() => this.report(`Log file ${path}: ${reason}; its lines ${fate} until that is over`));
      },
      written: () => {
        if (!losses.reported) return;
        const lines = losses.lines - losses.reportedLines;
        Object.assign(losses, { reported: false, reportedLines: losses.lines });
        queueMicrotask(() => this.report(`Log file ${path} can be written again; ${counted(lines, 'line')} lost`));
      },
    });
    return { writer, losses, standIn: writer.isOpen ? null : standIn };
  }
}
