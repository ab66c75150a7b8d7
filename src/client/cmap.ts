import type { CmapValue } from '../lib/cmap-value.ts';
import { CmapType } from '../lib/cmap-value.ts';
import { CsError, CsStatusError } from '../lib/errors.ts';
import { CMAP_CALLS, CMAP_NOTIFY } from '../services/codec/cmap.ts';
import { nameValue } from '../services/codec/fields.ts';
import { CmapResponse } from '../services/codec/ids.ts';
import { messageId } from '../services/codec/struct.ts';
import { checkedInteger, checkedText } from './arguments.ts';
import { type CmapEntry, type CmapPlain, type CmapTypeName, cmapValueOf, entryOf } from './cmap-values.ts';
import { Connection } from './connection.ts';
import { decodeOrFail, orFail } from './decode.ts';
import { ArgumentError, type ConnectionError } from './errors.ts';
import { EventStream } from './event-stream.ts';
import type { Reconnects } from './reconnection.ts';
import { type CallDetails, type CallOptions, type ReconnectingOptions, Session } from './session.ts';

export type { CmapEntry, CmapPlain, CmapTypeName } from './cmap-values.ts';

/** `icmap`: configuration and state; `stats`: counters, read-only. */
export type CmapMap = 'icmap' | 'stats';
const MAP_IDS: Readonly<Record<CmapMap, number>> = { icmap: 0, stats: 1 };

export interface CmapOptions extends ReconnectingOptions {
  readonly map?: CmapMap;
}

export type CmapEventKind = 'add' | 'modify' | 'delete';
const KIND_BITS: Readonly<Record<CmapEventKind, number>> = { delete: 1, modify: 2, add: 4 };
const PREFIX_BIT = 8;

/** A change of a key that is watched. */
export interface CmapEvent {
  readonly kind: CmapEventKind;
  readonly key: string;
  /** `null`: deleted. */
  readonly current: CmapEntry | null;
  /** `null`: it did not exist, or the daemon does not report it (counters). */
  readonly previous: CmapEntry | null;
}

/** Of a connection that is made again (`reconnect`): changes are missed until it is there. What is read after this event is complete with the events that follow. */
export interface CmapGapEvent {
  readonly kind: 'gap';
  /** Which watch this is. */
  readonly key: string;
  readonly current: null;
  readonly previous: null;
  readonly reason: ConnectionError;
}

export interface WatchOptions extends CallOptions {
  /** Watch every key that starts with the given text, not just the key itself. */
  readonly prefix?: boolean;
  /** Default: all three. */
  readonly kinds?: readonly CmapEventKind[];
}

/** Changes of one watch, in order. Ends with `close()`, with the loop, or with the connection. */
export interface CmapWatch<Gap extends CmapGapEvent = never> extends AsyncIterableIterator<CmapEvent | Gap> {
  close(): Promise<void>;
}

/** What the daemon is asked to track. */
interface Tracker {
  readonly key: string;
  readonly bits: number;
  readonly stream: EventStream<CmapEvent | CmapGapEvent>;
  /** The daemon's name of it; `null`: it has not agreed yet. */
  handle: bigint | null;
}

const KEY_HINTS = {
  [CsError.INVALID_PARAM]: 'The daemon takes no such key or value; on the map stats there is nothing to set',
  [CsError.NAME_TOO_LONG]: 'The key is too long or too short for the daemon',
  [CsError.ACCESS]: 'The key is read-only while the daemon runs',
  [CsError.NOT_EXIST]: 'There is no such key',
};
const KEY_BYTES_MIN = 3;
const KEY_BYTES_MAX = 255;
/** Most values fit; longer ones cost two more round trips. */
const ROOM_BYTES = 512;
const GROWTH_TRIES = 5;
const WATCH_QUEUE_EVENTS = 10_000;

/**
 * The map of configuration and run-time state of a node, and its statistics.
 *
 * ```ts
 * const cmap = await Cmap.connect();
 * console.log((await cmap.get('totem.cluster_name'))?.value);
 * for await (const change of await cmap.watch('runtime.members.', { prefix: true })) console.log(change);
 * ```
 */
export class Cmap<Gap extends CmapGapEvent = never> extends Connection {
  private readonly watches = new Map<bigint, Tracker>();
  private nextCookie = 1n;

  private constructor(
    protected override readonly session: Session,
    private readonly map: CmapMap,
  ) {
    super();
    session.reviveBy({ lost: (reason) => this.lost(reason), revive: (life) => this.revive(life) });
  }

  static connect(options: CmapOptions & Reconnects): Promise<Cmap<CmapGapEvent>>;
  static connect(options?: CmapOptions): Promise<Cmap>;
  static async connect(options: CmapOptions = {}): Promise<Cmap<CmapGapEvent>> {
    const { map = 'icmap' } = options;
    if (map !== 'icmap' && map !== 'stats') {
      throw new ArgumentError(`there is no map '${String(map)}'`, 'The maps are icmap and stats');
    }
    // Events cannot come before the first watch, which needs the object.
    let cmap: Cmap<CmapGapEvent> | null = null;
    const session = await Session.open('cmap', options, (event) => cmap?.take(event));
    cmap = new Cmap<CmapGapEvent>(session, map);
    try {
      await cmap.selectMap(options.signal === undefined ? {} : { signal: options.signal });
    } catch (error) {
      session.close();
      throw error;
    }
    return cmap;
  }

