// Which files of the build an entry needs: its imports, and theirs. For what is packed, and for the test of what the client pulls in.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const IMPORT =
  /^\s*(?:import|export)\s[^'"]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\b(?:import|require)\(\s*['"]([^'"]+)['"]\s*\)/gm;

/** What a module imports, as it is written there; of a declaration file types too. */
export const importsOf = (text) => [...text.matchAll(IMPORT)].map(([, from, bare, called]) => from ?? bare ?? called);

/** The declaration file of a module that is imported as `./x.js` or `./x.ts`. */
const declaration = (path) => path.replace(/(?<!\.d)\.(?:js|ts)$/, '.d.ts');

/**
 * Files that `entries` need, themselves included, and the packages among their imports.
 *
 * @param entries absolute paths of `.js` files, or of `.d.ts` files
 */
export function closure(entries) {
  const files = new Set();
  const packages = new Set();
  const waiting = [...entries];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const specifier of importsOf(readFileSync(file, 'utf8'))) {
      if (!specifier.startsWith('.')) packages.add(specifier);
      else {
        const target = join(dirname(file), specifier);
        waiting.push(file.endsWith('.d.ts') ? declaration(target) : target);
      }
    }
  }
  return { files: [...files].sort(), packages: [...packages].sort() };
}
