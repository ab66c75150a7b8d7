import type { CmapValue } from '../../lib/cmap-value.ts';

/** Bits of a tracker's mask, and the event that a callback gets (services.md 5.5). */
export const TrackEvent = { DELETE: 1, MODIFY: 2, ADD: 4, PREFIX: 8 } as const;
export const TRACK_MASK_ALL = TrackEvent.DELETE | TrackEvent.MODIFY | TrackEvent.ADD | TrackEvent.PREFIX;
/** Every change of the key. */
export const TRACK_CHANGES = TrackEvent.DELETE | TrackEvent.MODIFY | TrackEvent.ADD;

export type TrackEventCode = 1 | 2 | 4;

/**
 * `newValue` is `null` for a deletion, `oldValue` for an addition and for counters that were changed in place
 * (the fast path, whose old value nobody kept). Callbacks of one change get the same objects.
 */
export type TrackCallback = (
  event: TrackEventCode,
  key: string,
  newValue: CmapValue | null,
  oldValue: CmapValue | null,
) => void;

export interface Tracker {
  readonly key: string;
  readonly mask: number;
  readonly callback: TrackCallback;
}

/**
 * Trackers on the same string. Adding and deleting cost the same however many there are, and a call costs what its callbacks do: clients
 * put tens of thousands on one key.
 */
class TrackerList {
  private readonly trackers = new Set<Tracker>();
  /** In the order of the calls; made when it is needed, replaced and never changed, so a call that runs may go on with it. */
  private ordered: readonly Tracker[] | null = null;

  constructor(private readonly newestFirst: boolean) {}

  get size(): number {
    return this.trackers.size;
  }

  add(tracker: Tracker): void {
    this.trackers.add(tracker);
    this.ordered = null;
  }

  delete(tracker: Tracker): boolean {
    this.ordered = null;
    return this.trackers.delete(tracker);
  }

  /** Those that are added meanwhile are not called, nor are those that are deleted. */
  call(event: TrackEventCode, key: string, newValue: CmapValue | null, oldValue: CmapValue | null): void {
    if (this.trackers.size === 0) return;
    this.ordered ??= this.newestFirst ? [...this.trackers].reverse() : [...this.trackers];
    for (const tracker of this.ordered) {
      if ((tracker.mask & event) !== 0 && this.trackers.has(tracker)) tracker.callback(event, key, newValue, oldValue);
    }
  }
}

interface Slot {
  /** Without the prefix bit: newest first. */
  readonly exact: TrackerList;
  /** With the prefix bit: oldest first (the empty string, "all keys": newest first). */
  readonly prefix: TrackerList;
}

/** Who wants to hear of which key, and in which order they hear of it. */
export class Trackers {
  private readonly slots = new Map<string, Slot>();
  /** How many tracked strings there are of each length. */
  private readonly stringsOfLength: number[] = [];
  /** Lengths of the tracked strings, longest first: what a change has to look up. */
  private lengths: number[] = [];

  get empty(): boolean {
    return this.slots.size === 0;
  }

  add(key: string, mask: number, callback: TrackCallback): Tracker {
    const tracker: Tracker = { key, mask, callback };
    let slot = this.slots.get(key);
    if (slot === undefined) {
      slot = { exact: new TrackerList(true), prefix: new TrackerList(key === '') };
      this.slots.set(key, slot);
      this.countString(key.length, 1);
    }
    listOf(slot, tracker).add(tracker);
    return tracker;
  }

  /** Whether the tracker was there. Safe inside a callback: a deleted tracker is not called any more. */
  delete(tracker: Tracker): boolean {
    const slot = this.slots.get(tracker.key);
    if (slot === undefined || !listOf(slot, tracker).delete(tracker)) return false;
    if (slot.exact.size + slot.prefix.size === 0) {
      this.slots.delete(tracker.key);
      this.countString(tracker.key.length, -1);
    }
    return true;
  }

  /** `lengthMin`: of the tracked strings that hear of it; shorter ones do not name such a key. */
  notify(
    event: TrackEventCode,
    key: string,
    newValue: CmapValue | null,
    oldValue: CmapValue | null,
    lengthMin = 0,
  ): void {
    if (this.slots.size === 0) return;
    for (const length of this.lengths) {
      if (length > key.length) continue;
      if (length < lengthMin) return;
      const slot = this.slots.get(key.slice(0, length));
      if (slot === undefined) continue;
      if (length === key.length) slot.exact.call(event, key, newValue, oldValue);
      slot.prefix.call(event, key, newValue, oldValue);
    }
  }

  private countString(length: number, step: 1 | -1): void {
    const before = this.stringsOfLength[length] ?? 0;
    this.stringsOfLength[length] = before + step;
    if (before > 0 && before + step > 0) return;
    // A new array: a `notify` that runs goes on with the old one.
    const others = this.lengths.filter((other) => other !== length);
    this.lengths = step > 0 ? [...others, length].sort((a, b) => b - a) : others;
  }
}

const listOf = (slot: Slot, tracker: Tracker): TrackerList =>
  (tracker.mask & TrackEvent.PREFIX) === 0 ? slot.exact : slot.prefix;
