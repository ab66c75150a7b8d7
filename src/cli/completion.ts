import { COMMON_HELP, COMMON_OPTIONS, type Command } from './command.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What may stand in a place: files, one of some words, or something that no shell knows. */
type Value = { readonly kind: 'file' | 'free' } | { readonly kind: 'choice'; readonly choices: readonly string[] };

/** An option as a shell completes it. */
interface Flag {
  readonly long: string;
  readonly short: string | null;
  /** `null`: it takes none. */
  readonly value: Value | null;
  readonly text: string;
}

/** By what the help calls the place: `FILE…`, `text|hex|base64`. */
function placeValue(place: string): Value {
  const choices = /(?:^|[ [])([a-z0-9]+(?:\|[a-z0-9]+)+)\]?$/.exec(place)?.[1]?.split('|');
  if (choices !== undefined) return { kind: 'choice', choices };
  return { kind: /\bFILE/.test(place) ? 'file' : 'free' };
}

/** The options of a command, those that all have included; their texts are those of the help. */
function flagsOf({ options, optionHelp }: Pick<Command, 'options' | 'optionHelp'>): readonly Flag[] {
  return Object.entries({ ...options, ...COMMON_OPTIONS }).map(([long, { type, ...rest }]) => {
    const short = 'short' in rest && typeof rest.short === 'string' ? rest.short : null;
    const help = [...optionHelp, ...COMMON_HELP].find(({ flag }) => new RegExp(`--${long}\\b`).test(flag));
    return { long, short, value: type === 'string' ? placeValue(help?.flag ?? '') : null, text: help?.text ?? '' };
  });
}

/** A script that completes commands, their second words and their options; nothing is asked of a daemon. */
export function completionScript(shell: Shell, commands: readonly Command[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(commands);
    case 'zsh':
      return zshScript(commands);
    case 'fish':
      return fishScript(commands);
  }
}

/** First word → second words; a command of one word has none. */
function words(commands: readonly Command[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const { words: text } of commands) {
    const [first = '', ...rest] = text.split(' ');
    const seconds = found.get(first) ?? [];
    if (rest.length > 0) seconds.push(rest.join(' '));
    found.set(first, seconds);
  }
  return found;
}

const namesOf = ({ long, short }: Flag): readonly string[] =>
  short === null ? [`--${long}`] : [`--${long}`, `-${short}`];
const flagWords = (command: Command): string => flagsOf(command).flatMap(namesOf).join(' ');

/** A pattern of `case "$first $second"`. */
const bashPattern = ({ words: text }: Command): string => `'${text}'${text.includes(' ') ? '' : "' '*"}`;

const bashValue = (value: Value): string =>
  value.kind === 'choice'
    ? `COMPREPLY=($(compgen -W '${value.choices.join(' ')}' -- "$word"))`
    : value.kind === 'file'
      ? 'COMPREPLY=($(compgen -f -- "$word"))'
      : ':';

/** What follows an option that takes a value. */
function bashValues(command: Command): string {
  const cases = flagsOf(command).flatMap((flag) =>
    flag.value === null ? [] : [`${namesOf(flag).join('|')}) ${bashValue(flag.value)}; return ;;`],
  );
  return `      ${bashPattern(command)}) case $before in ${cases.join(' ')} esac ;;`;
}

function bashScript(commands: readonly Command[]): string {
  const tree = words(commands);
  const seconds = [...tree].filter(([, rest]) => rest.length > 0);
  return `# bash completion of rondo: source <(rondo completion bash), or put it into /etc/bash_completion.d/rondo
_rondo() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} first=\${COMP_WORDS[1]:-} second=\${COMP_WORDS[2]:-}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${[...tree.keys()].join(' ')}' -- "$word"))
    return
  fi
  if [ "$COMP_CWORD" -eq 2 ] && [[ $word != -* ]]; then
    case $first in
${seconds.map(([first, rest]) => `      ${first}) COMPREPLY=($(compgen -W '${rest.join(' ')}' -- "$word")) ;;`).join('\n')}
    esac
    [ \${#COMPREPLY[@]} -gt 0 ] && return
  fi
  if [[ $before == -* ]]; then
    case "$first $second" in
${inLength(commands).map(bashValues).join('\n')}
    esac
  fi
  case "$first $second" in
${inLength(commands)
  .map(
    (command) =>
      `    ${bashPattern(command)}) if [[ $word == -* ]]; then COMPREPLY=($(compgen -W '${flagWords(command)}' -- "$word")); else ${bashValue(placeValue(command.arguments))}; fi ;;`,
  )
  .join('\n')}
  esac
}
complete -o filenames -F _rondo rondo
`;
}

