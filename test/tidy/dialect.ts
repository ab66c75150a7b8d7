import type { Source } from './sources.ts';

/** Functions return, and requests get responses; facts are logged or reported; threads stall. */
const DIALECT =
  /^(?:answer|tell|told|goes|standsStill)(?:s|ed|ing)?(?![a-z])|(?:Answer|Tell|Told|StandsStill)(?:s|ed|ing)?(?![a-z])|(?:^|_)(?:ANSWER|TELL|TOLD)(?:S|ED)?(?:_|$)/;
const STRINGS = /'(?:[^'\\\n]|\\.)*'/g;
const TEMPLATES = /`(?:[^`\\]|\\.)*`/g;
/** A slash that cannot divide: the texts that tests match are not names. */
const PATTERNS = /(?<=[(,=:[!&|?{};]\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/g;
const COMMENTS = /\/\*[\s\S]*?\*\/|(^|[\s;{}(,])\/\/.*$/gm;

/** Identifiers that use words of the house instead of the field's. */
export function dialectNames({ path, text }: Source): readonly string[] {
  const code = text
    .replace(COMMENTS, '$1')
    .replace(STRINGS, "''")
    .replace(PATTERNS, '')
    .replace(TEMPLATES, (template) => [...template.matchAll(/\$\{([^}]*)\}/g)].map(([, inner]) => inner).join(' '));
  const names = [...code.matchAll(/[A-Za-z_$][\w$]*/g)].map(([name]) => name);
  return [...new Set(names)].filter((name) => DIALECT.test(name)).map((name) => `${path}: ${name}`);
}
