import type { CmapValue } from '../../lib/cmap-value.ts';

/** Bits of a tracker's mask, and the event that a callback gets (services.md 5.5). */
export const TrackEvent = { DELETE: 1, MODIFY: 2, ADD: 4, PREFIX: 8 } as const;
export const TRACK_MASK_ALL = TrackEvent.DELETE | TrackEvent.MODIFY | TrackEvent.ADD | TrackEvent.PREFIX;
/** Every change of the key. */
export const TRACK_CHANGES = TrackEvent.DELETE | TrackEvent.MODIFY | TrackEvent.ADD;

export type TrackEventCode = 1 | 2 | 4;

/**
 * `newValue` is `null` for a deletion, `oldValue` for an addition and for counters that were changed in place
 * (the fast path, whose old value nobody kept).
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

interface Slot {
  /** Without the prefix bit: newest first. */
  readonly exact: Tracker[];
  /** With the prefix bit: oldest first (the empty string, "all keys": newest first). */
  readonly prefix: Tracker[];
}

/** Who wants to hear of which key, and in which order they hear of it. */
export class Trackers {
  private readonly slots = new Map<string, Slot>();
  /** Distinct lengths of the tracked strings, longest first: what a change has to look up. */
  private lengths: number[] = [];

  add(key: string, mask: number, callback: TrackCallback): Tracker {
    const tracker: Tracker = { key, mask, callback };
    let slot = this.slots.get(key);
    if (slot === undefined) {
      slot = { exact: [], prefix: [] };
      this.slots.set(key, slot);
      this.refreshLengths();
    }
    if ((mask & TrackEvent.PREFIX) === 0) slot.exact.unshift(tracker);
    else if (key === '') slot.prefix.unshift(tracker);
    else slot.prefix.push(tracker);
    return tracker;
  }

  /** Whether the tracker was there. Safe inside a callback: a deleted tracker is not called any more. */
  delete(tracker: Tracker): boolean {
    const slot = this.slots.get(tracker.key);
    if (slot === undefined) return false;
    const list = (tracker.mask & TrackEvent.PREFIX) === 0 ? slot.exact : slot.prefix;
    const index = list.indexOf(tracker);
    if (index < 0) return false;
    list.splice(index, 1);
    if (slot.exact.length + slot.prefix.length === 0) {
      this.slots.delete(tracker.key);
      this.refreshLengths();
    }
    return true;
  }

  notify(event: TrackEventCode, key: string, newValue: CmapValue | null, oldValue: CmapValue | null): void {
    if (this.slots.size === 0) return;
    for (const length of this.lengths) {
      if (length > key.length) continue;
      const slot = this.slots.get(key.slice(0, length));
      if (slot === undefined) continue;
      if (length === key.length) this.call(slot.exact, event, key, newValue, oldValue);
      this.call(slot.prefix, event, key, newValue, oldValue);
    }
  }

  private call(
    list: readonly Tracker[],
    event: TrackEventCode,
    key: string,
    newValue: CmapValue | null,
    oldValue: CmapValue | null,
  ): void {
    if (list.length === 0) return;
    for (const tracker of list.slice()) {
      if ((tracker.mask & event) === 0 || !list.includes(tracker)) continue;
      tracker.callback(event, key, newValue, oldValue);
    }
  }

  private refreshLengths(): void {
    this.lengths = [...new Set([...this.slots.keys()].map((key) => key.length))].sort((a, b) => b - a);
  }
}
