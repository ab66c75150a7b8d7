const BLANK = /[ \f\t\v]/;

/** Words of a command line of the control sockets (qnet.md 7): blanks separate, a backslash takes the next character, quotes hold blanks. */
export function controlWords(line: string): readonly string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (char === '\n' || char === '\r') break;
    if (quoted) {
      if (char === '"') quoted = false;
      else if (char === '\\' && (line[at + 1] === '"' || line[at + 1] === '\\')) word += line[++at]!;
      else word += char;
    } else if (BLANK.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (char === '"') {
      quoted = true;
      word ??= '';
    } else if (char === '\\') {
      const next = line[at + 1];
      if (next !== undefined && next !== '\n' && next !== '\r') {
        word = (word ?? '') + next;
        at++;
      }
    } else word = (word ?? '') + char;
  }
  if (word !== null) words.push(word);
  return words;
}

/** A word in quotes. */
export const quotedWord = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;
