import { CmapType } from '../../lib/cmap-value.ts';
import type { Icmap } from '../icmap/index.ts';
import { findOption } from '../options/index.ts';
import { type Basis, OPTION_TYPE_CODE, type OptionSpec, type OptionValue, type Settings } from '../options/option.ts';

/** What an option's rows depend on that is no option itself, or is read elsewhere. */
export type Given = Partial<Basis>;

/** The value under `key`; `null`: there is none, it is of another type, or it is a 0 that means the default. */
function givenValue({ type, zeroCounts }: OptionSpec, map: Icmap, key: string): number | string | null {
  if (type === 'str') return map.getString(key);
  const number = map.getTyped(key, CmapType[OPTION_TYPE_CODE[type]]);
  return number === 0 && zeroCounts !== true ? null : number;
}

function defaultValue({ default: value, type }: OptionSpec, basis: Basis): OptionValue {
  if (typeof value !== 'object') return value ?? (type === 'str' ? '' : 0);
  return value.of?.(basis) ?? (type === 'str' ? '' : 0);
}

function valueInForce(row: OptionSpec, map: Icmap, key: string, basis: Basis): OptionValue {
  const value = givenValue(row, map, key) ?? defaultValue(row, basis);
  if (typeof value === 'string') return row.parse?.(value) ?? value;
  return typeof value === 'number' ? (row.inForce?.(value, basis) ?? value) : value;
}

const usesOthers = ({ default: value, inForce }: OptionSpec): boolean =>
  inForce !== undefined || typeof value === 'object';

/**
 * The values in force of a table's options, from the map and the defaults. `prefix` is where the keys stand, with its dot. Plain values come first,
 * then those that are made from others, in the order of the table.
 */
export function readSettings<R extends readonly OptionSpec[]>(
  rows: R,
  map: Icmap,
  prefix: string,
  given: Given = {},
): Settings<R> {
  const basis: Record<string, OptionValue> = { ...given };
  const settings: Record<string, OptionValue> = {};
  for (const late of [false, true]) {
    for (const row of rows) {
      if (row.field === undefined || usesOthers(row) !== late) continue;
      // A row that uses what is neither given nor above it would get undefined: a test reads every table.
      const value = valueInForce(row, map, prefix + row.key, basis as unknown as Basis);
      settings[row.field] = value;
      basis[row.field] = value;
    }
  }
  return settings as Settings<R>;
}

/** The value in force of one option of a section without a number, e.g. `totem`, `ip_version`. */
export function readOption(map: Icmap, section: string, key: string, given: Given = {}): OptionValue {
  const row = findOption(section, key);
  if (row === undefined) throw new Error(`no option ${section}.${key}`);
  return valueInForce(row, map, `${section}.${key}`, given as Basis);
}

/** As `readOption`, for texts that are checked by their user. */
export const readText = (map: Icmap, section: string, key: string, given: Given = {}): string =>
  String(readOption(map, section, key, given));
