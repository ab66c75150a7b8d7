import type { LexErrorKind } from './lexer.ts';

/** Stock's texts for mistakes of the grammar (config-and-tools.md 1.4). */
export const LEX_ERROR_TEXT: Readonly<Record<LexErrorKind, string>> = {
  lineTooLong: 'Line too long',
  missingSectionName: "Missing section name before opening bracket '{'",
  textAfterBrace: "Extra characters after opening bracket '{'",
  textAroundClosingBrace: "Extra characters before or after closing bracket '}'",
  notASectionOrKey: 'Line is not opening or closing section or key value',
};

/** What to do about a mistake of the grammar. */
export function lexErrorHint(error: LexErrorKind, text: string): string {
  switch (error) {
    case 'lineTooLong':
      return text.includes('\0') || text.length <= 510
        ? 'The line holds a NUL byte; a configuration file is text'
        : 'At most 510 bytes fit into a line, comments included';
    case 'missingSectionName':
      return 'The name of the section stands before the brace, on the same line';
    case 'textAfterBrace': {
      const colon = text.indexOf(':');
      if (colon >= 0 && colon < text.indexOf('{') && text.slice(colon + 1, text.indexOf('{')).trim() !== '') {
        return 'A line with { always opens a section; a value cannot contain {';
      }
      return text.slice(text.indexOf('{')).includes('#')
        ? 'A comment needs a line of its own'
        : 'Options of the section stand on the following lines';
    }
    case 'textAroundClosingBrace':
      return text.includes('#') ? 'A comment needs a line of its own' : 'The closing brace stands alone on its line';
    case 'notASectionOrKey':
      if (/^\s*\{?\s*$/.test(text)) return 'The opening brace stands on the line of the section name';
      return text.includes('=')
        ? 'Write KEY: VALUE, with a colon'
        : 'A line is SECTION {, KEY: VALUE, } or a comment that starts with #';
  }
}

const NAMED_BYTES: readonly (readonly [string, string])[] = [
  ['\xef\xbb\xbf', 'a byte order mark (U+FEFF)'],
  ['\xc2\xa0', 'a non-breaking space (U+00A0)'],
  ['\xa0', 'a non-breaking space (U+00A0)'],
  ['\xe2\x80\x8b', 'a zero-width space (U+200B)'],
  ['\xe2\x80\x93', 'an en dash (U+2013)'],
  ['\xe2\x80\x94', 'an em dash (U+2014)'],
  ['\xe2\x80\x98', 'a typographic quote (U+2018)'],
  ['\xe2\x80\x99', 'a typographic quote (U+2019)'],
  ['\xe2\x80\x9c', 'a typographic quote (U+201C)'],
  ['\xe2\x80\x9d', 'a typographic quote (U+201D)'],
  ['\xe2\x80\xaf', 'a narrow non-breaking space (U+202F)'],
  [' ', 'a blank'],
  ['\t', 'a tab'],
  ['\r', 'a carriage return'],
];

export interface Offender {
  readonly index: number;
  /** For people, e.g. `a non-breaking space (U+00A0)`. */
  readonly name: string;
}

/** The first character of a key that the map does not take, with a name for it. */
export function findOffender(key: string): Offender | null {
  const index = key.search(/[^A-Za-z0-9._\-/:]/);
  if (index < 0) return null;
  for (const [bytes, name] of NAMED_BYTES) if (key.startsWith(bytes, index)) return { index, name };
  const code = key.charCodeAt(index);
  const name =
    code > 0x20 && code < 0x7f ? `the character ${key[index]}` : `the byte 0x${code.toString(16).padStart(2, '0')}`;
  return { index, name };
}
