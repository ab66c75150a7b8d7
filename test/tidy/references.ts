import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, type Source } from './sources.ts';

/** The documents of docs/protocol that comments may quote. */
export const BOOK = ['totem', 'knet', 'libqb-ipc', 'services', 'config-and-tools', 'qnet'] as const;
export type BookName = (typeof BOOK)[number];

/** What one document of the protocol book offers to be quoted: `4.8`, `trap 36`, `T16`. */
export interface BookIndex {
  readonly sections: ReadonlySet<string>;
  readonly traps: ReadonlySet<string>;
}

/** Headings are `## 4.8 …` or `# 1 …`; traps are the numbered items below a heading with that word, or `T16`. */
export function indexBook(text: string): BookIndex {
  const sections = new Set<string>();
  const traps = new Set<string>();
  let inTraps = false;
  for (const line of text.split('\n')) {
    const heading = /^#+ (\d+(?:\.\d+)*)\.? (.*)$/.exec(line);
    if (heading !== null) {
      sections.add(heading[1] as string);
      inTraps = /\btraps\b/i.test(heading[2] as string);
    }
    const item = inTraps ? /^(?:(\d+)\. |\*\*(T\d+)\*\*|\| (T\d+) \|)/.exec(line) : null;
    if (item !== null) traps.add((item[1] ?? item[2] ?? item[3]) as string);
  }
  return { sections, traps };
}

export function readBook(): ReadonlyMap<string, BookIndex> {
  const read = (name: string) => indexBook(readFileSync(join(ROOT, `docs/protocol/${name}.md`), 'utf8'));
  return new Map(BOOK.map((name) => [name, read(name)]));
}

const PLACE =
  /§?(\d+(?:\.\d+)*)(?:-(\d+(?:\.\d+)*))?(?: steps? \d+(?:-\d+)?)?|traps? (\d+(?:(?:, | and |-)\d+)*)|(T\d+)(?:-(T\d+))?/;
const REFERENCE = new RegExp(
  `\\b(${BOOK.join('|')})\\.md\\b((?:(?:, |; | and | )(?:\\1\\.md )?(?:${PLACE.source.replace(/\((?!\?)/g, '(?:')}))*)`,
  'g',
);
/** A trap without the name of its document leads nowhere. */
const BARE = /\btraps? \d+|(?<![\w.])T\d{1,2}\b(?!:)/g;

/** What the comments of a file, or the lines of a document, quote and the book does not have. */
export function brokenReferences(source: Source, book: ReadonlyMap<string, BookIndex>): readonly string[] {
  const text = source.path.endsWith('.md') ? source.text : commentsOf(source);
  const broken: string[] = [];
  const rest = text.replace(REFERENCE, (whole, name: string, places: string) => {
    const index = book.get(name);
    for (const place of places.matchAll(new RegExp(PLACE, 'g'))) {
      const [, from, to, traps, first, last] = place;
      for (const section of [from, to]) if (section && !index?.sections.has(section)) broken.push(whole);
      for (const trap of traps?.split(/, | and |-/) ?? []) if (!index?.traps.has(trap)) broken.push(whole);
      for (const trap of [first, last]) if (trap && !index?.traps.has(trap)) broken.push(whole);
    }
    return '';
  });
  if (!source.path.endsWith('.md'))
    for (const bare of rest.matchAll(BARE)) broken.push(`${bare[0]} (of which document?)`);
  return broken.map((what) => `${source.path}: ${what.replace(/\s+/g, ' ')}`);
}

/** The comments of a file, and the names of its tests, with lines that were wrapped joined again. */
function commentsOf(source: Source): string {
  const comments =
    source.text.match(/\/\*\*?[\s\S]*?\*\/|\/\/.*(?:\n\s*\/\/.*)*|t\.test\('[^'\n]*'|name: '[^'\n]*'/g) ?? [];
  return comments.map((comment) => comment.replace(/\n\s*(?:\*|\/\/) ?/g, ' ')).join('\n');
}
