// Manual pages from the documents: the part of Markdown that these use (headings, paragraphs, lists, tables, code), as man(7).

const asText = (text) =>
  text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/^([.'])/gm, '\\&$1');

function inline(text) {
  const plain = text.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1');
  return asText(plain)
    .replace(/`([^`]+)`/g, '\\fB$1\\fR')
    .replace(/\*\*([^*]+)\*\*/g, '\\fB$1\\fR');
}

const cellsOf = (row) =>
  row
    .replace(/^\||\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => inline(cell.trim().replace(/\\\|/g, '|')));

/** A row of a table: its first cell is the term, the others what is said of it, each with its column's title. */
function table(rows) {
  const [head, , ...body] = rows.map(cellsOf);
  return body.map(([term, ...rest]) => {
    const said = rest
      .map((cell, index) => [head[index + 1], cell])
      .filter(([, cell]) => cell !== '' && cell !== '–')
      .map(([title, cell]) => (title === '' || rest.length === 1 ? cell : `${title}: ${cell}`));
    return `.TP\n${term === '' ? '\\&' : term}\n${said.join('.\n') || '\\&'}`;
  });
}

/** `markdown` as the page `name(section)`. What stands before the first heading of the second level is the description. */
export function manualPage(markdown, { name, section, title, date, version }) {
  const out = [
    `.TH ${name.toUpperCase()} ${section} ${date} "Rondo ${version}" "Corosync Cluster Engine"`,
    '.SH NAME',
    `${asText(name)} \\- ${asText(title)}`,
    '.SH DESCRIPTION',
  ];
  const lines = markdown.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at];
    const until = (test) => {
      const from = at;
      while (at + 1 < lines.length && test(lines[at + 1])) at++;
      return lines.slice(from, at + 1);
    };
    if (line.startsWith('```')) {
      const code = until((next) => !next.startsWith('```')).slice(1);
      at++;
      out.push('.PP', '.nf', ...code.map(asText), '.fi');
    } else if (/^# /.test(line) || /^(<!--|!\[)/.test(line)) {
      // The title is in the page's head.
    } else if (/^## /.test(line)) out.push(`.SH ${inline(line.slice(3)).toUpperCase()}`);
    else if (/^#{3,} /.test(line)) out.push(`.SS ${inline(line.replace(/^#+ /, ''))}`);
    else if (line.startsWith('|')) out.push(...table(until((next) => next.startsWith('|'))));
    else if (/^(\* |- |\d+\. )/.test(line)) {
      const item = until((next) => /^\s+\S/.test(next))
        .join(' ')
        .replace(/\s+/g, ' ');
      out.push('.IP \\(bu 2', inline(item.replace(/^(\* |- |\d+\. )/, '')));
    } else if (line.trim() !== '') {
      out.push(
        '.PP',
        inline(until((next) => next.trim() !== '' && !/^(#|\||```|\* |- |\d+\. )/.test(next)).join('\n')),
      );
    }
  }
  return `${out.join('\n')}\n`;
}

/** The output of a command's own help, as it is. */
export function helpPage(help, head) {
  return manualPage(`\`\`\`\n${help.trimEnd()}\n\`\`\`\n`, head);
}
