// The reference of what programs import, out of the declaration files of the build: comments and declarations as they are there.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const FROM = /^export (?:(\*)(?: as (\w+))?|(?:type )?\{([^}]*)\}) from '(\.[^']+)';/gm;
const DECLARED =
  /((?:^\/\*\*(?:[^*]|\*(?!\/))*\*\/\n)?)^export (?:declare )?(?:abstract )?(class|interface|type|function|const|enum) (\w+)/gm;

/** What an entry exports, in the order of its text: name → { comment, kind, code }. */
export function exportsOf(file) {
  const text = readFileSync(file, 'utf8');
  const found = new Map(declarationsOf(text));
  for (const [, all, alias, names, path] of text.matchAll(FROM)) {
    const target = exportsOf(join(dirname(file), path.replace(/\.ts$/, '.d.ts')));
    if (all !== undefined)
      for (const [name, entry] of target) found.set(alias === undefined ? name : `${alias}.${name}`, entry);
    for (const [, name, renamed] of (names ?? '').matchAll(/(?:type )?(\w+)(?: as (\w+))?/g))
      if (target.has(name)) found.set(renamed ?? name, target.get(name));
  }
  return found;
}

function* declarationsOf(text) {
  for (const { 0: all, 1: comment, 2: kind, 3: name, index } of text.matchAll(DECLARED)) {
    const start = index + comment.length;
    yield [name, { comment: bare(comment), kind, code: visible(text.slice(start, endOf(text, index + all.length))) }];
  }
}

/** Declarations end with their line at depth 0; comments and texts in them have balanced brackets or none. */
function endOf(text, from) {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if (text.startsWith('/*', at)) at = text.indexOf('*/', at) + 1;
    else if ('{(['.includes(text[at])) depth++;
    else if ('})]'.includes(text[at])) depth--;
    else if (
      text[at] === '\n' &&
      depth === 0 &&
      /[;}]$/.test(text.slice(from, at).trimEnd()) &&
      !/^\s*[|&]/.test(text.slice(at + 1))
    )
      return at;
  }
  return text.length;
}

/** Without what is nobody's business: private members, and what is marked as internal, with their comments. */
const visible = (code) =>
  code
    .replace(/^ +\/\*\* @internal[^\n]*\*\/\n(?:(?! {4}\S).*\n)* {4}[^\n]*;\n/gm, '')
    .replace(/^(?: +\/\*\*(?:[^*]|\*(?!\/))*\*\/\n)? {4}(?:private|protected)[^\n;]*(?:\{[^}]*\}[^\n;]*)?;\n/gm, '');

/** The text of a comment. */
const bare = (comment) =>
  comment
    .replace(/^\/\*\*|\*\/\s*$/g, '')
    .replace(/^\s*\* ?/gm, '')
    .trim();