/** Longer ones first: \`quorum watch\` before \`quorum\`. */
const inLength = (commands: readonly Command[]): readonly Command[] =>
  [...commands].sort((a, b) => b.words.split(' ').length - a.words.split(' ').length);

/** Within single quotes of a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
/** Within a description of zsh, where colons and brackets mean something. */
const plain = (text: string): string => text.replace(/[[\]:]/g, ' ').replaceAll("'", '’');

const zshAction = (value: Value): string =>
  value.kind === 'choice' ? `(${value.choices.join(' ')})` : value.kind === 'file' ? '_files' : ' ';

function zshScript(commands: readonly Command[]): string {
  const tree = words(commands);
  const summaryOf = (text: string): string =>
    commands.find((command) => command.words === text)?.summary ?? `commands of ${text}`;
  const options = (command: Command): string =>
    flagsOf(command)
      .flatMap(({ long, short, value, text }) => {
        const tail = `[${plain(text)}]${value === null ? '' : `:value:${zshAction(value)}`}`;
        return [`'--${long}${value === null ? '' : '='}${tail}'`, ...(short === null ? [] : [`'-${short}${tail}'`])];
      })
      .join(' ');
  return `#compdef rondo
# zsh completion of rondo: source <(rondo completion zsh) after compinit, or: rondo completion zsh >/usr/local/share/zsh/site-functions/_rondo
_rondo() {
  local -a firsts seconds
  firsts=(
${[...tree.keys()].map((first) => `    '${first}:${plain(summaryOf(first))}'`).join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command firsts; return; fi
  if (( CURRENT == 3 )) && [[ $words[CURRENT] != -* ]]; then
    case $words[2] in
${[...tree]
  .filter(([, rest]) => rest.length > 0)
  .map(
    ([first, rest]) =>
      `      ${first}) seconds=(${rest.map((second) => `'${second}:${plain(summaryOf(`${first} ${second}`))}'`).join(' ')}); _describe command seconds; return ;;`,
  )
  .join('\n')}
    esac
  fi
  case "$words[2] $words[3]" in
${inLength(commands)
  .map(
    (command) =>
      `    '${command.words}'${command.words.includes(' ') ? '' : "' '*"}) _arguments -s ${options(command)} '*:argument:${zshAction(placeValue(command.arguments))}' ;;`,
  )
  .join('\n')}
  esac
}
# Of a directory of $fpath its first call loads it; whoever sources it has it from now on.
if [[ \${funcstack[1]} == _rondo ]]; then _rondo "$@"; else compdef _rondo rondo; fi
`;
}

const fishValue = (value: Value): string =>
  value.kind === 'choice' ? ` -f -a ${quoted(value.choices.join(' '))}` : value.kind === 'file' ? ' -F' : ' -f';

function fishScript(commands: readonly Command[]): string {
  const tree = words(commands);
  const lines = [
    '# fish completion of rondo: rondo completion fish >~/.config/fish/completions/rondo.fish',
    'complete -c rondo -f',
  ];
  const firsts = [...tree.keys()];
  for (const first of firsts) {
    const summary = commands.find((command) => command.words === first)?.summary ?? `commands of ${first}`;
    lines.push(
      `complete -c rondo -n 'not __fish_seen_subcommand_from ${firsts.join(' ')}' -a ${first} -d ${quoted(summary)}`,
    );
  }
  for (const command of commands) {
    const [first = '', second] = command.words.split(' ');
    const others = tree.get(first)?.join(' ') ?? '';
    const seen = `__fish_seen_subcommand_from ${first}`;
    const here =
      second !== undefined
        ? `${seen}; and __fish_seen_subcommand_from ${second}`
        : others === ''
          ? seen
          : `${seen}; and not __fish_seen_subcommand_from ${others}`;
    if (second !== undefined) {
      lines.push(
        `complete -c rondo -n '__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${others}' -a ${second} -d ${quoted(command.summary)}`,
      );
    }
    const argument = placeValue(command.arguments);
    if (argument.kind !== 'free') lines.push(`complete -c rondo -n '${here}'${fishValue(argument)}`);
    for (const { long, short, value, text } of flagsOf(command))
      lines.push(
        `complete -c rondo -n '${here}' -l ${long}${short === null ? '' : ` -s ${short}`}${value === null ? '' : ` -r${fishValue(value)}`} -d ${quoted(text)}`,
      );
  }
  return `${lines.join('\n')}\n`;
}
