import { SortedKeys, type TrackCallback, TrackEvent, Trackers } from '../../config/icmap/index.ts';
import { CmapType, type CmapTypeCode, type CmapValue, cmapFixedBytes, cmapValueEquals } from '../../lib/cmap-value.ts';
import { CsError, type CsStatus } from '../../lib/errors.ts';
import type { EngineTimer } from '../engine.ts';
import type { ClientMap, MapCursor } from './maps.ts';
import { type StatsTable, statsValue } from './stats-keys.ts';

/** What can be set to zero through `stats.clear.…`; `all` is all of them. */
export const STATS_GROUPS = ['knet', 'ipc', 'totem', 'schedmiss'] as const;
export type StatsGroup = (typeof STATS_GROUPS)[number];

/** Keys that come and go together: a prefix that ends with a dot, and names without one. */
export interface StatsBranch {
  readonly prefix: string;
  readonly table: StatsTable;
  read(name: string): number | bigint | string | undefined;
  /** Listed, and reported, only for prefixes that name it: keys that stock does not have must not surprise anybody's tools. */
  readonly discreet?: boolean;
  /** Its keys come and go without an event (services.md 5.8). */
  readonly silent?: boolean;
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

const CLEAR_PREFIX = 'stats.clear.';
export const STATS_POLL_MS = 1500;
const KNOWN_BITS = TrackEvent.ADD | TrackEvent.MODIFY | TrackEvent.DELETE | TrackEvent.PREFIX;

const branchOf = (key: string): string => key.slice(0, key.lastIndexOf('.') + 1);
/** `stats.` or `rondo.`. */
const rootOf = (key: string): string => key.slice(0, key.indexOf('.') + 1);

/**
 * The statistics map (services.md 5.8): no value is stored, every one is read when needed. Which keys there are is known at any time, so that their
 * birth and death can be reported, a reading costs the same with many connections as with few, and an iteration holds its place and nothing else.
 */
export class StatsMap implements ClientMap {
  private readonly branches = new Map<string, StatsBranch>();
  private readonly prefixes = new SortedKeys();
  private readonly trackers = new Trackers();
  private readonly keyTrackers = new Set<KeyTracker>();
  private readonly clearing: ((group: StatsGroup) => void)[] = [];
  private readonly listing: (() => void)[] = [];
  private readonly looking: (() => void)[] = [];
  private timer: EngineTimer | null = null;

  constructor(private readonly clock: StatsClock) {}

  /** Keys came to exist. A branch of the same prefix is replaced; then names that are new have come. */
  add(branch: StatsBranch): void {
    const { prefix, table, silent } = branch;
    const before = this.branches.get(prefix)?.table ?? {};
    this.branches.set(prefix, branch);
    this.prefixes.add(prefix);
    if (silent === true) return;
    for (const name of Object.keys(table)) {
      if (!Object.hasOwn(before, name)) this.notify(TrackEvent.ADD, branch, name);
    }
  }

  /** Keys cease to exist; their last values must still be there. */
  remove(prefix: string): void {
    const branch = this.branches.get(prefix);
    if (branch === undefined) return;
    if (branch.silent !== true)
      for (const name of Object.keys(branch.table)) this.notify(TrackEvent.DELETE, branch, name);
    this.branches.delete(prefix);
    this.prefixes.delete(prefix);
  }

  has(prefix: string): boolean {
    return this.branches.has(prefix);
  }

  /** Prefixes of the branches below a prefix, in byte order. */
  *branchesBelow(prefix: string): Generator<string> {
    for (let at = this.prefixes.lowerBound(prefix); ; at++) {
      const branch = this.prefixes.at(at);
      if (branch?.startsWith(prefix) !== true) return;
      yield branch;
    }
  }

  /** Called when a client sets a group to zero. */
  onClear(callback: (group: StatsGroup) => void): void {
    this.clearing.push(callback);
  }

  /** Called when a client begins to list: values that have to be fetched from elsewhere can be. */
  onListing(callback: () => void): void {
    this.listing.push(callback);
  }

  /** Called when a client reads or lists: what has ended can be removed first. */
  onLook(callback: () => void): void {
    this.looking.push(callback);
  }

  private notify(event: 1 | 4, { prefix, discreet }: StatsBranch, name: string): void {
    if (this.trackers.empty) return;
    const key = prefix + name;
    const value = this.valueOf(key) ?? null;
    this.trackers.notify(event, key, value, value, discreet === true ? rootOf(prefix).length : 0);
  }

  get(key: string): CmapValue | CsStatus {
    for (const callback of this.looking) callback();
    return this.valueOf(key) ?? CsError.NOT_EXIST;
  }

  /** A number for parts of this process, by its branch: as it is, and nothing is looked after first. 0: there is none. */
  numberOf(prefix: string, name: string): number {
    const value = this.branches.get(prefix)?.read(name);
    return typeof value === 'number' ? value : 0;
  }

  private valueOf(key: string): CmapValue | undefined {
    const branch = this.branches.get(branchOf(key));
    if (branch === undefined) return undefined;
    const name = key.slice(branch.prefix.length);
    const type = typeIn(branch.table, name);
    const value = type === undefined ? undefined : branch.read(name);
    return type === undefined || value === undefined ? undefined : statsValue(type, value);
  }

