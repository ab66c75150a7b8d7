import { COMMON_HELP, type Command, type OptionHelp } from './command.ts';

/** Text of a man page: what begins a line or means something to roff is taken literally. */
const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');

const optionList = (options: readonly OptionHelp[]): string =>
  options.map(({ flag, text }) => `.TP\n.B ${roff(flag)}\n${roff(text)}`).join('\n');

function section({ words, arguments: names, summary, details, optionHelp, examples }: Command): string {
  const parts = [`.SS rondo ${roff(words)} ${roff(names)}`, `${roff(summary)}.`];
  if (details !== '') parts.push('.PP', roff(details));
  if (optionHelp.length > 0) parts.push(optionList(optionHelp));
  if (examples.length > 0) parts.push('.PP\n.nf', ...examples.map((line) => roff(line)), '.fi');
  return parts.join('\n');
}

/** man/rondo.1, of the table of commands. */
export const manualPage = (
  commands: readonly Command[],
): string => `.\\" Made from the commands in src/cli/commands: node scripts/write-docs.mjs
.TH RONDO 1
.SH NAME
rondo \\- look at and work with a running cluster daemon
.SH SYNOPSIS
.B rondo
.I COMMAND
.RI [ ARGUMENTS ]
.RI [ OPTIONS ]
.SH DESCRIPTION
It talks to the daemon of this host over its IPC, Rondo\\(aqs or stock Corosync\\(aqs.
.SH OPTIONS
Of every command:
${optionList(COMMON_HELP)}
.SH COMMANDS
${commands.map(section).join('\n')}
.SH EXIT STATUS
0 done; 1 the daemon refused, or the thing asked for does not exist; 2 wrong usage; 3 no daemon reachable; 4 the state is not what was asked for; 130 interrupted.
.SH SEE ALSO
.BR corosync.conf (5),
.BR corosync (8)
`;