  private async selectMap(details: CallDetails): Promise<void> {
    const { map } = this;
    if (map === 'icmap') return;
    await this.session.call(CMAP_CALLS.setCurrentMap, { map: MAP_IDS[map] }, `cmap: selecting map ${map}`, details);
  }

  private lost(reason: ConnectionError): void {
    for (const { key, stream } of this.watches.values())
      stream.push({ kind: 'gap', key, current: null, previous: null, reason });
  }

  /** Watches that the connection before had; one that it did not have yet asks for itself. */
  private async revive(life: number): Promise<void> {
    await this.selectMap({ life });
    for (const [cookie, tracker] of this.watches) {
      if (tracker.handle === null) continue;
      const handle = await this.track(cookie, tracker, { life });
      tracker.handle = handle;
      if (!this.watches.has(cookie)) await this.untrack(handle, life);
    }
  }

  private async track(cookie: bigint, { key, bits }: Tracker, details: CallDetails): Promise<bigint> {
    const values = { key: keyName(key, true), trackType: bits, cookie };
    return (await this.session.call(CMAP_CALLS.trackAdd, values, `cmap: watching ${key}`, details)).handle;
  }

  private async untrack(handle: bigint, life: number): Promise<void> {
    await this.session.exchange(CMAP_CALLS.trackDelete, { handle }, { life });
  }

  /** The key's value, or `null` when there is no such key. */
  async get(key: string, options: CallOptions = {}): Promise<CmapEntry | null> {
    const value = await this.getValue(key, options);
    return value === null ? null : entryOf(key, value);
  }

  /** A string, or `null` when there is no such key or it is no string. */
  async getString(key: string, options: CallOptions = {}): Promise<string | null> {
    const entry = await this.get(key, options);
    return typeof entry?.value === 'string' ? entry.value : null;
  }

  /** A number of any type, or `null`; 64-bit values lose precision above 2^53. */
  async getNumber(key: string, options: CallOptions = {}): Promise<number | null> {
    const entry = await this.get(key, options);
    return typeof entry?.value === 'number' || typeof entry?.value === 'bigint' ? Number(entry.value) : null;
  }

  /** Sets or creates a key. @throws CsStatusError ACCESS: the key is read-only. */
  async set(key: string, type: CmapTypeName, value: CmapPlain, options: CallOptions = {}): Promise<void> {
    const { type: code, bytes } = cmapValueOf(type, value);
    // Strings travel without their NUL.
    const tail = code === CmapType.STRING ? bytes.subarray(0, bytes.length - 1) : bytes;
    const values = { key: newKeyName(key), valueBytes: tail.length, type: code };
    await this.session.call(CMAP_CALLS.set, values, `cmap: setting ${key}`, { ...options, tail, hints: KEY_HINTS });
  }

  /** @throws CsStatusError NOT_EXIST, ACCESS. */
  async delete(key: string, options: CallOptions = {}): Promise<void> {
    const details = { ...options, hints: KEY_HINTS };
    await this.session.call(CMAP_CALLS.delete, { key: keyName(key) }, `cmap: deleting ${key}`, details);
  }

  /** Adds a number of 32 bits with sign to an integer, within its width. @throws CsStatusError INVALID_PARAM: it is no integer. */
  async adjust(key: string, step: number, options: CallOptions = {}): Promise<void> {
    checkedInteger(step, 'a step', -(2 ** 31), 2 ** 31 - 1);
    await this.session.call(CMAP_CALLS.adjust, { key: keyName(key), step }, `cmap: adjusting ${key}`, {
      ...options,
      hints: { ...KEY_HINTS, [CsError.INVALID_PARAM]: 'Its type is no integer' },
    });
  }

  /** Keys that start with `prefix`, in byte order, each with its value. Keys that vanish meanwhile are left out. */
  async *entries(prefix = '', options: CallOptions = {}): AsyncGenerator<CmapEntry, void> {
    for await (const key of this.keys(prefix, options)) {
      const entry = await this.get(key, options);
      if (entry !== null) yield entry;
    }
  }

  async *keys(prefix = '', options: CallOptions = {}): AsyncGenerator<string, void> {
    const what = 'cmap: listing';
    const begin = { prefix: keyName(prefix, true) };
    const life = await this.session.connected(options.signal);
    const { handle } = await this.session.call(CMAP_CALLS.iterInit, begin, what, options);
    try {
      for (;;) {
        const reply = await this.session.exchange(CMAP_CALLS.iterNext, { handle }, { ...options, life });
        if (reply.status === CsError.NO_SECTIONS) return;
        yield reply.requireOk(what).values.key.text;
      }
    } finally {
      if (this.session.isConnected && this.session.life === life)
        await this.session.exchange(CMAP_CALLS.iterFinalize, { handle }, { life });
    }
  }

