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

/** Read-only from the start. */
export const READ_ONLY_KEYS = [
  'totem.crypto_cipher',
  'totem.crypto_hash',
  'totem.crypto_model',
  'totem.keyfile',
  'totem.key',
  'totem.secauth',
  'totem.ip_version',
  'totem.ip_dscp',
  'totem.rrp_mode',
  'totem.transport',
  'totem.cluster_name',
  'totem.netmtu',
  'totem.threads',
  'totem.version',
  'totem.nodeid',
  'totem.clear_node_high_bit',
  'config.reload_in_progress',
  'config.totemconfig_reload_in_progress',
  'nodelist.local_node_pos',
] as const;

/** Read-only once votequorum started. */
export const READ_ONLY_KEYS_VOTEQUORUM = [
  'quorum.allow_downscale',
  'quorum.wait_for_all',
  'quorum.last_man_standing',
  'quorum.last_man_standing_window',
  'quorum.expected_votes_tracking',
  'quorum.auto_tie_breaker',
  'quorum.auto_tie_breaker_node',
] as const;

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
