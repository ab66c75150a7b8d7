import { type TrackCallback, TrackEvent } from '../../config/icmap/index.ts';
import { CmapType, type CmapValue, cmapValueEquals } from '../../lib/cmap-value.ts';
import { CsError, type CsStatus } from '../../lib/errors.ts';
import type { EngineTimer } from '../engine.ts';
import type { ClientMap, MapCursor } from './maps.ts';

/** What can be set to zero through `stats.clear.…`; `all` is all of them. */
export const STATS_GROUPS = ['knet', 'ipc', 'totem', 'schedmiss'] as const;
export type StatsGroup = (typeof STATS_GROUPS)[number];

/** A producer of statistics below one prefix. Values are made when they are asked for. */
export interface StatsSource {
  /** All keys of the source start with it. */
  readonly prefix: string;
  /** Keys that exist now, in any order. */
  keys(): Iterable<string>;
  get(key: string): CmapValue | undefined;
  clear?(group: StatsGroup): void;
  /** Listed only for prefixes that name the source: keys that stock does not have must not surprise anybody's tools. */
  readonly discreet?: boolean;
}

/** What `StatsMap` needs of the world. */
export interface StatsClock {
  setTimer(delayMs: number, callback: () => void): EngineTimer;
}

interface KeyTracker {
  readonly key: string;
  readonly callback: TrackCallback;
  last: CmapValue | undefined;
}
interface PrefixTracker {
  readonly prefix: string;
  readonly callback: TrackCallback;
}

const CLEAR_PREFIX = 'stats.clear.';
/** `schedmiss` keys come and go without a word (services.md 5.8). */
const SILENT_PREFIX = 'stats.schedmiss.';
export const STATS_POLL_MS = 1500;
const KNOWN_BITS = TrackEvent.ADD | TrackEvent.MODIFY | TrackEvent.DELETE | TrackEvent.PREFIX;

/** The statistics map (services.md 5.8): nothing is stored, every value is read from its source when needed. */
export class StatsMap implements ClientMap {
  private readonly sources: StatsSource[] = [];
  private readonly keyTrackers = new Set<KeyTracker>();
  private readonly prefixTrackers = new Set<PrefixTracker>();
  private timer: EngineTimer | null = null;

  constructor(private readonly clock: StatsClock) {}

  add(source: StatsSource): void {
    this.sources.push(source);
  }

  /** For sources: a key came to exist. */
  keyAdded(key: string): void {
    this.tellPrefixTrackers(TrackEvent.ADD, key);
  }

  /** For sources: a key is about to vanish; its value must still be there. */
  keyDeleted(key: string): void {
    this.tellPrefixTrackers(TrackEvent.DELETE, key);
  }

  private tellPrefixTrackers(event: 1 | 4, key: string): void {
    if (key.startsWith(SILENT_PREFIX)) return;
    const matching = [...this.prefixTrackers].filter((tracker) => key.startsWith(tracker.prefix));
    if (matching.length === 0) return;
    const value = this.valueOf(key) ?? null;
    for (const tracker of matching) tracker.callback(event, key, value, value);
  }

  get(key: string): CmapValue | CsStatus {
    return this.valueOf(key) ?? CsError.NOT_EXIST;
  }

  private valueOf(key: string): CmapValue | undefined {
    return this.sources.find((source) => key.startsWith(source.prefix))?.get(key);
  }

  /** Keys that exist now below a prefix, in byte order. */
  keys(prefix = ''): string[] {
    const keys: string[] = [];
    for (const source of this.sources) {
      const named = prefix.startsWith(source.prefix);
      if (!named && (source.discreet || !source.prefix.startsWith(prefix))) continue;
      for (const key of source.keys()) if (key.startsWith(prefix)) keys.push(key);
    }
    return keys.sort((a, b) => (a < b ? -1 : 1));
  }

  iterate(prefix: string): MapCursor {
    const keys = this.keys(prefix);
    let at = 0;
    return {
      next: () => {
        for (let key = keys[at++]; key !== undefined; key = keys[at++]) {
          const value = this.valueOf(key);
          if (value === undefined) continue; // vanished meanwhile
          return { key, type: value.type, valueBytes: value.type === CmapType.STRING ? 0 : value.bytes.length };
        }
        return null;
      },
    };
  }

  set(key: string): CsStatus {
    if (!key.startsWith(CLEAR_PREFIX)) return CsError.ACCESS;
    const name = key.slice(CLEAR_PREFIX.length);
    const groups = name.startsWith('all') ? STATS_GROUPS : STATS_GROUPS.filter((group) => name.startsWith(group));
    for (const group of groups) for (const source of this.sources) source.clear?.(group);
    return groups.length === 0 ? CsError.NOT_SUPPORTED : CsError.OK;
  }

  delete(key: string): CsStatus {
    return key.startsWith(CLEAR_PREFIX) ? CsError.NOT_SUPPORTED : CsError.ACCESS;
  }

  adjust(key: string): CsStatus {
    return this.delete(key);
  }

  /**
   * A prefix tracker hears of keys that come and go; a key tracker is polled and ignores its mask, as stock's does
   * (services.md T17).
   */
  track(key: string, mask: number, callback: TrackCallback): CsStatus | (() => void) {
    if ((mask & ~KNOWN_BITS) !== 0) return CsError.INVALID_PARAM;
    if ((mask & TrackEvent.PREFIX) !== 0) {
      if ((mask & TrackEvent.ADD) === 0 || (mask & TrackEvent.DELETE) === 0) return CsError.NOT_SUPPORTED;
      const tracker = { prefix: key, callback };
      this.prefixTrackers.add(tracker);
      return () => void this.prefixTrackers.delete(tracker);
    }
    const tracker: KeyTracker = { key, callback, last: this.valueOf(key) };
    this.keyTrackers.add(tracker);
    this.timer ??= this.clock.setTimer(STATS_POLL_MS, () => this.poll());
    return () => void this.keyTrackers.delete(tracker);
  }

  private poll(): void {
    this.timer = this.keyTrackers.size === 0 ? null : this.clock.setTimer(STATS_POLL_MS, () => this.poll());
    for (const tracker of [...this.keyTrackers]) {
      const value = this.valueOf(tracker.key);
      if (value === undefined) continue;
      const changed = tracker.last === undefined || !cmapValueEquals(value, tracker.last);
      tracker.last = value;
      if (changed) tracker.callback(TrackEvent.MODIFY, tracker.key, value, value);
    }
  }
}