  /** Keys that exist now below a prefix, in byte order. */
  *keys(prefix = ''): Generator<string> {
    const cursor = new StatsCursor(this.branches, this.prefixes, prefix);
    for (let entry = cursor.next(); entry !== null; entry = cursor.next()) yield entry.key;
  }

  iterate(prefix: string): MapCursor {
    for (const callback of this.looking) callback();
    for (const callback of this.listing) callback();
    return new StatsCursor(this.branches, this.prefixes, prefix);
  }

  set(key: string): CsStatus {
    if (!key.startsWith(CLEAR_PREFIX)) return CsError.ACCESS;
    const name = key.slice(CLEAR_PREFIX.length);
    const groups = name.startsWith('all') ? STATS_GROUPS : STATS_GROUPS.filter((group) => name.startsWith(group));
    for (const group of groups) for (const callback of this.clearing) callback(group);
    return groups.length === 0 ? CsError.NOT_SUPPORTED : CsError.OK;
  }

  delete(key: string): CsStatus {
    return key.startsWith(CLEAR_PREFIX) ? CsError.NOT_SUPPORTED : CsError.ACCESS;
  }

  adjust(key: string): CsStatus {
    return this.delete(key);
  }

  /**
   * Trackers hear of keys that come and go, by their mask. A key tracker is polled, too, and then its mask does not matter, as with stock
   * (services.md T17).
   */
  track(key: string, mask: number, callback: TrackCallback): CsStatus | (() => void) {
    if ((mask & ~KNOWN_BITS) !== 0) return CsError.INVALID_PARAM;
    const isPrefix = (mask & TrackEvent.PREFIX) !== 0;
    if (isPrefix && ((mask & TrackEvent.ADD) === 0 || (mask & TrackEvent.DELETE) === 0)) return CsError.NOT_SUPPORTED;
    const tracker = this.trackers.add(key, mask, callback);
    if (isPrefix) return () => void this.trackers.delete(tracker);
    const polled: KeyTracker = { key, callback, last: this.valueOf(key) };
    this.keyTrackers.add(polled);
    this.timer ??= this.clock.setTimer(STATS_POLL_MS, () => this.poll());
    return () => {
      this.trackers.delete(tracker);
      this.keyTrackers.delete(polled);
    };
  }

  private poll(): void {
    this.timer = this.keyTrackers.size === 0 ? null : this.clock.setTimer(STATS_POLL_MS, () => this.poll());
    for (const tracker of [...this.keyTrackers]) {
      const value = this.valueOf(tracker.key);
      if (value === undefined) continue;
      // Before it had a value, stock compares with zero.
      const changed =
        tracker.last === undefined ? value.bytes.some((byte) => byte !== 0) : !cmapValueEquals(value, tracker.last);
      tracker.last = value;
      if (changed) tracker.callback(TrackEvent.MODIFY, tracker.key, value, value);
    }
  }
}

const typeIn = (table: StatsTable, name: string): CmapTypeCode | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

const sortedNames = new WeakMap<StatsTable, readonly string[]>();
function namesOf(table: StatsTable): readonly string[] {
  let names = sortedNames.get(table);
  if (names === undefined) {
    names = Object.keys(table).sort();
    sortedNames.set(table, names);
  }
  return names;
}

/** Stands on a key by its name: keys may come and go. No prefix of a branch is the beginning of another one's names, so branch order is key order. */
class StatsCursor implements MapCursor {
  private branch: string | null = null;
  private name = '';

  constructor(
    private readonly branches: ReadonlyMap<string, StatsBranch>,
    private readonly prefixes: SortedKeys,
    private readonly prefix: string,
  ) {}

  next(): { readonly key: string; readonly type: number; readonly valueBytes: number } | null {
    this.branch ??= this.first();
    for (; this.branch !== null; this.branch = this.after(this.branch), this.name = '') {
      const entry = this.nextIn(this.branches.get(this.branch));
      if (entry !== null) return entry;
    }
    this.branch = END;
    return null;
  }

  /** The branch that the prefix names, or ends inside of; else the first below the prefix. */
  private first(): string | null {
    const own = branchOf(this.prefix);
    return this.branches.has(own) ? own : this.below(this.prefixes.lowerBound(this.prefix));
  }

  private after(branch: string): string | null {
    const next = this.prefixes.upperBound(branch > this.prefix ? branch : this.prefix);
    return branch === END ? null : this.below(next);
  }

  private below(index: number): string | null {
    const branch = this.prefixes.at(index);
    return branch?.startsWith(this.prefix) === true ? branch : null;
  }

  private nextIn(branch: StatsBranch | undefined) {
    if (branch === undefined) return null;
    const { prefix, table, discreet } = branch;
    if (discreet === true && !this.prefix.startsWith(rootOf(prefix))) return null;
    for (const name of namesOf(table)) {
      const key = prefix + name;
      if (name <= this.name || !key.startsWith(this.prefix)) continue;
      this.name = name;
      const type = typeIn(table, name) ?? 0;
      return { key, type, valueBytes: type === CmapType.STRING ? 0 : (cmapFixedBytes(type) ?? 0) };
    }
    return null;
  }
}

/** After all keys. */
const END = '\uffff';
