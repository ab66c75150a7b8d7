import type { Source } from './sources.ts';

/** Functions return, and requests get responses; facts are logged or reported; threads stall. */
const DIALECT =
  /^(?:answer|tell|told|goes|say(?=[A-Z])|stand(?:s|ing)?Still)(?:s|ed|ing)?(?![a-z])|(?:Answer|Tell|Told|Stand(?:s|ing)?Still)(?:s|ed|ing)?(?![a-z])|(?:^|_)(?:ANSWER|TELL|TOLD|STANDING_STILL)(?:S|ED)?(?:_|$)/;
/** The same in texts that users read: logs, errors, help, option documentation. */
const DIALECT_TEXT = /\b(?:answer(?:s|ed|ing)?|is told|are told|(?:stands?|standing) still)\b/i;
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

/** Texts of programs that use words of the house. */
export function dialectTexts({ path, text }: Source): readonly string[] {
  const code = text.replace(COMMENTS, '$1');
  const texts = [...code.matchAll(STRINGS), ...code.matchAll(TEMPLATES)].map(([literal]) => literal);
  return texts.filter((literal) => DIALECT_TEXT.test(literal)).map((literal) => `${path}: ${literal}`);
}
