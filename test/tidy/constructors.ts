import type { Source } from './sources.ts';

const BEGINS = /^( +)(?:private |protected )?constructor\(/;
/** Timers, files, sockets, other threads: what a `start`, `open` or `listen` does. */
const ACTS =
  /\b(?:setTimeout|setInterval|setImmediate|[a-z]\w*Sync|openSocket|bindSocket|listenSocket|openTimerfd|createServer|createConnection|fork|spawn|new Worker)\(/;

/**
 * Constructors that act: an object that is only made has no timer, file or socket that somebody must end. Functions that a constructor
 * makes for later do not count. It relies on the formatter, as `functionSizes` does.
 */
export function actingConstructors({ path, lines }: Source): readonly string[] {
  const found: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const indent = BEGINS.exec(lines[at]!)?.[1];
    if (indent === undefined) continue;
    let later: string | null = null;
    for (; at < lines.length && !lines[at]!.startsWith(`${indent}}`); at++) {
      const line = lines[at]!;
      if (later !== null) {
        if (line.startsWith(`${later}}`)) later = null;
        continue;
      }
      if (/=> \{$/.test(line)) later = /^ */.exec(line)![0];
      if (ACTS.test(line.replace(/=>.*$/, ''))) found.push(`${path}:${at + 1}`);
      if (/\{\}$/.test(line)) break; // nothing but parameters
    }
  }
  return found;
}