  /** Changes from now on: once the promise resolved, none is missed. On `stats`, keys are looked at every 1.5 s. */
  async watch(key: string, options: WatchOptions = {}): Promise<CmapWatch<Gap>> {
    const kinds = options.kinds ?? ['add', 'modify', 'delete'];
    const wrong = kinds.find((kind) => KIND_BITS[kind] === undefined);
    if (wrong !== undefined || kinds.length === 0) {
      throw new ArgumentError(`a watch for '${String(wrong ?? 'nothing')}'`, 'Kinds are add, modify and delete');
    }
    const bits = kinds.reduce((sum, kind) => sum | KIND_BITS[kind], options.prefix === true ? PREFIX_BIT : 0);
    const cookie = this.nextCookie++;
    const close = async (): Promise<void> => {
      if (!this.watches.delete(cookie)) return;
      this.session.unregister(stream);
      stream.end();
      // One that the connection now does not have goes with that which had it.
      const { life, isConnected } = this.session;
      if (tracker.handle !== null && isConnected) await this.untrack(tracker.handle, life);
    };
    const stream: EventStream<CmapEvent | CmapGapEvent> = new EventStream(WATCH_QUEUE_EVENTS, {
      onFull: () => this.session.hold(stream),
      onDrained: () => this.session.release(stream),
      onReturn: () => void close().catch(() => {}), // leaving the loop: a connection that ended has no tracker anyway
    });
    const tracker: Tracker = { key, bits, stream, handle: null };
    this.watches.set(cookie, tracker);
    this.session.register(stream);
    try {
      tracker.handle = await this.track(
        cookie,
        tracker,
        options.signal === undefined ? {} : { signal: options.signal },
      );
    } catch (error) {
      this.watches.delete(cookie);
      this.session.unregister(stream);
      throw error;
    }
    const watch: CmapWatch<CmapGapEvent> = Object.assign(stream.endOn(options.signal), { close });
    return watch as CmapWatch<Gap>; // only a connection that is made again has gaps
  }

  private async getValue(key: string, options: CallOptions): Promise<CmapValue | null> {
    let room = ROOM_BYTES;
    for (let attempt = 0; attempt < GROWTH_TRIES; attempt++) {
      const reply = await this.session.exchange(CMAP_CALLS.get, { key: keyName(key), valueBytes: room }, options);
      if (reply.status === CsError.NOT_EXIST) return null;
      if (reply.status === CsError.INVALID_PARAM) {
        room = 0; // too small: ask for the length
        continue;
      }
      const { type, valueBytes } = reply.requireOk(`cmap: getting ${key}`).values;
      if (room > 0) return { type, bytes: reply.tailBytes(valueBytes) };
      room = Math.max(1, valueBytes);
    }
    throw new CsStatusError(
      CsError.INVALID_PARAM,
      `cmap: getting ${key}`,
      'Its value grows faster than it can be read',
    );
  }

  private take(event: Uint8Array): void {
    if (messageId(event) !== CmapResponse.NOTIFY) return;
    const notify = decodeOrFail(CMAP_NOTIFY, event);
    const stream = this.watches.get(notify.cookie)?.stream;
    if (stream === undefined) return; // of a watch that was just closed
    const values = new Uint8Array(
      orFail(CMAP_NOTIFY.tailBytes(event, notify.newBytes + notify.oldBytes), 'cmap event'),
    );
    const key = notify.key.text;
    const entry = (type: number, bytes: Uint8Array): CmapEntry | null =>
      type === 0 ? null : entryOf(key, { type, bytes });
    stream.push({
      kind: kindOf(notify.event),
      key,
      current: entry(notify.newType, values.subarray(0, notify.newBytes)),
      previous: entry(notify.oldType, values.subarray(notify.newBytes)),
    });
  }
}

function kindOf(bit: number): CmapEventKind {
  if (bit === KIND_BITS.add) return 'add';
  return bit === KIND_BITS.delete ? 'delete' : 'modify';
}

/** Names that no key can have are refused here: the field could not carry them. */
function keyName(key: string, mayBeEmpty = false): { readonly length: number; readonly text: string } {
  if (checkedText(key, 'a key') === '' && mayBeEmpty) return nameValue('');
  if (key === '' || key.length > KEY_BYTES_MAX || !/^[A-Za-z0-9._/:-]+$/.test(key)) throw badKey(key);
  return nameValue(key);
}

function newKeyName(key: string): { readonly length: number; readonly text: string } {
  const name = keyName(key);
  if (key.length < KEY_BYTES_MIN) throw badKey(key);
  return name;
}

const badKey = (key: string): ArgumentError =>
  new ArgumentError(
    `'${key}' cannot be a key`,
    `Keys have ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} of A-Z a-z 0-9 . _ - / :`,
  );
