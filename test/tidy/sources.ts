import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout: this file runs from dist/test/tidy/. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');

export interface Source {
  /** Relative to the checkout, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

/** All TypeScript files below the given folders of the checkout. */
export function readSources(folders: readonly string[], wanted = /\.ts$/): readonly Source[] {
  const sources: Source[] = [];
  for (const folder of folders) {
    for (const entry of listFiles(folder)) {
      if (!wanted.test(entry)) continue;
      const text = readFileSync(join(ROOT, entry), 'utf8');
      sources.push({ path: entry, text, lines: text.split('\n') });
    }
  }
  return sources.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The Markdown files directly in the given folders. */
export function readDocuments(folders: readonly string[]): readonly Source[] {
  return folders.flatMap((folder) =>
    readdirSyncOrEmpty(join(ROOT, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => {
        const text = readFileSync(join(ROOT, folder, name), 'utf8');
        return { path: `${folder}/${name}`, text, lines: text.split('\n') };
      }),
  );
}

function listFiles(folder: string): string[] {
  const names = readdirSyncOrEmpty(join(ROOT, folder));
  return names.flatMap((name) => {
    const path = `${folder}/${name}`;
    return statSync(join(ROOT, path)).isDirectory() ? listFiles(path) : [path];
  });
}

function readdirSyncOrEmpty(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

export interface Import {
  readonly line: number;
  readonly specifier: string;
  /** `import type` or `export type`: gone after compilation. */
  readonly typeOnly: boolean;
}

/** Static and dynamic imports and re-exports of a file. Formatted code only: one statement starts a line. */
export function importsOf(source: Source): readonly Import[] {
  const found: Import[] = [];
  const pattern = /^[ \t]*(import|export)\b([^;'"]*?)\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;
  for (const match of source.text.matchAll(pattern)) {
    const specifier = match[3] ?? match[4] ?? match[5] ?? '';
    const line = source.text.slice(0, match.index).split('\n').length;
    found.push({ line, specifier, typeOnly: /^\s*type\b/.test(match[2] ?? '') });
  }
  return found;
}
