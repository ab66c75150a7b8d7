import { printable, printableJson } from '../lib/printable.ts';
import type { CommandContext } from './command.ts';

/** Values that JSON has no form for: bigints become numbers where exact, else strings; bytes become base64. */
export function jsonText(value: unknown, indent = 0): string {
  const text = JSON.stringify(
    value,
    (_key, item: unknown) => {
      if (typeof item === 'bigint') return Number.isSafeInteger(Number(item)) ? Number(item) : item.toString();
      if (item instanceof Uint8Array) return Buffer.from(item).toString('base64');
      return item;
    },
    indent,
  );
  return printableJson(text);
}

/** One whole result: pretty JSON, or lines of text. */
export function emit(context: CommandContext, value: unknown, lines: () => readonly string[]): void {
  if (context.json) context.io.out(`${jsonText(value, 2)}\n`);
  else for (const line of lines()) context.io.out(`${printable(line)}\n`);
}

/** One item of a stream: a line, JSON or text. */
export function emitItem(context: CommandContext, value: unknown, line: string): void {
  context.io.out(`${context.json ? jsonText(value) : printable(line)}\n`);
}

/** Columns padded to their widest cell; numbers to the right. */
export function table(header: readonly string[], cells: readonly (readonly (string | number)[])[]): string[] {
  const rows = cells.map((row) => row.map((cell) => (typeof cell === 'number' ? cell : printable(cell))));
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => String(row[column] ?? '').length)),
  );
  const line = (row: readonly (string | number)[]): string =>
    row
      .map((cell, column) =>
        typeof cell === 'number' ? String(cell).padStart(widths[column]!) : String(cell).padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd();
  return [line(header), ...rows.map(line)];
}
