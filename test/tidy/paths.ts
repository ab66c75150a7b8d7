import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, type Source } from './sources.ts';

const FOLDERS = /^(?:src|test|scripts|perf|workers|bin|conf|docs)\/[\w./-]+$/;
/** In the walks of docs/architecture.md: a file of src/ without its ending. */
const ROOM = /^[a-z]+(?:\/[\w-]+)+$/;

const exists = (path: string): boolean =>
  [path, `${path}.ts`, `${path}.test.ts`].some((candidate) => existsSync(join(ROOT, candidate)));

/** Files that a document names and that are not there; words in capitals stand for something. */
export function missingFiles({ path, lines }: Source): readonly string[] {
  const walks = path === 'docs/architecture.md' ? lines.indexOf('## Five walks') : -1;
  const end = walks < 0 ? -1 : lines.findIndex((line, at) => at > walks && line.startsWith('## '));
  return lines.flatMap((line, at) => {
    const named = [...line.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
    const isRoom = at > walks && at < end;
    return named

      .filter((name) => !/\bNAME\b/.test(name))
      .filter((name) => (FOLDERS.test(name) ? !exists(name) : isRoom && ROOM.test(name) && !exists(`src/${name}`)))
      .map((name) => `${path}:${at + 1}: ${name}`);
  });
}
