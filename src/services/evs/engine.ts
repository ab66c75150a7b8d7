import { CsError, type CsStatus } from '../../lib/errors.ts';
import { type ConfigurationChange, exactRingId } from '../../lib/ring-id.ts';
import { serve } from '../codec/call.ts';
import {
  decodeGroups,
  EVS_CALLS,
  EVS_DELIVER,
  EVS_EXEC_MCAST,
  EVS_GROUPS_MAX,
  EVS_JOIN,
  EVS_LEAVE,
  EVS_MCAST,
  EVS_MEMBERSHIP_RESPONSE,
  EVS_MESSAGES,
  EVS_NAME,
  EVS_SERVICE_ID,
  encodeEvsConfiguration,
  encodeGroups,
} from '../codec/evs.ts';
import { U32_ELEMENT } from '../codec/fields.ts';
import { messageNames, receive, tryMulticast } from '../codec/message.ts';
import { encodeList, type ValuesOf } from '../codec/struct.ts';
import type { EngineConnection, MainEngineContext, RunningService, ServiceEngine } from '../engine.ts';

export const interfaceVersion = 2;
export const createEngine = (): EvsEngine => new EvsEngine();

type EvsCall = keyof typeof EVS_CALLS;

const NO_CHANGE: ConfigurationChange = {
  kind: 'regular',
  members: [],
  left: [],
  joined: [],
  ringId: { rep: 0, seq: 0 },
};

/**
 * Extended virtual synchrony for programs: messages of the groups that a connection has joined, and every change of the
 * membership of the ring, transitional and regular, all in one order. What a program sees between the two changes was
 * sent in the old ring and is delivered to those who come along (totem.md 4.16). Loaded by `service { name: evs }`.
 */
export class EvsEngine implements ServiceEngine<MainEngineContext, EvsCall, 'message'> {
  readonly serviceId = EVS_SERVICE_ID;
  readonly name = EVS_NAME;
  readonly description = 'extended virtual synchrony service';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly calls = EVS_CALLS;
  readonly messages = messageNames(EVS_MESSAGES);
  readonly takesPartInSync = false;

  start(context: MainEngineContext): RunningService<EvsCall, 'message'> {
    return new EvsService(context);
  }
}

class EvsService implements RunningService<EvsCall, 'message'> {
  readonly messages = receive(EVS_MESSAGES, {
    message: ({ groupCount }, nodeId, payload) => this.delivered(groupCount, nodeId, payload),
  });
  private latest = NO_CHANGE;
  /** Groups of each connection, at most `EVS_GROUPS_MAX`. */
  private readonly joined = new Map<EngineConnection, Set<string>>();

  constructor(private readonly context: MainEngineContext) {}

  connectionOpened(connection: EngineConnection): void {
    this.joined.set(connection, new Set());
  }

  connectionClosed(connection: EngineConnection): void {
    this.joined.delete(connection);
  }

  configurationChange(change: ConfigurationChange): void {
    this.latest = change;
    const event = encodeEvsConfiguration({ ...change, ringId: exactRingId(change.ringId) });
    for (const [connection, groups] of this.joined) if (groups.size > 0) connection.dispatch(event);
  }

  private delivered(groupCount: number, nodeId: number, payload: Uint8Array): void {
    const names = decodeGroups(payload, EVS_EXEC_MCAST.bytes, groupCount);
    if (names === null) return;
    const data = payload.slice(names.end);
    const event = EVS_DELIVER.ok({ nodeId, messageBytes: data.length }, data);
    for (const [connection, groups] of this.joined) {
      if (names.groups.some((group) => groups.has(group))) connection.dispatch(event);
    }
  }

  readonly calls = serve(EVS_CALLS, {
    join: ({ groupCount }, connection, request) => {
      const names = decodeGroups(request, EVS_JOIN.bytes, groupCount);
      if (names === null) return CsError.INVALID_PARAM;
      const groups = this.joined.get(connection) ?? new Set();
      const joined = new Set([...groups, ...names.groups]);
      // A message names all groups of its sender, so he has no more of them than a message may name.
      if (joined.size > EVS_GROUPS_MAX) return CsError.TOO_MANY_GROUPS;
      this.joined.set(connection, joined);
      // The ring as it is, so that the first thing in the order is known to everybody who joins.
      if (groups.size === 0) {
        const ringId = exactRingId(this.latest.ringId);
        connection.dispatch(encodeEvsConfiguration({ ...this.latest, ringId, joined: [] }));
      }
      return CsError.OK;
    },
    leave: ({ groupCount }, connection, request) => {
      const names = decodeGroups(request, EVS_LEAVE.bytes, groupCount);
      const groups = this.joined.get(connection);
      const known = names?.groups.every((group) => groups?.has(group)) ?? false;
      if (known) for (const group of names?.groups ?? []) groups?.delete(group);
      return names === null ? CsError.INVALID_PARAM : known ? CsError.OK : CsError.NOT_EXIST;
    },
    mcast: ({ groupCount }, connection, request) => this.mcast(groupCount, connection, request),
    membership: () => {
      const { members, ringId } = this.latest;
      const fixed = { nodeId: this.context.nodeId, memberCount: members.length, ringId: exactRingId(ringId) };
      return EVS_MEMBERSHIP_RESPONSE.ok(fixed, encodeList(members, U32_ELEMENT));
    },
  });

  private mcast(groupCount: number, connection: EngineConnection, request: Uint8Array): CsStatus {
    const names = decodeGroups(request, EVS_MCAST.bytes, groupCount);
    if (names === null) return CsError.INVALID_PARAM;
    if (groupCount === 0 && this.joined.get(connection)?.size !== 0) return this.mcastJoined(connection, request);
    if (groupCount === 0) return CsError.NOT_EXIST;
    const tail = request.slice(EVS_MCAST.bytes);
    const groupBytes = names.end - EVS_MCAST.bytes;
    return this.send({ groupCount, groupBytes }, tail);
  }

  private mcastJoined(connection: EngineConnection, request: Uint8Array): CsStatus {
    const groups = [...(this.joined.get(connection) ?? [])];
    const names = encodeGroups(groups);
    const data = request.subarray(EVS_MCAST.bytes);
    const tail = new Uint8Array(names.length + data.length);
    tail.set(names);
    tail.set(data, names.length);
    return this.send({ groupCount: groups.length, groupBytes: names.length }, tail);
  }

  private send(values: Partial<ValuesOf<typeof EVS_EXEC_MCAST>>, tail: Uint8Array): CsStatus {
    return tryMulticast(this.context, EVS_EXEC_MCAST, values, tail) ? CsError.OK : CsError.TRY_AGAIN;
  }
}
