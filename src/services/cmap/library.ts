import { isSecret, type MapClient, type TrackCallback } from '../../config/icmap/index.ts';
import { CsError, type CsStatus } from '../../lib/errors.ts';
import { Repeats } from '../../lib/repeats.ts';
import { type CallResult, type RequestOf, serve } from '../codec/call.ts';
import * as wire from '../codec/cmap.ts';
import { nameValue } from '../codec/fields.ts';
import type { EngineConnection } from '../engine.ts';
import { CmapConnection, CmapQuotas } from './connection.ts';
import { REFUSALS_PERIOD_MS } from './limits.ts';
import type { ClientMap } from './maps.ts';
import { Notification } from './notification.ts';

/** Numbers of the maps in `set current map`. */
export const MapId = { MAIN: 0, STATISTICS: 1 } as const;

/** A response longer than the client's buffer blocks its connection for good (libqb-ipc.md 3.1). */
const RESPONSE_BYTES_MAX = 1_048_576;

export interface CmapMaps {
  /** The main map as a client sees it. */
  main(client: MapClient): ClientMap;
  readonly statistics: ClientMap;
}

/** What the library needs besides the maps. */
export interface CmapPorts {
  /** Whether a user counts as root: root, and the user that the daemon runs as. */
  isPrivileged(uid: number): boolean;
  nowMs(): number;
  log(text: string): void;
}

/** The requests of libcmap (services.md 5.3-5.5, 5.8). */
export class CmapLibrary {
  private lastHandle = 0n;
  private readonly quotas = new CmapQuotas();
  private readonly notification = new Notification();
  private readonly refusals = new Repeats(REFUSALS_PERIOD_MS);

  constructor(
    private readonly maps: CmapMaps,
    private readonly ports: CmapPorts,
  ) {}

  open(connection: EngineConnection): void {
    const uid = connection.euid;
    const client = { uid, privileged: this.ports.isPrivileged(uid) };
    connection.context = new CmapConnection(client, this.maps.main(client), this.quotas);
  }

  close(connection: EngineConnection): void {
    stateOf(connection).close();
  }

  private nextHandle(): bigint {
    this.lastHandle += 1n;
    return this.lastHandle;
  }

  readonly calls = serve(wire.CMAP_CALLS, {
    set: (values, connection, request) => this.set(values, connection, request),
    delete: ({ key }, connection) => stateOf(connection).map.delete(key.text),
    get: ({ key, valueBytes }, connection) => get(stateOf(connection), key.text, valueBytes),
    adjust: ({ key, step }, connection) => stateOf(connection).map.adjust(key.text, step),
    iterInit: ({ prefix }, connection) => this.iterInit(connection, prefix.length === 0 ? '' : prefix.text),
    iterNext: ({ handle }, connection) => iterNext(stateOf(connection), handle),
    iterFinalize: ({ handle }, connection) =>
      stateOf(connection).iterators.delete(handle) ? CsError.OK : CsError.BAD_HANDLE,
    trackAdd: (values, connection) => this.trackAdd(values, connection),
    trackDelete: ({ handle }, connection) => trackDelete(stateOf(connection), handle),
    setCurrentMap: ({ map }, connection) => this.setCurrentMap(stateOf(connection), map),
  });

  private set(
    { key, valueBytes, type }: RequestOf<typeof wire.CMAP_CALLS.set>,
    connection: EngineConnection,
    request: Uint8Array,
  ): CsStatus {
    const value = wire.CMAP_SET.tailBytes(request, valueBytes);
    // A length beyond the request: whatever the map returns for an over-long value, so that access is still checked first.
    const bytes = value ?? new Uint8Array(RESPONSE_BYTES_MAX);
    const status = stateOf(connection).map.set(key.text, type, bytes);
    if (status === CsError.NO_MEMORY) this.reportRefusal(connection, 'more keys or bytes in the map');
    return status;
  }

