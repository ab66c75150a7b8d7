import { COMMON_OPTIONS, type Command } from './command.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** An option as a shell completes it. */
interface Flag {
  readonly long: string;
  readonly short: string | null;
  readonly takesValue: boolean;
  readonly text: string;
}

/** The options of a command, those that all have included; their texts are those of the help. */
function flagsOf({ options, optionHelp }: Pick<Command, 'options' | 'optionHelp'>): readonly Flag[] {
  return Object.entries({ ...options, ...COMMON_OPTIONS }).map(([long, { type, ...rest }]) => {
    const short = 'short' in rest && typeof rest.short === 'string' ? rest.short : null;
    const help = optionHelp.find(({ flag }) => new RegExp(`--${long}\\b`).test(flag));
    return { long, short, takesValue: type === 'string', text: help?.text ?? '' };
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

const flagWords = (command: Command): string =>
  flagsOf(command)
    .flatMap(({ long, short }) => (short === null ? [`--${long}`] : [`--${long}`, `-${short}`]))
    .join(' ');

function bashScript(commands: readonly Command[]): string {
  const tree = words(commands);
  const seconds = [...tree].filter(([, rest]) => rest.length > 0);
  return `# bash completion of rondo: source <(rondo completion bash), or put it into /etc/bash_completion.d/rondo
_rondo() {
  local word=\${COMP_WORDS[COMP_CWORD]} first=\${COMP_WORDS[1]:-} second=\${COMP_WORDS[2]:-}
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
  if [[ $word == -* ]]; then
    case "$first $second" in
${inLength(commands)
  .map(
    (command) =>
      `      '${command.words}'${command.words.includes(' ') ? '' : "' '*"}) COMPREPLY=($(compgen -W '${flagWords(command)}' -- "$word")) ;;`,
  )
  .join('\n')}
    esac
    return
  fi
  COMPREPLY=($(compgen -f -- "$word"))
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

function zshScript(commands: readonly Command[]): string {
  const tree = words(commands);
  const summaryOf = (text: string): string =>
    commands.find((command) => command.words === text)?.summary ?? `commands of ${text}`;
  const options = (command: Command): string =>
    flagsOf(command)
      .flatMap(({ long, short, takesValue, text }) => {
        const tail = `[${plain(text)}]${takesValue ? ':value:' : ''}`;
        return [`'--${long}${takesValue ? '=' : ''}${tail}'`, ...(short === null ? [] : [`'-${short}${tail}'`])];
      })
      .join(' ');
  return `#compdef rondo
# zsh completion of rondo: rondo completion zsh >/usr/local/share/zsh/site-functions/_rondo
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
      `    '${command.words}'${command.words.includes(' ') ? '' : "' '*"}) _arguments -s ${options(command)} '*:file:_files' ;;`,
  )
  .join('\n')}
  esac
}
_rondo "$@"
`;
}

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
    const here =
      second === undefined
        ? `__fish_seen_subcommand_from ${first}`
        : `__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${second}`;
    if (second !== undefined) {
      const others = tree.get(first)?.join(' ') ?? '';
      lines.push(
        `complete -c rondo -n '__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${others}' -a ${second} -d ${quoted(command.summary)}`,
      );
    }
    for (const { long, short, takesValue, text } of flagsOf(command))
      lines.push(
        `complete -c rondo -n '${here}' -l ${long}${short === null ? '' : ` -s ${short}`}${takesValue ? ' -r' : ''} -d ${quoted(text)}`,
      );
  }
  return `${lines.join('\n')}\n`;
}
