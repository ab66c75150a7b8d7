import { type QuotaLimits, type QuotaUser, UserQuota } from '../../lib/user-quota.ts';

/** A client of the map. Privileged: root, and the user that the daemon runs as. */
export type MapClient = QuotaUser;

const MIB = 1024 * 1024;

/** What clients may keep in the map: keys, and bytes of their names and values. What the daemon and the file put there is not counted. */
export const CLIENT_KEY_LIMITS = {
  keys: { perUser: 4_096, users: 16_384, all: 65_536 },
  bytes: { perUser: 4 * MIB, users: 16 * MIB, all: 64 * MIB },
} as const satisfies Readonly<Record<string, QuotaLimits>>;

interface Charge {
  readonly client: MapClient;
  readonly bytes: number;
}

/** Which client pays for which key: the one that wrote it last. */
export class ClientKeys {
  private readonly charges = new Map<string, Charge>();
  private readonly keys = new UserQuota(CLIENT_KEY_LIMITS.keys);
  private readonly bytes = new UserQuota(CLIENT_KEY_LIMITS.bytes);

  /** Whether the client may store so many bytes under the key, in place of what is there. */
  allows(client: MapClient, key: string, valueBytes: number): boolean {
    const paid = this.charges.get(key);
    const own = paid?.client.uid === client.uid;
    return (
      this.keys.allows(client, own ? 0 : 1) &&
      this.bytes.allows(client, key.length + valueBytes - (own ? paid.bytes : 0))
    );
  }

  charge(client: MapClient, key: string, valueBytes: number): void {
    this.release(key);
    const bytes = key.length + valueBytes;
    this.charges.set(key, { client, bytes });
    this.keys.take(client, 1);
    this.bytes.take(client, bytes);
  }

  /** The key is gone, or belongs to the daemon now. */
  release(key: string): void {
    const paid = this.charges.get(key);
    if (paid === undefined) return;
    this.charges.delete(key);
    this.keys.give(paid.client, 1);
    this.bytes.give(paid.client, paid.bytes);
  }
}
