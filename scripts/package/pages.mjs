// Manual pages that are partly made from tables: man/pages/NAME.SECTION.md, in which `@options SECTION` stands for the rows of that section
// of docs/configuration.md (itself made from the option table), and `@table HEADING` for the tables below a heading of the protocol book.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const TITLES = {
  votequorum: 'quorum by votes',
  cmap_keys: 'keys of the map of a cluster node',
  corosync_overview: 'what a cluster engine is, and where to begin',
};

/** Every page: `{ name, section, title, markdown }`. */
export function tablePages(root) {
  const folder = join(root, 'man/pages');
  const options = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
  const book = readFileSync(join(root, 'docs/protocol/config-and-tools.md'), 'utf8');
  return readdirSync(folder).map((file) => {
    const [name, section] = file.split('.');
    const markdown = readFileSync(join(folder, file), 'utf8')
      .replace(/^@options (.+)$/gm, (_, of) => tablesBelow(options, `### ${of}`))
      .replace(/^@table (.+)$/gm, (_, heading) => tablesBelow(book, heading));
    return { name, section: Number(section), title: TITLES[name], markdown };
  });
}

/** The tables between a heading and the next one. A heading that is not there ends the build. */
function tablesBelow(document, heading) {
  const lines = document.split('\n');
  const from = lines.indexOf(heading);
  if (from < 0) throw new Error(`no heading "${heading}"`);
  const length = lines.slice(from + 1).findIndex((line) => /^#{1,6} /.test(line));
  const part = lines.slice(from + 1, length < 0 ? undefined : from + 1 + length);
  const tables = part
    .filter((line, at) => line.startsWith('|') || (line === '' && part[at - 1]?.startsWith('|')))
    .join('\n')
    .replaceAll('**', '')
    .replace(/ ?\[L\]/g, '');
  if (tables === '') throw new Error(`no table below "${heading}"`);
  return tables;
}
