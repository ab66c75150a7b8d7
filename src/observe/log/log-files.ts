import { LineWriter, type OpenLogFile } from './line-writer.ts';

interface OpenFile {
  readonly writer: LineWriter;
  readonly losses: Losses;
}

/** Lines that a file lost: in all, of which logged; and whether the trouble itself has been logged. */
interface Losses {
  lines: number;
  toldLines: number;
  told: boolean;
}

/**
 * The log files that the configuration names: one for all, and those that subsystems have of their own. Several may have the same.
 * A file in trouble (a full disk, a directory that is gone) costs its lines and nothing else; the others say so, once for each time.
 */
export class LogFiles {
  private readonly files = new Map<string, OpenFile>();
  private lostBefore = 0;

  constructor(
    private readonly openFile: OpenLogFile,
    /** Logs a line about a file; never called from within `write()`. */
    private readonly tell: (text: string) => void,
  ) {}

  /** Opens what is not open yet, and closes what is not wanted any more. */
  use(paths: ReadonlySet<string>): void {
    for (const [path, file] of this.files) {
      if (paths.has(path)) continue;
      this.lostBefore += file.losses.lines;
      this.files.delete(path);
      void file.writer.end();
    }
    for (const path of paths) if (!this.files.has(path)) this.files.set(path, this.open(path));
  }

  write(path: string, line: string): void {
    this.files.get(path)?.writer.write(line);
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

  private open(path: string): OpenFile {
    const losses: Losses = { lines: 0, toldLines: 0, told: false };
    const writer = new LineWriter(path, {
      open: this.openFile,
      lost: (lines, error) => {
        losses.lines += lines;
        if (losses.told || error === null) return;
        losses.told = true;
        const reason = error instanceof Error ? error.message : String(error);
        queueMicrotask(() => this.tell(`Log file ${path}: ${reason}; its lines are lost until that is over`));
      },
      written: () => {
        if (!losses.told) return;
        const lines = losses.lines - losses.toldLines;
        Object.assign(losses, { told: false, toldLines: losses.lines });
        queueMicrotask(() => this.tell(`Log file ${path} can be written again; ${lines} lines were lost`));
      },
    });
    return { writer, losses };
  }
}
