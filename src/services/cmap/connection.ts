import type { MapClient } from '../../config/icmap/index.ts';
import { UserQuota } from '../../lib/user-quota.ts';
import { CMAP_CONNECTION_LIMITS, CMAP_LIMITS } from './limits.ts';
import type { ClientMap, MapCursor } from './maps.ts';

export interface OpenTracker {
  readonly cookie: bigint;
  readonly end: () => void;
}

/** What all connections together may hold open. */
export class CmapQuotas {
  readonly trackers = new UserQuota(CMAP_LIMITS.trackers);
  readonly iterators = new UserQuota(CMAP_LIMITS.iterators);
}

/** Things that a connection has open, by handle, within what its user may hold. */
class OpenHandles<T> {
  private readonly open = new Map<bigint, T>();

  constructor(
    private readonly client: MapClient,
    private readonly quota: UserQuota,
    private readonly perConnection: number,
  ) {}

  get size(): number {
    return this.open.size;
  }

  /** Whether one more may be opened. */
  hasRoom(): boolean {
    return (this.client.privileged || this.open.size < this.perConnection) && this.quota.allows(this.client, 1);
  }

  get(handle: bigint): T | undefined {
    return this.open.get(handle);
  }

  add(handle: bigint, thing: T): void {
    this.open.set(handle, thing);
    this.quota.take(this.client, 1);
  }

  delete(handle: bigint): boolean {
    if (!this.open.delete(handle)) return false;
    this.quota.give(this.client, 1);
    return true;
  }

  /** Everything that was open. */
  clear(): T[] {
    const things = [...this.open.values()];
    this.open.clear();
    this.quota.give(this.client, things.length);
    return things;
  }
}

/** What a connection has open. */
export class CmapConnection {
  readonly iterators: OpenHandles<MapCursor>;
  readonly trackers: OpenHandles<OpenTracker>;

  constructor(
    readonly client: MapClient,
    public map: ClientMap,
    quotas: CmapQuotas,
  ) {
    this.iterators = new OpenHandles(client, quotas.iterators, CMAP_CONNECTION_LIMITS.iterators);
    this.trackers = new OpenHandles(client, quotas.trackers, CMAP_CONNECTION_LIMITS.trackers);
  }

  close(): void {
    for (const tracker of this.trackers.clear()) tracker.end();
    this.iterators.clear();
  }
}
