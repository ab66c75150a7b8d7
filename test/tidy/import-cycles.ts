import { posix } from 'node:path';
import { importsOf, type Source } from './sources.ts';

/**
 * Circles of imports by value: files of which each needs the next one loaded first, and that nobody can read, test or move alone.
 * Types may go in circles, they are gone after compilation. One line a circle, with all of its files.
 */
export function importCycles(sources: readonly Source[]): readonly string[] {
  const graph = new Map(sources.map((source) => [source.path, valueImports(source)]));
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[] = [];

  // Tarjan: files from which each other can be reached.
  const visit = (path: string): void => {
    index.set(path, index.size);
    low.set(path, index.get(path)!);
    stack.push(path);
    for (const next of graph.get(path) ?? []) {
      if (!graph.has(next)) continue;
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(path, Math.min(low.get(path)!, low.get(next)!));
    }
    if (low.get(path) !== index.get(path)) return;
    const together = stack.splice(stack.indexOf(path));
    if (together.length > 1 || graph.get(path)!.includes(path)) cycles.push(together.sort().join(' <-> '));
  };

  for (const path of graph.keys()) if (!index.has(path)) visit(path);
  return cycles.sort();
}

function valueImports(source: Source): readonly string[] {
  return importsOf(source)
    .filter((item) => !item.typeOnly && item.specifier.startsWith('.'))
    .map((item) => posix.join(posix.dirname(source.path), item.specifier));
}
