// npm run docs [-- --out DIRECTORY]: the documents as a site of plain pages, with the reference of the API, in dist/site. Ends with status 1
// when a link leads nowhere: to a page, a heading, or a file of the checkout.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Marked } from 'marked';
import { exportsOf } from './api.mjs';
import { SECTIONS } from './pages.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'dist/site') } } });
const out = resolve(values.out);
const problems = [];
const escaped = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const addressOf = (file) =>
  file === 'README.md'
    ? 'index.html'
    : file.replace(/(?:README)?\.md$/, (end) => (end.startsWith('README') ? 'index.html' : '.html'));

/** As GitHub names headings: documents are read there, too. */
function slugger() {
  const used = new Map();
  return (text) => {
    const slug = text
      .toLowerCase()
      .replace(/<[^>]*>/g, '')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-');
    const count = used.get(slug) ?? 0;
    used.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  };
}

const pages = new Map(); // file → { title, html, anchors, links }
for (const [, files] of SECTIONS)
  for (const file of files) pages.set(file, render(file, readFileSync(join(root, file), 'utf8')));
const ENTRIES = {
  rondo: 'platform/entry',
  'rondo/node': 'node/index',
  'rondo/testing': 'testing/index',
  'rondo/engine': 'services/api',
};
const apiFiles = Object.entries(ENTRIES).map(([name, entry]) => {
  const file = `api/${name.replace('/', '-')}.md`;
  pages.set(file, render(file, reference(name, join(root, 'dist/src', `${entry}.d.ts`))));
  return file;
});
const sections = [...SECTIONS.slice(0, 2), ['Reference', apiFiles], ...SECTIONS.slice(2)];

rmSync(out, { recursive: true, force: true });
for (const [file, page] of pages) {
  for (const { path, anchor, text } of page.links) check(file, path, anchor, text);
  write(addressOf(file), layout(file, page));
}
writeFileSync(join(out, 'style.css'), STYLE());
for (const problem of problems) console.error(problem);
console.log(`${pages.size} pages in ${out}, ${problems.length} dead links`);
process.exitCode = problems.length === 0 ? 0 : 1;

function reference(name, file) {
  const parts = [...exportsOf(file)].map(
    ([exported, { comment, kind, code }]) => `## ${exported}\n\n*${kind}*\n\n${comment}\n\n\`\`\`ts\n${code}\n\`\`\`\n`,
  );
  return `# ${name}\n\nWhat \`import … from '${name}'\` gives.\n\n${parts.join('\n')}`;
}

function render(file, text) {
  const slug = slugger();
  const page = { title: '', html: '', anchors: new Set(), links: [] };
  const marked = new Marked({
    gfm: true,
    renderer: {
      heading({ tokens, depth, text: raw }) {
        const inner = this.parser.parseInline(tokens);
        const id = slug(raw.replaceAll('`', '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1'));
        page.anchors.add(id);
        if (page.title === '') page.title = raw.replaceAll('`', '');
        return `<h${depth} id="${id}">${inner}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const inner = this.parser.parseInline(tokens);
        if (/^[a-z]+:/.test(href)) return `<a href="${escaped(href)}">${inner}</a>`;
        const [path, anchor] = href.split('#');
        const target = path === '' ? file : posix.normalize(posix.join(posix.dirname(file), decodeURI(path)));
        page.links.push({ path: target, anchor, text: href });
        if (pages.has(target) || SECTIONS.some(([, files]) => files.includes(target))) {
          const address = posix.relative(posix.dirname(addressOf(file)), addressOf(target));
          return `<a href="${address}${anchor === undefined ? '' : `#${anchor}`}">${inner}</a>`;
        }
        return inner; // a file of the checkout: named, and not part of the site
      },
      image({ href, text: alternative }) {
        const path = posix.normalize(posix.join(posix.dirname(file), href));
        if (!/^[a-z]+:/.test(href)) page.links.push({ path, image: true, text: href });
        return `<img src="${escaped(posix.relative(posix.dirname(addressOf(file)), path))}" alt="${escaped(alternative)}">`;
      },
    },
  });
  page.html = marked.parse(text);
  return page;
}

function check(file, path, anchor, text) {
  const page = pages.get(path);
  const local = join(root, path);
  if (page === undefined && !existsSync(local)) problems.push(`${file}: ${text} leads nowhere`);
  else if (page === undefined) {
    if (/\.(?:png|svg|jpe?g)$/.test(path) && statSync(local).isFile()) {
      mkdirSync(dirname(join(out, path)), { recursive: true });
      cpSync(local, join(out, path));
    }
  } else if (anchor !== undefined && !page.anchors.has(decodeURIComponent(anchor)))
    problems.push(`${file}: ${text}: no such heading`);
}

function layout(file, { title, html }) {
  const here = posix.dirname(addressOf(file));
  const to = (target) => posix.relative(here, target) || posix.basename(target);
  const navigation = sections
    .map(
      ([name, files]) =>
        `<h2>${name}</h2><ul>${files.map((one) => `<li${one === file ? ' class="here"' : ''}><a href="${to(addressOf(one))}">${escaped(pages.get(one).title)}</a></li>`).join('')}</ul>`,
    )
    .join('');
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)} – Rondo</title>
<link rel="stylesheet" href="${to('style.css')}"><body><nav>${navigation}</nav><main>${html}</main></body></html>\n`;
}

function write(address, content) {
  const path = join(out, address);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  if (relative(out, path).startsWith('..')) throw new Error(`${address} is outside of the site`);
}

function STYLE() {
  return `:root{color-scheme:light dark}body{display:flex;margin:0;font:16px/1.55 system-ui,sans-serif}
nav{flex:0 0 15rem;height:100vh;overflow:auto;position:sticky;top:0;padding:1rem;box-sizing:border-box;border-right:1px solid #8884;font-size:.88rem}
nav h2{font-size:.78rem;text-transform:uppercase;letter-spacing:.05em;margin:1rem 0 .2rem}nav ul{list-style:none;margin:0;padding:0}nav .here{font-weight:700}
main{flex:1;min-width:0;max-width:62rem;padding:1rem 2.5rem 4rem}pre{overflow:auto;padding:.8rem;background:#8881;border-radius:6px}code{font-size:.9em}
table{display:block;overflow:auto;border-collapse:collapse}td,th{border:1px solid #8885;padding:.3rem .6rem;text-align:left;vertical-align:top}img{max-width:100%}
a{color:#06c}@media(prefers-color-scheme:dark){a{color:#6af}}@media(max-width:50rem){body{display:block}nav{height:auto;position:static}main{padding:1rem}}\n`;
}
