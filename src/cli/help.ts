import { COMMON_HELP, type Command, type OptionHelp } from './command.ts';

export function overview(commands: readonly Command[]): string {
  const rows = commands.map((command): [string, string] => [
    `${command.words} ${command.arguments}`.trim(),
    command.summary,
  ]);
  return `rondo: look at and work with a running cluster daemon (Rondo's or stock Corosync's).

usage: rondo COMMAND [ARGUMENTS] [OPTIONS]

commands:
${table(rows)}
options of every command:
${optionTable(COMMON_HELP)}
exit status: 0 done · 1 refused or failed · 2 wrong usage · 3 no daemon reachable · 4 --check found a problem · 130 interrupted
More about one command: rondo COMMAND --help. Version: rondo --version
`;
}

export function commandHelp(command: Command): string {
  const parts = [`${usageLine(command)}\n\n${command.summary}.\n`];
  if (command.details !== '') parts.push(`\n${command.details}\n`);
  parts.push(`\noptions:\n${optionTable([...command.optionHelp, ...COMMON_HELP])}`);
  if (command.examples.length > 0) parts.push(`\nexamples:\n${command.examples.map((line) => `  ${line}\n`).join('')}`);
  return parts.join('');
}

export function groupHelp(word: string, commands: readonly Command[]): string {
  return `commands of rondo ${word}:\n${table(
    commands.map((command): [string, string] => [`${command.words} ${command.arguments}`.trim(), command.summary]),
  )}`;
}

export const usageLine = (command: Command): string =>
  ['usage: rondo', command.words, command.arguments, '[options]'].filter((part) => part !== '').join(' ');

const optionTable = (options: readonly OptionHelp[]): string => table(options.map(({ flag, text }) => [flag, text]));

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)));
  return rows
    .map(([left, right]) =>
      left.length > width ? `  ${left}\n  ${' '.repeat(width)}  ${right}\n` : `  ${left.padEnd(width)}  ${right}\n`,
    )
    .join('');
}
