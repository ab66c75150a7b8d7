import {
  CMAP_VALUE_BYTES_MAX,
  CmapType,
  type CmapValue,
  cmapBigInt,
  cmapBinary,
  cmapDouble,
  cmapFixedBytes,
  cmapFloat,
  cmapInteger,
  cmapNumber,
  cmapString,
  cmapStringBytes,
  cmapText,
  cmapValueEquals,
  isCmapInteger,
} from '../../lib/cmap-value.ts';
import { CsError, type CsStatus } from '../../lib/errors.ts';
import { AccessRules, isRootOnly, isSecret, READ_ONLY_KEYS, READ_ONLY_PREFIXES } from './access.ts';
import { ClientKeys, type MapClient } from './client-keys.ts';
import { isValidKey, SortedKeys } from './keys.ts';
import { TRACK_MASK_ALL, type TrackCallback, TrackEvent, type Tracker, Trackers } from './trackers.ts';

/** The ring's key may stand in the file: a value that is replaced or removed is overwritten, because it would stay in memory for long. */
const SECRET_KEY = 'totem.key';

/**
 * The configuration map ("icmap"): typed values under dotted keys, iterated in byte order, with trackers that are
 * called inside the change (services.md 5). The daemon writes with the plain methods; what a client asks for goes
 * through the `client…` methods, which refuse read-only keys, what only root may touch, and more keys than a user may keep.
 *
 * Statuses are `cs_error_t` numbers, because the map's results go to clients as they are.
 */
export class Icmap {
  private readonly values = new Map<string, CmapValue>();
  private readonly keys = new SortedKeys();
  private readonly trackers = new Trackers();
  private readonly access = new AccessRules();
  private readonly clientKeys = new ClientKeys();

  /** A map with stock's read-only keys; `staging` maps of a reload need none. */
  static withStockAccess(): Icmap {
    const map = new Icmap();
    for (const prefix of READ_ONLY_PREFIXES) map.access.set(prefix, true, true);
    for (const key of READ_ONLY_KEYS) map.access.set(key, false, true);
    return map;
  }

  get size(): number {
    return this.values.size;
  }

  // ---- reading ----

