export {
  AccessRules,
  isRootOnly,
  isSecret,
  READ_ONLY_KEYS,
  READ_ONLY_KEYS_VOTEQUORUM,
  READ_ONLY_PREFIXES,
  ROOT_ONLY_PREFIXES,
} from './access.ts';
export { CLIENT_KEY_LIMITS, type MapClient } from './client-keys.ts';
export { Icmap, type IcmapEntry, IcmapIterator } from './icmap.ts';
export { ICMAP_KEY_BYTES_MAX, ICMAP_KEY_BYTES_MIN, isValidKey, SortedKeys } from './keys.ts';
export {
  TRACK_CHANGES,
  type TrackCallback,
  TrackEvent,
  type TrackEventCode,
  type Tracker,
  Trackers,
} from './trackers.ts';