  /** A user at its limit gets NO_MEMORY, as with stock; the log names who, and not more often than is useful. */
  private reportRefusal({ euid, pid }: EngineConnection, what: string): void {
    const keptBack = this.refusals.admit(`${euid} ${what}`, this.ports.nowMs());
    if (keptBack === null) return;
    const more = keptBack > 0 ? `; ${keptBack} more were refused before` : '';
    this.ports.log(`User ${euid} (process ${pid}) holds as much as a user may: no ${what}${more}`);
  }

  private iterInit(connection: EngineConnection, prefix: string): CallResult {
    const state = stateOf(connection);
    if (!state.iterators.hasRoom()) {
      this.reportRefusal(connection, 'more iterations');
      return wire.CMAP_ITER_INIT_RESPONSE.message(CsError.NO_MEMORY);
    }
    const handle = this.nextHandle();
    state.iterators.add(handle, state.map.iterate(prefix));
    return wire.CMAP_ITER_INIT_RESPONSE.ok({ handle });
  }

  private trackAdd(
    { key, trackType, cookie }: RequestOf<typeof wire.CMAP_CALLS.trackAdd>,
    connection: EngineConnection,
  ): CallResult {
    const state = stateOf(connection);
    if (!state.trackers.hasRoom()) {
      this.reportRefusal(connection, 'more trackers');
      return wire.CMAP_TRACK_ADD_RESPONSE.message(CsError.NO_MEMORY);
    }
    const notify: TrackCallback = (event, changedKey, newValue, oldValue) => {
      connection.dispatch(this.notification.of(cookie, event, changedKey, newValue, oldValue));
      if (isSecret(changedKey)) this.notification.forget();
    };
    const tracked = state.map.track(key.length === 0 ? '' : key.text, trackType, notify);
    if (typeof tracked === 'number') return wire.CMAP_TRACK_ADD_RESPONSE.message(tracked);
    const handle = this.nextHandle();
    state.trackers.add(handle, { cookie, end: tracked });
    return wire.CMAP_TRACK_ADD_RESPONSE.ok({ handle });
  }

  private setCurrentMap(state: CmapConnection, map: number): CsStatus {
    if (state.iterators.size > 0 || state.trackers.size > 0) return CsError.BUSY;
    if (map === MapId.MAIN) state.map = this.maps.main(state.client);
    else if (map === MapId.STATISTICS) state.map = this.maps.statistics;
    else return CsError.NOT_EXIST;
    return CsError.OK;
  }
}

function stateOf(connection: EngineConnection): CmapConnection {
  return connection.context as CmapConnection;
}

function get(state: CmapConnection, key: string, room: number): Uint8Array {
  const response = wire.CMAP_GET_RESPONSE;
  const value = state.map.get(key);
  if (typeof value === 'number') return response.message(value);
  const { type, bytes } = value;
  if (room === 0) return response.ok({ valueBytes: bytes.length, type });
  if (room < bytes.length || room > RESPONSE_BYTES_MAX - response.bytes) return response.message(CsError.INVALID_PARAM);
  const tail = new Uint8Array(room); // the client expects exactly as many bytes as it asked for (services.md T10)
  tail.set(bytes);
  return response.ok({ valueBytes: bytes.length, type }, tail);
}

function iterNext(state: CmapConnection, handle: bigint): Uint8Array {
  const response = wire.CMAP_ITER_NEXT_RESPONSE;
  const cursor = state.iterators.get(handle);
  if (cursor === undefined) return response.message(CsError.BAD_HANDLE);
  const entry = cursor.next();
  if (entry === null) return response.message(CsError.NO_SECTIONS);
  return response.ok({ key: nameValue(entry.key), valueBytes: entry.valueBytes, type: entry.type });
}

function trackDelete(state: CmapConnection, handle: bigint): Uint8Array {
  const tracker = state.trackers.get(handle);
  if (tracker === undefined) return wire.CMAP_TRACK_DELETE_RESPONSE.message(CsError.BAD_HANDLE);
  tracker.end();
  state.trackers.delete(handle);
  return wire.CMAP_TRACK_DELETE_RESPONSE.ok({ cookie: tracker.cookie });
}
