import type { Icmap, MapClient, TrackCallback } from '../../config/icmap/index.ts';
import type { CmapValue } from '../../lib/cmap-value.ts';
import { CsError, type CsStatus } from '../../lib/errors.ts';

/** Length and type of an entry; what an iteration shows without reading the value. */
export interface MapCursor {
  next(): { readonly key: string; readonly type: number; readonly valueBytes: number } | null;
}

/** A map as one client sees it: access rules and what it may keep applied. The main map and the statistics map are two of them. */
export interface ClientMap {
  set(key: string, type: number, bytes: Uint8Array): CsStatus;
  delete(key: string): CsStatus;
  adjust(key: string, step: number): CsStatus;
  /** The value, or why there is none to see. */
  get(key: string): CmapValue | CsStatus;
  iterate(prefix: string): MapCursor;
  /** A status other than OK, or how to end the tracking. */
  track(key: string, mask: number, callback: TrackCallback): CsStatus | (() => void);
}

export function mainMap(icmap: Icmap, client: MapClient): ClientMap {
  const mayRead = (key: string): boolean => icmap.clientMayRead(key, client);
  return {
    set: (key, type, bytes) => icmap.clientSet(key, type, bytes, client),
    delete: (key) => icmap.clientDelete(key, client),
    adjust: (key, step) => icmap.clientAdjust(key, step, client),
    get: (key) => (mayRead(key) ? (icmap.get(key) ?? CsError.NOT_EXIST) : CsError.ACCESS),
    iterate: (prefix) => {
      const iterator = icmap.iterate(prefix);
      return {
        next: () => {
          let entry = iterator.next();
          while (entry !== null && !mayRead(entry.key)) entry = iterator.next();
          if (entry === null) return null;
          return { key: entry.key, type: entry.value.type, valueBytes: entry.value.bytes.length };
        },
      };
    },
    track: (key, mask, callback) => {
      const notify: TrackCallback = client.privileged
        ? callback
        : (event, changed, newValue, oldValue) => {
            if (mayRead(changed)) callback(event, changed, newValue, oldValue);
          };
      const tracker = icmap.track(key, mask, notify);
      return tracker === null ? CsError.INVALID_PARAM : () => void icmap.untrack(tracker);
    },
  };
}
