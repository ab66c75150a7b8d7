import { OPTIONS } from './index.ts';
import { defaultText, type OptionSpec, type ProgramLists, type ReloadEffect, rangeText } from './option.ts';

const INTRODUCTION = `# corosync.conf

Made from the option table in \`src/config/options\`; to change it, change the table and run \`node scripts/write-docs.mjs\`.

The daemon reads stock's file, by default \`/etc/corosync/corosync.conf\`, and every file of \`uidgid.d\` beside it (sections \`uidgid\` only).
\`rondo config check FILE\` and \`rondod -t -c FILE\` check a file: they judge it as \`corosync -t\` does, and say where a mistake is, and what looks like one.

\`\`\`
file    = lines of at most 510 bytes
section = NAME {  …  }        the brace on the line of the name, the closing brace on a line of its own
option  = KEY: VALUE          the value goes to the end of the line: no quotes, no escapes, no comment after it
comment = # …                 on a line of its own
\`\`\`

A key that is given again replaces the earlier value (inside of \`logger_subsys\` the first one counts). Unknown keys are stored in the map and reported by the check.
Numbers are decimal, without units. 0 means "the default" for most timings.

## Derived timings

With n nodes that have \`ring0_addr\`; each result is cut to an integer, explicit values are taken as they are:

\`\`\`
token in force   = token + (n > 2 ? (n - 2) * token_coefficient : 0)
token_retransmit = token in force / (token_retransmits_before_loss_const + 0.2)
hold             = token_retransmit * 0.8 - 10
consensus        = token in force * 1.2
knet_ping_timeout  = token in force / knet_pong_count
knet_ping_interval = token in force / (knet_pong_count * 2)
\`\`\`

The values in force are in the map under \`runtime.config.totem.\`.

## Options

*Reload*: when a changed file value acts. **yes**: with a reload; **no**: never, the reload logs that; **start**: at the next start, silently; **new link**: for links
that the reload adds. *cmap*: what a client's write does: **live** (acts at once), **refused**, or **stored** (without effect until somebody reads it).
**root only**: refused (CS_ERR_ACCESS) to clients that are not root or the user that the daemon runs as, because the value names what follows (a path, a program, …), and the daemon,
or a program that reads the key, would follow it with root's rights. A **secret** is not readable by them either.
Options marked ⁺ are ours; stock stores and ignores them.
`;

const RELOAD_TEXT: Readonly<Record<ReloadEffect, string>> = { yes: 'yes', no: 'no', start: 'start', link: 'new link' };
const escapeCell = (text: string): string =>
  text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function valueText(option: OptionSpec, lists: ProgramLists): string {
  const { type, unit, valuesFrom } = option;
  const values = valuesFrom === undefined ? option.values : lists[valuesFrom];
  const range = rangeText(option);
  const what = values !== undefined && values.length <= 10 ? values.join(', ') : type;
  const parts = [what, unit, range === undefined ? undefined : escapeCell(range)];
  return parts.filter((part) => part !== undefined).join(' · ');
}

function withoutEffect({ withoutEffect: reason, withoutEffectValues: values }: OptionSpec): string {
  if (reason === undefined) return '';
  return ` Without effect${values === undefined ? '' : ` (${values.join(', ')})`}: ${reason}; the start warns.`;
}

/** Refused to everybody needs no more words, except that a secret is not read either. */
function cmapText({ cmap, names }: OptionSpec): string {
  if (names === undefined || (cmap === 'refused' && names !== 'secret')) return cmap;
  return cmap === 'refused' ? `refused; root only: ${names}` : `${cmap}, root only: ${names}`;
}

function row(option: OptionSpec, lists: ProgramLists): string {
  const name = `\`${option.key}\`${option.extension === true ? ' ⁺' : ''}`;
  const obsolete = option.obsolete === undefined ? '' : ` Obsolete: ${option.obsolete}.`;
  const cells = [
    name,
    valueText(option, lists),
    escapeCell(defaultText(option)) || '–',
    RELOAD_TEXT[option.reload],
    cmapText(option),
    escapeCell(option.doc + withoutEffect(option)) + obsolete,
  ];
  return `| ${cells.join(' | ')} |`;
}

/** The reference of all options, as docs/configuration.md holds it. */
export function optionsMarkdown(lists: ProgramLists): string {
  const sections = [...new Set(OPTIONS.map(({ section }) => section))];
  const tables = sections.map((section) => {
    const rows = OPTIONS.filter((option) => option.section === section).map((option) => row(option, lists));
    const head = ['| Key | Value | Default | Reload | cmap | |', '|---|---|---|---|---|---|'];
    return `### ${section}\n\n${[...head, ...rows].join('\n')}\n`;
  });
  return `${INTRODUCTION}\n${tables.join('\n')}`;
}
