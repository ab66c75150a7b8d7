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
 * When a changed value in the file takes effect: `yes` with a reload; `no` never (a reload says so and keeps the old
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

/** One option of corosync.conf: the single place where its name, type, default and meaning are written down. */
export interface OptionSpec {
  /** Section path in the file, e.g. `totem.interface`; `logging.logger_subsys` where the file nests it so. */
  readonly section: string;
  /** Key; `ring<0-7>_addr` and `exec_<NAME>` stand for families. */
  readonly key: string;
  readonly type: OptionType;
  /** As text for readers; empty: unset. */
  readonly default: string;
  /** Accepted texts, where it is an enumeration. */
  readonly values?: readonly string[];
  /** Accepted numbers beyond the range of the type. */
  readonly range?: string;
  readonly unit?: 'ms' | 's' | 'percent' | 'bytes' | 'votes';
  readonly reload: ReloadEffect;
  readonly cmap: CmapEffect;
  /** Root only, because of what the value names. */
  readonly names?: ProtectedThing;
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

/** Shorthand for the tables: a section's options with its common columns filled in. */
export function sectionOptions(
  section: string,
  common: Pick<OptionSpec, 'reload' | 'cmap' | 'names'>,
  options: readonly (Omit<OptionSpec, 'section' | 'reload' | 'cmap' | 'default'> & Partial<OptionSpec>)[],
): OptionSpec[] {
  return options.map((option) => ({ section, default: '', ...common, ...option }));
}
