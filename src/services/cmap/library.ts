import type { TrackCallback } from '../../config/icmap/index.ts';
import { CsError, type CsStatus } from '../../lib/errors.ts';
import * as wire from '../codec/cmap.ts';
import { nameValue } from '../codec/fields.ts';
import { CmapRequest } from '../codec/ids.ts';
import { statusResponse } from '../codec/struct.ts';
import type { EngineConnection, LibraryFunction } from '../engine.ts';
import type { ClientMap, MapCursor } from './maps.ts';

/** Numbers of the maps in `set current map`. */
export const MapId = { MAIN: 0, STATISTICS: 1 } as const;

/** A response longer than the client's buffer blocks its connection for good (libqb-ipc.md 3.1). */
const RESPONSE_BYTES_MAX = 1_048_576;

interface OpenTracker {
  readonly cookie: bigint;
  readonly end: () => void;
}

/** What a connection has open. */
export class CmapConnection {
  readonly iterators = new Map<bigint, MapCursor>();
  readonly trackers = new Map<bigint, OpenTracker>();
  constructor(public map: ClientMap) {}

  close(): void {
    for (const tracker of this.trackers.values()) tracker.end();
    this.trackers.clear();
    this.iterators.clear();
  }
}

/** The requests of libcmap (services.md 5.3-5.5, 5.8). */
export class CmapLibrary {
  private lastHandle = 0n;

  constructor(private readonly maps: { readonly main: ClientMap; readonly statistics: ClientMap }) {}

  open(connection: EngineConnection): void {
    connection.context = new CmapConnection(this.maps.main);
  }

  close(connection: EngineConnection): void {
    stateOf(connection).close();
  }

  private nextHandle(): bigint {
    this.lastHandle += 1n;
    return this.lastHandle;
  }

  functions(): readonly LibraryFunction[] {
    const fn = (
      name: string,
      requestBytesMin: number,
      handle: (connection: EngineConnection, state: CmapConnection, request: Uint8Array) => Uint8Array,
    ): LibraryFunction => ({
      name,
      flowControl: false,
      requestBytesMin,
      handle: (connection, request) => connection.respond(handle(connection, stateOf(connection), request)),
    });
    return [
      fn('set', wire.CMAP_SET.bytes, (_, state, request) => set(state, request)),
      fn('delete', wire.CMAP_DELETE.bytes, (_, state, request) => {
        const { key } = wire.CMAP_DELETE.decodeChecked(request);
        return wire.CMAP_DELETE_RESPONSE.message(state.map.delete(key.text));
      }),
      fn('get', wire.CMAP_GET.bytes, (_, state, request) => get(state, request)),
      fn('adjust int', wire.CMAP_ADJUST_INT.bytes, (_, state, request) => {
        const { key, step } = wire.CMAP_ADJUST_INT.decodeChecked(request);
        return wire.CMAP_ADJUST_INT_RESPONSE.message(state.map.adjust(key.text, step));
      }),
      fn('iter init', wire.CMAP_ITER_INIT.bytes, (_, state, request) => this.iterInit(state, request)),
      fn('iter next', wire.CMAP_ITER_NEXT.bytes, (_, state, request) => iterNext(state, request)),
      fn('iter finalize', wire.CMAP_ITER_FINALIZE.bytes, (_, state, request) => {
        const { handle } = wire.CMAP_ITER_FINALIZE.decodeChecked(request);
        const known = state.iterators.delete(handle);
        return wire.CMAP_ITER_FINALIZE_RESPONSE.message(known ? CsError.OK : CsError.BAD_HANDLE);
      }),
      fn('track add', wire.CMAP_TRACK_ADD.bytes, (connection, state, request) =>
        this.trackAdd(connection, state, request),
      ),
      fn('track delete', wire.CMAP_TRACK_DELETE.bytes, (_, state, request) => trackDelete(state, request)),
      fn('set current map', wire.CMAP_SET_CURRENT_MAP.bytes, (_, state, request) => {
        const { map } = wire.CMAP_SET_CURRENT_MAP.decodeChecked(request);
        return wire.CMAP_SET_CURRENT_MAP_RESPONSE.message(this.setCurrentMap(state, map));
      }),
    ];
  }

