import type { Icmap, TrackCallback } from '../../config/icmap/index.ts';
import type { CmapValue } from '../../lib/cmap-value.ts';
import { CsError, type CsStatus } from '../../lib/errors.ts';

/** Length and type of an entry; what an iteration shows without reading the value. */
export interface MapCursor {
  next(): { readonly key: string; readonly type: number; readonly valueBytes: number } | null;
}

/** A map as a client sees it: access rules applied. The main map and the statistics map are two of them. */
export interface ClientMap {
  set(key: string, type: number, bytes: Uint8Array): CsStatus;
  delete(key: string): CsStatus;
  adjust(key: string, step: number): CsStatus;
  get(key: string): CmapValue | undefined;
  iterate(prefix: string): MapCursor;
  /** A status other than OK, or how to end the tracking. */
  track(key: string, mask: number, callback: TrackCallback): CsStatus | (() => void);
}

export function mainMap(icmap: Icmap): ClientMap {
  return {
    set: (key, type, bytes) => icmap.clientSet(key, type, bytes),
    delete: (key) => icmap.clientDelete(key),
    adjust: (key, step) => icmap.clientAdjust(key, step),
    get: (key) => icmap.get(key),
    iterate: (prefix) => {
      const iterator = icmap.iterate(prefix);
      return {
        next: () => {
          const entry = iterator.next();
          if (entry === null) return null;
          return { key: entry.key, type: entry.value.type, valueBytes: entry.value.bytes.length };
        },
      };
    },
    track: (key, mask, callback) => {
      const tracker = icmap.track(key, mask, callback);
      return tracker === null ? CsError.INVALID_PARAM : () => void icmap.untrack(tracker);
    },
  };
}
