import type { Source } from './sources.ts';

/** Names by contract: what every module of an engine exports. */
const BY_CONTRACT = ['interfaceVersion', 'createEngine'];
const EXPORT = /^export (?:abstract )?(?:async )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/gm;

/** Exported names that stand for two things, each with its files. */
export function doubleNames(sources: readonly Source[]): readonly string[] {
  const files = new Map<string, Set<string>>();
  for (const { path, text } of sources) {
    for (const [, name = ''] of text.matchAll(EXPORT)) files.set(name, (files.get(name) ?? new Set()).add(path));
  }
  return [...files]
    .filter(([name, paths]) => paths.size > 1 && !BY_CONTRACT.includes(name))
    .map(([name, paths]) => `${name}: ${[...paths].join(', ')}`);
}