  private iterInit(state: CmapConnection, request: Uint8Array): Uint8Array {
    const { prefix } = wire.CMAP_ITER_INIT.decodeChecked(request);
    const handle = this.nextHandle();
    state.iterators.set(handle, state.map.iterate(prefix.length === 0 ? '' : prefix.text));
    return wire.CMAP_ITER_INIT_RESPONSE.ok({ handle });
  }

  private trackAdd(connection: EngineConnection, state: CmapConnection, request: Uint8Array): Uint8Array {
    const { key, trackType, cookie } = wire.CMAP_TRACK_ADD.decodeChecked(request);
    const notify: TrackCallback = (event, changedKey, newValue, oldValue) => {
      const newBytes = newValue?.bytes ?? NO_BYTES;
      const oldBytes = oldValue?.bytes ?? NO_BYTES;
      const fields = {
        cookie,
        key: nameValue(changedKey),
        event,
        newType: newValue?.type ?? 0,
        oldType: oldValue?.type ?? 0,
        newBytes: newBytes.length,
        oldBytes: oldBytes.length,
      };
      connection.dispatch(wire.CMAP_NOTIFY.ok(fields, concat(newBytes, oldBytes)));
    };
    const tracked = state.map.track(key.length === 0 ? '' : key.text, trackType, notify);
    if (typeof tracked === 'number') return wire.CMAP_TRACK_ADD_RESPONSE.message(tracked);
    const handle = this.nextHandle();
    state.trackers.set(handle, { cookie, end: tracked });
    return wire.CMAP_TRACK_ADD_RESPONSE.ok({ handle });
  }

  private setCurrentMap(state: CmapConnection, map: number): CsStatus {
    if (state.iterators.size > 0 || state.trackers.size > 0) return CsError.BUSY;
    if (map === MapId.MAIN) state.map = this.maps.main;
    else if (map === MapId.STATISTICS) state.map = this.maps.statistics;
    else return CsError.NOT_EXIST;
    return CsError.OK;
  }
}

const NO_BYTES = new Uint8Array(0);

function stateOf(connection: EngineConnection): CmapConnection {
  return connection.context as CmapConnection;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

function set(state: CmapConnection, request: Uint8Array): Uint8Array {
  const { key, valueBytes, type } = wire.CMAP_SET.decodeChecked(request);
  const value = wire.CMAP_SET.tailBytes(request, valueBytes);
  // A length beyond the request: whatever the map says to an over-long value, so that access is still checked first.
  const bytes = value ?? new Uint8Array(RESPONSE_BYTES_MAX);
  return statusResponse(CmapRequest.SET, state.map.set(key.text, type, bytes));
}

function get(state: CmapConnection, request: Uint8Array): Uint8Array {
  const { key, valueBytes: room } = wire.CMAP_GET.decodeChecked(request);
  const response = wire.CMAP_GET_RESPONSE;
  const value = state.map.get(key.text);
  if (value === undefined) return response.message(CsError.NOT_EXIST);
  const { type, bytes } = value;
  if (room === 0) return response.ok({ valueBytes: bytes.length, type });
  if (room < bytes.length || room > RESPONSE_BYTES_MAX - response.bytes) return response.message(CsError.INVALID_PARAM);
  const tail = new Uint8Array(room); // the client expects exactly as many bytes as it asked for (services.md T10)
  tail.set(bytes);
  return response.ok({ valueBytes: bytes.length, type }, tail);
}

function iterNext(state: CmapConnection, request: Uint8Array): Uint8Array {
  const response = wire.CMAP_ITER_NEXT_RESPONSE;
  const cursor = state.iterators.get(wire.CMAP_ITER_NEXT.decodeChecked(request).handle);
  if (cursor === undefined) return response.message(CsError.BAD_HANDLE);
  const entry = cursor.next();
  if (entry === null) return response.message(CsError.NO_SECTIONS);
  return response.ok({ key: nameValue(entry.key), valueBytes: entry.valueBytes, type: entry.type });
}

function trackDelete(state: CmapConnection, request: Uint8Array): Uint8Array {
  const { handle } = wire.CMAP_TRACK_DELETE.decodeChecked(request);
  const tracker = state.trackers.get(handle);
  if (tracker === undefined) return wire.CMAP_TRACK_DELETE_RESPONSE.message(CsError.BAD_HANDLE);
  tracker.end();
  state.trackers.delete(handle);
  return wire.CMAP_TRACK_DELETE_RESPONSE.ok({ cookie: tracker.cookie });
}
