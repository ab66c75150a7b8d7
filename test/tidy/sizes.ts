import type { Source } from './sources.ts';

export interface FunctionSize {
  readonly where: string;
  readonly name: string;
  readonly lines: number;
}

const OPENERS = [
  /^(?:export )?(?:default )?(?:async )?function\*? ?(\w*)/,
  /^(?:(?:public|private|protected|static|override|async|get|set) )*\*?(#?\w+)(?:<.*>)?\(.*\{$/,
  /^(?:export )?(?:const|let) (\w+)(?:: .*)? = (?:async )?(?:\(.*|\w+) ?=>.*\{$/,
  /^(?:readonly |private |static )*(#?\w+)(?:: .*)? = (?:async )?\(.*=> \{$/,
];
const NOT_FUNCTIONS = /^(?:if|for|while|switch|catch|return|else|do|with|new|await|throw|super|function)$/;

/**
 * The functions of a file with the lines of their bodies. It relies on the formatter: a body ends at the first line
 * that starts with `}` at the indentation of the line that opened it.
 */
export function functionSizes(source: Source): readonly FunctionSize[] {
  const found: FunctionSize[] = [];
  source.lines.forEach((line, start) => {
    const indent = /^ */.exec(line)?.[0] ?? '';
    const name = nameOfFunction(line.slice(indent.length));
    if (name === null) return;
    const end = source.lines.findIndex((other, at) => at > start && other.startsWith(`${indent}}`));
    if (end > start) found.push({ where: `${source.path}:${start + 1}`, name, lines: end - start - 1 });
  });
  return found;
}

function nameOfFunction(text: string): string | null {
  for (const opener of OPENERS) {
    const name = opener.exec(text)?.[1];
    if (name !== undefined && !NOT_FUNCTIONS.test(name)) return name === '' ? 'anonymous' : name;
  }
  return null;
}
