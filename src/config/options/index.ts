import { LOGGING_OPTIONS } from './logging.ts';
import type { OptionSpec, OptionType } from './option.ts';
import { QUORUM_OPTIONS } from './quorum.ts';
import { SYSTEM_OPTIONS } from './system.ts';
import { TOTEM_OPTIONS } from './totem.ts';

export type { CmapEffect, OptionSpec, OptionType, ProtectedThing, ReloadEffect } from './option.ts';

/** Every option of corosync.conf, in the order of the documentation. */
export const OPTIONS: readonly OptionSpec[] = [
  ...TOTEM_OPTIONS,
  ...QUORUM_OPTIONS,
  ...LOGGING_OPTIONS,
  ...SYSTEM_OPTIONS,
];

/** Sections that the table knows, and the sections above them. */
export const KNOWN_SECTIONS: ReadonlySet<string> = new Set(
  OPTIONS.flatMap(({ section }) => {
    const parts = section.split('.');
    return parts.map((_, index) => parts.slice(0, index + 1).join('.'));
  }),
);

const byPath = new Map<string, OptionSpec>();
for (const option of OPTIONS) {
  const key = option.key;
  if (key === 'ring<0-7>_addr') for (let i = 0; i < 8; i++) byPath.set(`${option.section}.ring${i}_addr`, option);
  else byPath.set(`${option.section}.${key}`, option);
}

/** The option that a key of a section is, or `undefined`. */
export function findOption(section: string, key: string): OptionSpec | undefined {
  const found = byPath.get(`${section}.${key}`);
  if (found !== undefined) return found;
  return section === 'quorum.device.heuristics' && key.startsWith('exec_')
    ? byPath.get('quorum.device.heuristics.exec_<NAME>')
    : undefined;
}

/** The row of an option that is known to be there. */
function rowOf(section: string, key: string): OptionSpec {
  const row = findOption(section, key);
  if (row === undefined) throw new Error(`no option ${section}.${key}`);
  return row;
}

/** The number that holds without the key. */
export function defaultNumber(section: string, key: string): number {
  const value = rowOf(section, key).default;
  if (typeof value !== 'number') throw new Error(`${section}.${key} has no number as default`);
  return value;
}

/** The accepted texts of an option. */
export const valuesOf = (section: string, key: string): readonly string[] => rowOf(section, key).values ?? [];

/** Keys of a section as they may be written, for suggestions. */
export function keysOfSection(section: string): string[] {
  return [...byPath.keys()]
    .filter((path) => path.startsWith(`${section}.`) && !path.slice(section.length + 1).includes('.'))
    .map((path) => path.slice(section.length + 1));
}

/** Sections that know a key, for "it belongs there". */
export function sectionsOfKey(key: string): string[] {
  return [...new Set(OPTIONS.filter((option) => findOption(option.section, key) !== undefined).map((o) => o.section))];
}

/**
 * Type of a key of the file as stock stores it (config-and-tools.md 1.3): everything that is not typed is a string.
 * Below `resources.system` and `resources.process` every `poll_period` is a u64, at any depth.
 */
export function typeOfKey(section: string, key: string): OptionType {
  if (key === 'poll_period' && /^resources\.(system|process)(\.|$)/.test(section)) return 'u64';
  return findOption(section, key)?.type ?? 'str';
}
