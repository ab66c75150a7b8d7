import { posix } from 'node:path';
import { importsOf, type Source } from './sources.ts';

/** Folders that serve every service alike. */
const HUBS = /^src\/(?:ring|totem|daemon|bridge|services\/host)\//;
/** The lists of services; what belongs to one service alone; and names that a configuration may not take. */
const LISTS =
  /^src\/(?:daemon\/(?:engines|system-engines)|ring\/services|ring\/cpg\/.*|ring\/reload-gate|services\/host\/engine-modules)\.ts$/;
/** Below src/services: no services but what all of them share. */
const SHARED = ['codec', 'host', 'sync', 'examples'];
/** What the daemon gives to a service, or shows through its map; and a list of services. */
const PORTS = /^(?:ports|stats-map|stats-keys|providers)\.ts$/;
const NAMED = /\bServiceId\b|_SERVICE_ID\b|\b(?:Cmap|Cfg|Cpg|Quorum|Pload|Votequorum|Mon|Wd|Ykd|Evs)Fn\b/;

/** Where a hub names a service, so that adding one would touch it. */
export function namedServices(source: Source, names: readonly string[]): readonly string[] {
  if (!HUBS.test(source.path) || LISTS.test(source.path)) return [];
  const literal = new RegExp(`'(?:corosync_)?(?:${names.join('|')})'`);
  const lines = source.lines.flatMap((line, at) =>
    NAMED.test(line) || literal.test(line) ? [`${source.path}:${at + 1}: ${line.trim()}`] : [],
  );
  const imports = importsOf(source).flatMap(({ line, specifier }) => {
    const target = posix.join(posix.dirname(source.path), specifier);
    const [, folder = '', file = ''] = /^src\/services\/([^/]+)\/(.+)$/.exec(target) ?? [];
    return folder === '' || SHARED.includes(folder) || PORTS.test(file)
      ? []
      : [`${source.path}:${line}: imports ${target}`];
  });
  return [...lines, ...imports];
}

/** The services that there are: folders of src/services that have an engine or a declaration. */
export const serviceNames = (sources: readonly Source[]): readonly string[] =>
  sources.flatMap(({ path }) => {
    const [, name = ''] = /^src\/services\/(\w+)\/(?:engine|service)\.ts$/.exec(path) ?? [];
    return name === '' ? [] : [name];
  });
