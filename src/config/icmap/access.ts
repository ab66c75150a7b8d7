import { OPTIONS } from '../options/index.ts';

/**
 * Which keys clients may not write (services.md 5.6, config-and-tools.md 2). The daemon itself and the configuration
 * file are not bound by it.
 */
export const READ_ONLY_PREFIXES = [
  'internal_configuration.',
  'runtime.services.',
  'runtime.config.',
  'runtime.totem.',
  'uidgid.config.',
  'system.',
  'nodelist.',
] as const;

/** Options of sections without a number that clients may not write. */
const refused = (section: string): readonly string[] =>
  OPTIONS.filter((option) => option.section === section && option.cmap === 'refused').map(
    ({ key }) => `${section}.${key}`,
  );

/** Read-only from the start. */
export const READ_ONLY_KEYS: readonly string[] = [
  ...refused('totem'),
  'config.reload_in_progress',
  'config.totemconfig_reload_in_progress',
];

/** Read-only once votequorum started. */
export const READ_ONLY_KEYS_VOTEQUORUM: readonly string[] = refused('quorum');

/**
 * Sections that only privileged clients write, as a whole: they give access to others (`uidgid`), are instructions for programs that run as root
 * (`quorum.device`: corosync-qdevice runs its heuristics as commands), act on the whole machine (`resources.system` reboots it, `nozzle` makes an
 * interface), load code (`service`), or write files (`runtime.blackbox`). Not `resources.process.`: SAM writes there, as any user.
 */
export const ROOT_ONLY_PREFIXES = [
  'uidgid.',
  'quorum.device.',
  'resources.system.',
  'resources.watchdog_',
  'nozzle.',
  'service.',
  'runtime.blackbox.',
] as const;

/** Keys of options that are marked so, with anything between section and key: `logging.logger_subsys.TOTEM.logfile`. */
function keysOf(marked: (option: (typeof OPTIONS)[number]) => boolean): RegExp {
  const literal = (text: string): string => text.replaceAll('.', String.raw`\.`).replace('<NAME>', '.*');
  const keys = OPTIONS.filter(marked).map(
    ({ section, key }) => String.raw`${literal(section)}\.(?:.*\.)?${literal(key)}`,
  );
  return new RegExp(`^(?:${keys.join('|')})$`);
}

const ROOT_ONLY_KEYS = keysOf(({ names }) => names !== undefined);
const SECRET_KEYS = keysOf(({ names }) => names === 'secret');

/** Whether only root (and the user that the daemon runs as) may write a key: what it says would act with the rights of root. */
export const isRootOnly = (key: string): boolean =>
  ROOT_ONLY_PREFIXES.some((prefix) => key.startsWith(prefix)) || ROOT_ONLY_KEYS.test(key);

/** Whether only root (and the user that the daemon runs as) may read a key. */
export const isSecret = (key: string): boolean => SECRET_KEYS.test(key);

export class AccessRules {
  private readonly keys = new Set<string>();
  private readonly prefixes = new Set<string>();

  /** Whether something changed. */
  set(name: string, isPrefix: boolean, readOnly: boolean): boolean {
    const set = isPrefix ? this.prefixes : this.keys;
    if (set.has(name) === readOnly) return false;
    if (readOnly) set.add(name);
    else set.delete(name);
    return true;
  }

  isReadOnly(key: string): boolean {
    if (this.keys.has(key)) return true;
    for (const prefix of this.prefixes) if (key.startsWith(prefix)) return true;
    return false;
  }
}
