/** What others may have put into a text: characters that move the cursor, forge lines, run the terminal or reorder what is read. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const code = (char: string): string => {
  const value = char.charCodeAt(0);
  return value > 0xff ? `\\u${value.toString(16).padStart(4, '0')}` : `\\x${value.toString(16).padStart(2, '0')}`;
};

/**
 * A text of others, for a terminal: control characters (C0, DEL, C1), line and paragraph separators, and the marks that reorder text
 * are shown by their codes.
 */
export const printable = (text: string): string => text.replace(UNSAFE, code);

/** The same for text of several lines of our own. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

/** The same for one line of a log, which may hold tabs. */
export const printableLine = (text: string): string => text.split('\t').map(printable).join('\t');

/** JSON leaves DEL, C1 and the others as they are; as escapes they mean the same to every reader. */
export const printableJson = (json: string): string =>
  json.replace(/[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
