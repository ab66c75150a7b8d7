import { readFileSync } from 'node:fs';

export interface PageFile {
  readonly type: string;
  readonly bytes: Uint8Array;
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};
/** The page, by path. Nothing else of the file system is ever served. */
const FILES: Readonly<Record<string, string>> = {
  '/': 'index.html',
  '/style.css': 'style.css',
  '/icon.svg': 'icon.svg',
  '/page.js': 'page.js',
};

/** Reads the files of the page, once. Throws when the build has not made them. */
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  return new Map(
    Object.entries(FILES).map(([path, name]) => {
      const bytes = readFileSync(new URL(`page/${name}`, import.meta.url));
      return [path, { type: TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream', bytes }] as const;
    }),
  );
}
