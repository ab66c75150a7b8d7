import type { WriteStream } from 'node:tty';

const ESC = '\u001b[';
const ENTER = `${ESC}?1049h${ESC}?25l`;
const LEAVE = `${ESC}?25h${ESC}?1049l`;

/** A screen of lines; only lines that changed are written again. */
export class AnsiScreen {
  private shown: readonly string[] = [];
  private open = false;

  constructor(private readonly output: WriteStream) {}

  get width(): number {
    return this.output.columns || 80;
  }
  get height(): number {
    return this.output.rows || 24;
  }

  enter(): void {
    this.open = true;
    this.output.write(ENTER);
    this.output.on('resize', this.forget);
  }

  /** Idempotent, and synchronous enough for an exit handler: a terminal's write is. */
  leave(): void {
    if (!this.open) return;
    this.open = false;
    this.output.off('resize', this.forget);
    this.output.write(LEAVE);
  }

  draw(lines: readonly string[]): void {
    if (!this.open) return;
    const rows = lines.slice(0, this.height);
    let out = this.shown.length === 0 ? `${ESC}2J` : '';
    rows.forEach((line, row) => {
      if (this.shown[row] !== line) out += `${ESC}${row + 1};1H${line}${ESC}K`;
    });
    for (let row = rows.length; row < this.shown.length; row++) out += `${ESC}${row + 1};1H${ESC}K`;
    this.shown = rows;
    if (out !== '') this.output.write(out);
  }

  private readonly forget = (): void => {
    this.shown = [];
  };
}
