import { KIND_CHARACTERS } from '../../src/lib/line-limit.ts';
import type { Source } from './sources.ts';

/** A call of a log function with its level, and what its arguments begin with. */
const CALL = /\b(?:log|write)\(\s*'(?:emerg|alert|crit|error|warning|notice|info|debug|trace)',\s*(?:'\w+'|\w+),\s*/g;
/** The same where a program has one subsystem only: arbiter, device. */
const SHORT_CALL = /\blog\(\s*'(?:emerg|alert|crit|error|warning|notice|info|debug|trace)',\s*(?=[`\w][^']*?[`)])/g;
/** Variables that are numbers or words of ours: they make few kinds. */
const HARMLESS =
  /^(?:nodeId|serviceId|service|fn|count|bytes|messageBytes|pid|uid|gid|ms|seconds|linkId|model|slot|wanted|limits|provider\.name|engine\.\w+|service\.description|(?:message|event|load|options|at)\.\w+|this\.timeoutSec|kind\.\w+|hex\(.*|Math\..*|String\(\w+\)|\w+_MS_MAX|\w+_VERSION|ExitCode\.\w+|what|address|this\.replica\.entries\.size)$/;
/** Texts that begin with words of ours, or that only a start says. */
const OURS =
  /^(?:text|line|notice|message|refusal|wait|why|FIREWALL_TEXT|exit\.message|error\.(?:message|stockMessage)|warning\.stockMessage)$/;
/** Files whose lines come once: of the start, and of service modules that the configuration names. */
const START = /^src\/(?:daemon\/main|services\/host\/engine-modules)\.ts$/;

function* shortCalls({ text }: Source): Generator<RegExpExecArray, void, undefined> {
  for (const match of text.matchAll(SHORT_CALL)) {
    const rest = text.slice(match.index + match[0].length);
    if (rest.startsWith('`') || /^[\w.]+\s*\)/.test(rest)) yield match;
  }
}

/**
 * Log lines whose kind others could choose: a template with a variable text within the characters that make the kind
 * (`src/lib/line-limit.ts`), and no kind named. Everything that is logged is limited by kind; a kind that a client or a member chooses
 * would have an allowance of its own each time.
 */
export function openKinds(source: Source): readonly string[] {
  const found: string[] = [];
  if (START.test(source.path)) return found;
  for (const match of [...source.text.matchAll(CALL), ...shortCalls(source)]) {
    const at = (match.index ?? 0) + match[0].length;
    const rest = source.text.slice(at, at + 600);
    const line = source.text.slice(0, at).split('\n').length;
    const whole = /^(?!')([\w.?]+)(?: \?\? \w+\(\w+\))?\s*\)/.exec(rest);
    if (whole !== null && !OURS.test(whole[1] ?? '')) found.push(`${source.path}:${line}: ${whole[1]}`);
    if (!rest.startsWith('`')) continue;
    const template = /^`((?:[^`\\]|\\.|\$\{[^}]*\})*)`(,)?/.exec(rest);
    if (template === null || template[2] !== undefined) continue;
    const early = [...(template[1] ?? '').matchAll(/\$\{([^}]*)\}/g)].filter(
      (variable) =>
        variable.index < KIND_CHARACTERS && ![HARMLESS, OURS].some((harmless) => harmless.test(variable[1] ?? '')),
    );
    for (const variable of early) found.push(`${source.path}:${line}: \${${variable[1]}}`);
  }
  return found;
}
