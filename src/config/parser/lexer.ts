/**
 * Lines of a corosync.conf as stock cuts them (config-and-tools.md 1.2): bytes, at most 510 of them in a line, a NUL
 * ends the line's text, `{` anywhere makes a section, then `:` anywhere makes an item, then `}`.
 *
 * Text is held with one character per byte (latin1), so that every byte survives and columns are byte columns.
 */
export const LINE_BYTES_MAX = 510;

/** Longest `section.path.key`, one less for each separator (1.4). */
export const PATH_BYTES_MAX = 255;

export type LexErrorKind =
  | 'lineTooLong'
  | 'missingSectionName'
  | 'textAfterBrace'
  | 'textAroundClosingBrace'
  | 'notASectionOrKey';

export interface SectionToken {
  readonly kind: 'open';
  readonly line: number;
  readonly column: number;
  readonly name: string;
}
export interface CloseToken {
  readonly kind: 'close';
  readonly line: number;
  readonly column: number;
}
export interface ItemToken {
  readonly kind: 'item';
  readonly line: number;
  readonly column: number;
  readonly key: string;
  readonly value: string;
  readonly valueColumn: number;
  /** The value of an item `key`, where it lies in the file's bytes: it may be a key, and `value` is empty then. */
  readonly secret?: Uint8Array;
}
export interface ErrorToken {
  readonly kind: 'error';
  readonly line: number;
  readonly column: number;
  readonly error: LexErrorKind;
  /** The line, for hints. */
  readonly text: string;
}
/** The last token; its line is the last line of the file. */
export interface EndToken {
  readonly kind: 'end';
  readonly line: number;
  readonly column: number;
}
export type ConfigToken = SectionToken | CloseToken | ItemToken | ErrorToken | EndToken;

const isBlank = (char: string | undefined): boolean => char === ' ' || char === '\t';

function skipBlanks(text: string, from: number): number {
  while (isBlank(text[from])) from++;
  return from;
}

/** Trims blanks on both sides and, at the end, `:` and `{`. As in stock the first character is never trimmed away. */
function trimName(text: string): { readonly name: string; readonly start: number } {
  const start = skipBlanks(text, 0);
  let end = text.length - 1;
  while (end > start && (isBlank(text[end]) || text[end] === ':' || text[end] === '{')) end--;
  return { name: text.slice(start, end + 1), start };
}

/** Cuts one token out of a line without its line end; `null` for a blank line or a comment. */
function lexLine(raw: string, line: number): ConfigToken | null {
  let end = raw.length;
  if (raw[end - 1] === '\r') end--;
  while (end > 0 && isBlank(raw[end - 1])) end--;
  const text = raw.slice(0, end);
  const first = skipBlanks(text, 0);
  if (first === text.length || text[first] === '#') return null;

  const brace = text.indexOf('{');
  if (brace >= 0) {
    const rest = skipBlanks(text, brace + 1);
    // The text before the brace, as stock finds it: all but the last character before the rest of the line.
    const { name, start } = trimName(text.slice(0, rest - 1));
    if (name === '') return { kind: 'error', line, column: brace + 1, error: 'missingSectionName', text };
    if (rest < text.length) return { kind: 'error', line, column: rest + 1, error: 'textAfterBrace', text };
    return { kind: 'open', line, column: start + 1, name };
  }

  const colon = text.indexOf(':');
  if (colon >= 0) {
    const valueAt = skipBlanks(text, colon + 1);
    const { name, start } = trimName(text.slice(0, valueAt - 1));
    return { kind: 'item', line, column: start + 1, key: name, value: text.slice(valueAt), valueColumn: valueAt + 1 };
  }

  const close = text.indexOf('}');
  if (close >= 0) {
    if (text.slice(first) === '}') return { kind: 'close', line, column: close + 1 };
    const column = (first === close ? skipBlanks(text, close + 1) : first) + 1;
    return { kind: 'error', line, column, error: 'textAroundClosingBrace', text };
  }
  return { kind: 'error', line, column: first + 1, error: 'notASectionOrKey', text };
}

const NAME_OF_SECRETS = Uint8Array.from('key', (char) => char.charCodeAt(0));
const [BLANK, TAB, CR, COLON, BRACE] = [0x20, 0x09, 0x0d, 0x3a, 0x7b];

/**
 * An item `key` without making a string of its line: strings cannot be overwritten. `null`: another line. The rules are
 * those of `lexLine`.
 */
function lexSecret(bytes: Uint8Array, line: number): ItemToken | null {
  const blank = (byte: number | undefined): boolean => byte === BLANK || byte === TAB;
  let first = 0;
  while (blank(bytes[first])) first++;
  if (!NAME_OF_SECRETS.every((byte, i) => bytes[first + i] === byte)) return null;
  let colon = first + NAME_OF_SECRETS.length;
  while (blank(bytes[colon])) colon++;
  if (bytes[colon] !== COLON || bytes.includes(BRACE)) return null;
  let end = bytes.length;
  if (bytes[end - 1] === CR) end--;
  while (end > 0 && blank(bytes[end - 1])) end--;
  let valueAt = colon + 1;
  while (valueAt < end && blank(bytes[valueAt])) valueAt++;
  const secret = bytes.subarray(valueAt, end);
  return { kind: 'item', line, column: first + 1, key: 'key', value: '', valueColumn: valueAt + 1, secret };
}

/** All tokens of a file. An error token does not end the sequence: the next line is read as if it stood alone. */
export function* lexConfig(bytes: Uint8Array): Generator<ConfigToken> {
  let line = 0;
  let at = 0;
  while (at < bytes.length) {
    line++;
    const newline = bytes.indexOf(10, at);
    const lineEnd = newline < 0 ? bytes.length : newline;
    // What fits into the buffer of 512 bytes, the newline and a NUL included.
    const chunkEnd = Math.min(lineEnd, at + LINE_BYTES_MAX + 1);
    const nul = bytes.subarray(at, chunkEnd).indexOf(0);
    const secret = nul >= 0 || chunkEnd < lineEnd ? null : lexSecret(bytes.subarray(at, chunkEnd), line);
    if (secret !== null && chunkEnd - at <= LINE_BYTES_MAX) {
      at = lineEnd + 1;
      yield secret;
      continue;
    }
    const text = latin1(bytes.subarray(at, nul < 0 ? chunkEnd : at + nul));
    const atFileEnd = newline < 0 && lineEnd - at <= LINE_BYTES_MAX;
    at = lineEnd + 1;
    if (text === '' && nul === 0) continue;
    const tooLong = nul >= 0 ? !atFileEnd : text.length > LINE_BYTES_MAX;
    const token: ConfigToken | null = tooLong
      ? { kind: 'error', line, column: (nul >= 0 ? nul : LINE_BYTES_MAX) + 1, error: 'lineTooLong', text }
      : lexLine(text, line);
    if (token !== null) yield token;
  }
  yield { kind: 'end', line, column: 1 };
}

/** One character per byte. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

/** The bytes of a latin1 text. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
