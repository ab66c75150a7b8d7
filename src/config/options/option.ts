import type { CmapType } from '../../lib/cmap-value.ts';

/** Type of a key in the map when it comes from the file. */
export type OptionType = 'u8' | 'u16' | 'u32' | 'i32' | 'u64' | 'str';

export const OPTION_TYPE_CODE: Readonly<Record<OptionType, keyof typeof CmapType>> = {
  u8: 'U8',
  u16: 'U16',
  u32: 'U32',
  i32: 'I32',
  u64: 'U64',
  str: 'STRING',
};

/**
 * When a changed value in the file takes effect: `yes` with a reload; `no` never (a reload logs so and keeps the old
 * value); `start` is read at start only and silently kept afterwards; `link` for links that the reload adds.
 */
export type ReloadEffect = 'yes' | 'no' | 'start' | 'link';

/** What a client's write does: acts at once, is refused, or is stored without effect. */
export type CmapEffect = 'live' | 'refused' | 'stored';

/**
 * What a value names that must not be in the hands of other users: a daemon that runs as root follows it. Clients that are not root may not write
 * such a key through cmap, and may not read a secret.
 */
export type ProtectedThing = 'path' | 'program' | 'account' | 'host' | 'machine' | 'secret';

/** Values in force that others are made from. Every one is the `field` of a row, or is given by the reader (`tokenNodes`, `transport`). */
export interface Basis {
  readonly transport: string;
  /** By how many nodes the token timeout grows. */
  readonly tokenNodes: number;
  readonly tokenCoefficientMs: number;
  readonly tokenMs: number;
  readonly tokenRetransmitMs: number;
  readonly tokenRetransmitsBeforeLoss: number;
  readonly pongCount: number;
}

/** What this program can run, by name: its lists are elsewhere, and whoever reads a configuration gives them. */
export interface ProgramLists {
  readonly quorumProviders: readonly string[];
}

export type OptionValue = number | string | boolean;

/** A default that is made from other values in force. */
export interface Formula {
  /** For readers. */
  readonly text: string;
  /** `null`: whoever uses the option knows; the text is all that the table says. */
  readonly of: ((basis: Basis) => OptionValue) | null;
}

export const formula = (text: string, of: (basis: Basis) => OptionValue): Formula => ({ text, of });
export const described = (text: string): Formula => ({ text, of: null });

/**
 * One option of corosync.conf: the single place where its name, type, default and meaning are written down. Reading, live change, publication,
 * access rules, the check and the documentation follow it.
 */
export interface OptionSpec {
  /** Section path in the file, e.g. `totem.interface`; `logging.logger_subsys` where the file nests it so. */
  readonly section: string;
  /** Key; `ring<0-7>_addr` and `exec_<NAME>` stand for families. */
  readonly key: string;
  readonly type: OptionType;
  /** What holds without the key; none: nothing does. */
  readonly default?: number | string | Formula;
  /** Accepted texts, where it is an enumeration. */
  readonly values?: readonly string[];
  /** The list of the program that has the accepted texts, where they are no matter of the configuration. */
  readonly valuesFrom?: keyof ProgramLists;
  /** Smallest and largest accepted number, where the type does not say it. */
  readonly min?: number;
  readonly max?: number;
  /** What is accepted, in words, where `min` and `max` do not say it all. */
  readonly range?: string;
  readonly unit?: 'ms' | 's' | 'percent' | 'bytes' | 'votes';
  readonly reload: ReloadEffect;
  readonly cmap: CmapEffect;
  /** Root only, because of what the value names. */
  readonly names?: ProtectedThing;
  /** What the option sets in the configuration in force: a field of the part that its table is for (settings.ts). */
  readonly field?: string;
  /** 0 is a value of its own; without this it means the default. */
  readonly zeroCounts?: true;
  /** What a text, given or default, stands for. */
  readonly parse?: (text: string) => OptionValue;
  /** The value in force, from the one that is given or default. */
  readonly inForce?: (value: number, basis: Basis) => number;
  /** How stock calls it when it is below `min`. */
  readonly title?: string;
  /** The value in force is in the map under `runtime.config.` and the option's own key. */
  readonly published?: true;
  readonly doc: string;
  /** Why not to use it any more. */
  readonly obsolete?: string;
  /** Why it does nothing in this daemon, where it does something in stock or looks as if: whoever gives it is warned. */
  readonly withoutEffect?: string;
  /** The texts for which that holds; without them all. */
  readonly withoutEffectValues?: readonly string[];
  /** Ours, unknown to stock, which stores and ignores it. */
  readonly extension?: true;
}

type Common = Pick<OptionSpec, 'reload' | 'cmap' | 'names'>;
type RowInput = Omit<OptionSpec, 'section' | 'reload' | 'cmap'> & Partial<OptionSpec>;

/** Shorthand for the tables: a section's options with its common columns filled in. The rows keep their types: see `Settings`. */
export function sectionOptions<const R extends readonly RowInput[]>(
  section: string,
  common: Common,
  options: R,
): readonly (OptionSpec & R[number])[] {
  return options.map((option) => ({ section, ...common, ...option }));
}

type FieldValue<R> = R extends { readonly parse: (text: string) => infer V }
  ? V
  : R extends { readonly type: 'str' }
    ? string
    : number;

/** The values in force of a table's options, by field: the row says the name and the type. */
export type Settings<Rows extends readonly OptionSpec[]> = {
  readonly [R in Rows[number] as R extends { readonly field: infer F extends string } ? F : never]: FieldValue<R>;
};

/** A text that switches something off; every other one leaves it on. */
export const unlessNo = (text: string): boolean => text !== 'no';
/** A text that switches something on; every other one leaves it off. */
export const onlyYes = (text: string): boolean => text === 'yes';

/** Bounds of the number as text, `undefined` where there are none. */
export function rangeText({ range, min, max }: OptionSpec): string | undefined {
  if (range !== undefined) return range;
  if (min !== undefined && max !== undefined)
    return min === max ? `${min}` : isSwitch({ min, max }) ? '0 or 1' : `${min}-${max}`;
  return min === undefined ? undefined : `>= ${min}`;
}

/** Number that means on or off. */
export const isSwitch = ({ min, max }: { readonly min?: number; readonly max?: number }): boolean =>
  min === 0 && max === 1;

/** Default as text, empty where there is none. */
export const defaultText = ({ default: value }: OptionSpec): string =>
  value === undefined ? '' : typeof value === 'object' ? value.text : String(value);