  get(key: string): CmapValue | undefined {
    return this.values.get(key);
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  /** The text of a string key; `null` when absent or of another type. */
  getString(key: string): string | null {
    const value = this.values.get(key);
    return value === undefined ? null : cmapText(value);
  }

  /** A number of exactly this type; `null` when absent or of another type, as stock's typed getters refuse it. */
  getTyped(key: string, type: number): number | null {
    const value = this.values.get(key);
    return value === undefined || value.type !== type ? null : cmapNumber(value);
  }

  getU8(key: string): number | null {
    return this.getTyped(key, CmapType.U8);
  }

  getU16(key: string): number | null {
    return this.getTyped(key, CmapType.U16);
  }

  getU32(key: string): number | null {
    return this.getTyped(key, CmapType.U32);
  }

  getI32(key: string): number | null {
    return this.getTyped(key, CmapType.I32);
  }

  getU64(key: string): bigint | null {
    const value = this.values.get(key);
    return value === undefined || value.type !== CmapType.U64 ? null : cmapBigInt(value);
  }

  getDouble(key: string): number | null {
    return this.getTyped(key, CmapType.DOUBLE);
  }

  // ---- writing, as the daemon ----

  /** Stores a value after the checks of services.md 5.1. Setting what is there already does nothing, silently. */
  set(key: string, type: number, bytes: Uint8Array): CsStatus {
    return this.setAs(null, key, type, bytes);
  }

  /** `client`: who pays for the key; `null`: the daemon writes. */
  private setAs(client: MapClient | null, key: string, type: number, bytes: Uint8Array): CsStatus {
    if (bytes.length > CMAP_VALUE_BYTES_MAX) return CsError.INVALID_PARAM;
    const fixedBytes = cmapFixedBytes(type);
    if (fixedBytes !== null) {
      if (bytes.length !== fixedBytes) return CsError.INVALID_PARAM;
      return this.store(key, { type, bytes: bytes.slice() }, client);
    }
    if (type === CmapType.BINARY) return this.store(key, cmapBinary(bytes), client);
    const nul = bytes.indexOf(0);
    if (nul >= 0 && bytes.length > nul + 1) return CsError.INVALID_PARAM;
    return this.store(key, cmapStringBytes(bytes), client);
  }

  setValue(key: string, value: CmapValue): CsStatus {
    return this.set(key, value.type, value.bytes);
  }

  setString(key: string, text: string): CsStatus {
    const value = cmapString(text);
    return value.bytes.length > CMAP_VALUE_BYTES_MAX + 1 ? CsError.INVALID_PARAM : this.store(key, value);
  }

  setU8(key: string, value: number): CsStatus {
    return this.store(key, cmapInteger(CmapType.U8, value));
  }

  setI16(key: string, value: number): CsStatus {
    return this.store(key, cmapInteger(CmapType.I16, value));
  }

  setU16(key: string, value: number): CsStatus {
    return this.store(key, cmapInteger(CmapType.U16, value));
  }

  setI32(key: string, value: number): CsStatus {
    return this.store(key, cmapInteger(CmapType.I32, value));
  }

  setU32(key: string, value: number): CsStatus {
    return this.store(key, cmapInteger(CmapType.U32, value));
  }

  setU64(key: string, value: number | bigint): CsStatus {
    return this.store(key, cmapInteger(CmapType.U64, value));
  }

  setFloat(key: string, value: number): CsStatus {
    return this.store(key, cmapFloat(value));
  }

  setDouble(key: string, value: number): CsStatus {
    return this.store(key, cmapDouble(value));
  }

  delete(key: string): CsStatus {
    const old = this.values.get(key);
    if (old === undefined) return CsError.NOT_EXIST;
    this.values.delete(key);
    this.keys.delete(key);
    this.clientKeys.release(key);
    this.trackers.notify(TrackEvent.DELETE, key, null, old);
    if (key === SECRET_KEY) old.bytes.fill(0);
    return CsError.OK;
  }

  /** Deletes every key that starts with `prefix`; returns how many. */
  deletePrefix(prefix: string): number {
    const keys = [...this.keysWithPrefix(prefix)];
    for (const key of keys) this.delete(key);
    return keys.length;
  }

  /** Adds `step` to an integer key; wraps in the width of its type. A step of 0 changes nothing. */
  adjust(key: string, step: number | bigint): CsStatus {
    const old = this.values.get(key);
    if (old === undefined) return CsError.NOT_EXIST;
    const integer = cmapBigInt(old);
    if (integer === null || !isCmapInteger(old.type)) return CsError.INVALID_PARAM;
    const value = cmapInteger(old.type, integer + BigInt(step));
    if (cmapValueEquals(old, value)) return CsError.OK;
    this.values.set(key, value); // as long as before, so whoever pays for the key goes on
    this.trackers.notify(TrackEvent.MODIFY, key, value, old);
    return CsError.OK;
  }

  inc(key: string): CsStatus {
    return this.adjust(key, 1);
  }

  dec(key: string): CsStatus {
    return this.adjust(key, -1);
  }

  /** As `adjust`, for the daemon's counters: trackers hear of it without an old value (services.md 5.5). */
  fastAdjust(key: string, step: number | bigint): CsStatus {
    const old = this.values.get(key);
    if (old === undefined) return CsError.NOT_EXIST;
    const integer = cmapBigInt(old);
    if (integer === null) return CsError.INVALID_PARAM;
    const value = cmapInteger(old.type, integer + BigInt(step));
    this.values.set(key, value);
    this.trackers.notify(TrackEvent.MODIFY, key, value, null);
    return CsError.OK;
  }

  private store(key: string, value: CmapValue, client: MapClient | null = null): CsStatus {
    const old = this.values.get(key);
    if (old === undefined && !isValidKey(key)) return CsError.NAME_TOO_LONG;
    if (old !== undefined && cmapValueEquals(old, value)) {
      if (key === SECRET_KEY && value !== old) value.bytes.fill(0); // one copy is enough
      return CsError.OK;
    }
    if (client === null) this.clientKeys.release(key);
    else if (this.clientKeys.allows(client, key, value.bytes.length))
      this.clientKeys.charge(client, key, value.bytes.length);
    else return CsError.NO_MEMORY;
    this.values.set(key, value);
    if (old === undefined) this.keys.add(key);
    this.trackers.notify(old === undefined ? TrackEvent.ADD : TrackEvent.MODIFY, key, value, old ?? null);
    if (key === SECRET_KEY) old?.bytes.fill(0);
    return CsError.OK;
  }

  // ---- as a client: access is checked first (services.md 5.4) ----

  /** NO_MEMORY: the client's user keeps as much in the map as it may. */
  clientSet(key: string, type: number, bytes: Uint8Array, client: MapClient): CsStatus {
    return this.isReadOnlyFor(key, client) ? CsError.ACCESS : this.setAs(client, key, type, bytes);
  }

  clientDelete(key: string, client: MapClient): CsStatus {
    return this.isReadOnlyFor(key, client) ? CsError.ACCESS : this.delete(key);
  }

  clientAdjust(key: string, step: number | bigint, client: MapClient): CsStatus {
    return this.isReadOnlyFor(key, client) ? CsError.ACCESS : this.adjust(key, step);
  }

  /** Whether the client may see the key: a secret is not listed, not read, and no event reports it. */
  clientMayRead(key: string, { privileged }: MapClient): boolean {
    return privileged || !isSecret(key);
  }

  private isReadOnlyFor(key: string, { privileged }: MapClient): boolean {
    return this.access.isReadOnly(key) || (!privileged && isRootOnly(key));
  }

  isReadOnly(key: string): boolean {
    return this.access.isReadOnly(key);
  }

  /** EXIST when it is so already, NOT_EXIST when there was nothing to lift. */
  setReadOnly(name: string, options: { readonly prefix: boolean; readonly readOnly: boolean }): CsStatus {
    if (this.access.set(name, options.prefix, options.readOnly)) return CsError.OK;
    return options.readOnly ? CsError.EXIST : CsError.NOT_EXIST;
  }

  // ---- iterating ----

  /** A cursor over the keys with a prefix, in byte order; it survives every change of the map on its way. */
  iterate(prefix = ''): IcmapIterator {
    return new IcmapIterator(this.values, this.keys, prefix);
  }

  /** As `iterate`, for loops. */
  *keysWithPrefix(prefix = ''): Generator<string> {
    const iterator = this.iterate(prefix);
    for (let entry = iterator.next(); entry !== null; entry = iterator.next()) yield entry.key;
  }

  /** Keys and values with a prefix, for loops. */
  *entries(prefix = ''): Generator<IcmapEntry> {
    const iterator = this.iterate(prefix);
    for (let entry = iterator.next(); entry !== null; entry = iterator.next()) yield entry;
  }

  // ---- tracking ----

  /**
   * Calls back inside every matching change. `mask` is made of `TrackEvent` bits; without `key` and with the prefix
   * bit every key matches. `null`: the mask has unknown bits.
   */
  track(key: string, mask: number, callback: TrackCallback): Tracker | null {
    if ((mask & ~TRACK_MASK_ALL) !== 0) return null;
    return this.trackers.add(key, mask, callback);
  }

  untrack(tracker: Tracker): boolean {
    return this.trackers.delete(tracker);
  }

  // ---- whole maps ----

  /** Overwrites the key of the ring, if this map holds one: for maps that are given up. */
  wipeSecret(): void {
    this.values.get(SECRET_KEY)?.bytes.fill(0);
  }

  /** Sets every key of another map here, in byte order, with notifications. Keys that only this map has stay. */
  copyFrom(source: Icmap): void {
    for (const { key, value } of source.entries()) this.store(key, value);
  }

  /**
   * Makes this map equal to `source` below the given prefixes (vanished keys are deleted) and copies all of its other
   * keys: the commit of a reload. It cannot fail: both maps hold valid keys and values only.
   */
  replaceFrom(source: Icmap, prefixes: readonly string[]): void {
    for (const prefix of prefixes) {
      for (const key of [...this.keysWithPrefix(prefix)]) if (!source.has(key)) this.delete(key);
    }
    this.copyFrom(source);
  }
}

export interface IcmapEntry {
  readonly key: string;
  readonly value: CmapValue;
}

/** Stands on a key by its name, so keys may come and go, the one it stands on included. */
export class IcmapIterator {
  private last: string | null = null;

  constructor(
    private readonly values: ReadonlyMap<string, CmapValue>,
    private readonly keys: SortedKeys,
    private readonly prefix: string,
  ) {}

  next(): IcmapEntry | null {
    const index = this.last === null ? this.keys.lowerBound(this.prefix) : this.keys.upperBound(this.last);
    const key = this.keys.at(index);
    if (key?.startsWith(this.prefix) !== true) return null;
    const value = this.values.get(key);
    if (value === undefined) return null;
    this.last = key;
    return { key, value };
  }
}
