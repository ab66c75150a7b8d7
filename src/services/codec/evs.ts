import type { ExactRingId } from '../../lib/ring-id.ts';
import { call } from './call.ts';
import { libraryRingId, U32_ELEMENT, u32 } from './fields.ts';
import { encodeList, execStruct, RequestStruct, ResponseStruct, viewOf } from './struct.ts';

/**
 * Messages of the extended virtual synchrony service, an engine of ours (Corosync dropped its own; nothing on the wire or
 * the IPC is stock's). Group names are lists of (u32 length, bytes), at most 255 bytes each.
 */
export const EVS_SERVICE_ID = 33;
export const EVS_NAME = 'evs';
export const EVS_GROUP_BYTES_MAX = 255;
export const EVS_GROUPS_MAX = 64;

export const EvsRequest = { JOIN: 0, LEAVE: 1, MCAST: 2, MEMBERSHIP: 3 } as const;
export const EvsEvent = { DELIVER: 10, CONFIGURATION: 11 } as const;

/** Tail: names. */
export const EVS_JOIN = new RequestStruct(
  EvsRequest.JOIN,
  'evs join',
  24,
  { groupCount: u32('groupCount', 16) },
  { name: 'groups', offset: 24 },
);
export const EVS_LEAVE = new RequestStruct(
  EvsRequest.LEAVE,
  'evs leave',
  24,
  { groupCount: u32('groupCount', 16) },
  { name: 'groups', offset: 24 },
);
/** Tail: names, then the message. No groups: those that the connection has joined. */
export const EVS_MCAST = new RequestStruct(
  EvsRequest.MCAST,
  'evs mcast',
  24,
  { groupCount: u32('groupCount', 16), groupBytes: u32('groupBytes', 20) },
  { name: 'groups', offset: 24 },
);
export const EVS_MEMBERSHIP = new RequestStruct(EvsRequest.MEMBERSHIP, 'evs membership', 16, {});

export const EVS_STATUS = new ResponseStruct(0, 'evs status', 24, {});
/** Tail: node ids. */
export const EVS_MEMBERSHIP_RESPONSE = new ResponseStruct(
  EvsRequest.MEMBERSHIP,
  'evs membership',
  56,
  { nodeId: u32('nodeId', 24), memberCount: u32('memberCount', 28), ringId: libraryRingId('ring.', 32) },
  { name: 'members', offset: 56 },
);
export const EVS_CALLS = {
  join: call(EVS_JOIN, EVS_STATUS),
  leave: call(EVS_LEAVE, EVS_STATUS),
  mcast: call(EVS_MCAST, EVS_STATUS, { flowControl: true }),
  membership: call(EVS_MEMBERSHIP, EVS_MEMBERSHIP_RESPONSE),
} as const;

/** Tail: the message. */
export const EVS_DELIVER = new ResponseStruct(
  EvsEvent.DELIVER,
  'evs deliver',
  32,
  { nodeId: u32('nodeId', 24), messageBytes: u32('messageBytes', 28) },
  { name: 'message', offset: 32 },
);
/** Tail: members, left, joined. */
export const EVS_CONFIGURATION = new ResponseStruct(
  EvsEvent.CONFIGURATION,
  'evs configuration',
  56,
  {
    ringId: libraryRingId('ring.', 24),
    isTransitional: u32('isTransitional', 40),
    memberCount: u32('memberCount', 44),
    leftCount: u32('leftCount', 48),
    joinedCount: u32('joinedCount', 52),
  },
  { name: 'lists', offset: 56 },
);

/** To all nodes. Tail as in the request. */
export const EVS_EXEC_MCAST = execStruct(
  EVS_SERVICE_ID,
  0,
  'evs message',
  24,
  { groupCount: u32('groupCount', 16), groupBytes: u32('groupBytes', 20) },
  { name: 'groups', offset: 24 },
);
export const EVS_MESSAGES = { message: EVS_EXEC_MCAST } as const;

const encoder = new TextEncoder();

export function encodeGroups(groups: readonly string[]): Uint8Array {
  const names = groups.map((group) => encoder.encode(group));
  const bytes = new Uint8Array(names.reduce((sum, name) => sum + 4 + name.length, 0));
  const view = viewOf(bytes);
  let at = 0;
  for (const name of names) {
    view.setUint32(at, name.length, true);
    bytes.set(name, at + 4);
    at += 4 + name.length;
  }
  return bytes;
}

/** The names and where they end; `null`: too many, too long, or cut off. */
export function decodeGroups(
  bytes: Uint8Array,
  from: number,
  count: number,
): { readonly groups: string[]; readonly end: number } | null {
  if (count > EVS_GROUPS_MAX) return null;
  const view = viewOf(bytes);
  const groups: string[] = [];
  let at = from;
  for (let i = 0; i < count; i++) {
    if (at + 4 > bytes.length) return null;
    const length = view.getUint32(at, true);
    if (length > EVS_GROUP_BYTES_MAX || at + 4 + length > bytes.length) return null;
    groups.push(Buffer.from(bytes.slice(at + 4, at + 4 + length)).toString());
    at += 4 + length;
  }
  return { groups, end: at };
}

export interface EvsConfiguration {
  readonly kind: 'transitional' | 'regular';
  readonly ringId: ExactRingId;
  readonly members: readonly number[];
  readonly left: readonly number[];
  readonly joined: readonly number[];
}

export function encodeEvsConfiguration(change: EvsConfiguration): Uint8Array {
  const { members, left, joined, ringId: ring } = change;
  return EVS_CONFIGURATION.ok(
    {
      ringId: ring,
      isTransitional: change.kind === 'transitional' ? 1 : 0,
      memberCount: members.length,
      leftCount: left.length,
      joinedCount: joined.length,
    },
    encodeList([...members, ...left, ...joined], U32_ELEMENT),
  );
}

export function decodeEvsConfiguration(event: Uint8Array): EvsConfiguration | null {
  const fixed = EVS_CONFIGURATION.decode(event);
  if (fixed === null) return null;
  const { memberCount, leftCount, joinedCount } = fixed;
  const all = EVS_CONFIGURATION.tailList(event, memberCount + leftCount + joinedCount, U32_ELEMENT);
  if (all === null) return null;
  return {
    kind: fixed.isTransitional !== 0 ? 'transitional' : 'regular',
    ringId: fixed.ringId,
    members: all.slice(0, memberCount),
    left: all.slice(memberCount, memberCount + leftCount),
    joined: all.slice(memberCount + leftCount),
  };
}
