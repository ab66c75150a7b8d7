export { AccessRules, READ_ONLY_KEYS, READ_ONLY_KEYS_VOTEQUORUM, READ_ONLY_PREFIXES } from './access.ts';
export { Icmap, type IcmapEntry, IcmapIterator } from './icmap.ts';
export { ICMAP_KEY_BYTES_MAX, ICMAP_KEY_BYTES_MIN, isValidKey } from './keys.ts';
export { TRACK_CHANGES, type TrackCallback, TrackEvent, type TrackEventCode, type Tracker } from './trackers.ts';
