import type { ExactRingId } from '../../lib/ring-id.ts';
import { call } from './call.ts';
import { i32, libraryRingId, U32_ELEMENT, u32, u64 } from './fields.ts';
import { QuorumRequest, QuorumResponse } from './ids.ts';
import { encodeList, RequestStruct, ResponseStruct } from './struct.ts';

/** IPC messages of quorum (services.md 6.2). The lists start before the rounded end of the fixed part (services.md T1). */
const bare = (id: number) => new RequestStruct(id, 'qb_ipc_request_header', 16, {});
export const QUORUM_QUORATE = bare(QuorumRequest.QUORATE);
export const QUORUM_TRACK_STOP = bare(QuorumRequest.TRACK_STOP);
export const QUORUM_TYPE = bare(QuorumRequest.TYPE);
export const QUORUM_TRACK_START = new RequestStruct(QuorumRequest.TRACK_START, 'req_lib_quorum_trackstart', 24, {
  trackFlags: u32('track_flags', 16),
});
export const QUORUM_MODEL_TYPE = new RequestStruct(QuorumRequest.MODEL_TYPE, 'req_lib_quorum_model_gettype', 24, {
  model: u32('model', 16),
});

export const QUORUM_QUORATE_RESPONSE = new ResponseStruct(QuorumResponse.QUORATE, 'res_lib_quorum_getquorate', 32, {
  quorate: u32('quorate', 24),
});
export const QUORUM_TYPE_RESPONSE = new ResponseStruct(QuorumResponse.TYPE, 'res_lib_quorum_gettype', 32, {
  quorumType: u32('quorum_type', 24),
});
export const QUORUM_MODEL_TYPE_RESPONSE = new ResponseStruct(
  QuorumResponse.MODEL_TYPE,
  'res_lib_quorum_model_gettype',
  32,
  { quorumType: u32('quorum_type', 24) },
);
const status = (id: number) => new ResponseStruct(id, 'qb_ipc_response_header', 24, {});
export const QUORUM_TRACK_START_RESPONSE = status(QuorumResponse.TRACK_START);
export const QUORUM_TRACK_STOP_RESPONSE = status(QuorumResponse.TRACK_STOP);

/** The requests of libquorum. */
export const QUORUM_CALLS = {
  quorate: call(QUORUM_QUORATE, QUORUM_QUORATE_RESPONSE),
  trackStart: call(QUORUM_TRACK_START, QUORUM_TRACK_START_RESPONSE),
  trackStop: call(QUORUM_TRACK_STOP, QUORUM_TRACK_STOP_RESPONSE),
  type: call(QUORUM_TYPE, QUORUM_TYPE_RESPONSE),
  modelType: call(QUORUM_MODEL_TYPE, QUORUM_MODEL_TYPE_RESPONSE),
} as const;

export const QUORUM_CHANGE_V0 = new ResponseStruct(
  QuorumResponse.CHANGE_V0,
  'res_lib_quorum_notification',
  48,
  { quorate: i32('quorate', 24), ringSeq: u64('ring_seq', 32), viewCount: u32('view_list_entries', 40) },
  { name: 'view_list', offset: 44 },
);
export const QUORUM_CHANGE_V1 = new ResponseStruct(
  QuorumResponse.CHANGE_V1,
  'res_lib_quorum_v1_quorum_notification',
  56,
  {
    quorate: i32('quorate', 24),
    ringId: libraryRingId('ring_id.', 32),
    viewCount: u32('view_list_entries', 48),
  },
  { name: 'view_list', offset: 52 },
);
export const QUORUM_NODE_LIST_V1 = new ResponseStruct(
  QuorumResponse.NODE_LIST_V1,
  'res_lib_quorum_v1_nodelist_notification',
  64,
  {
    ringId: libraryRingId('ring_id.', 24),
    memberCount: u32('member_list_entries', 40),
    joinedCount: u32('joined_list_entries', 48),
    leftCount: u32('left_list_entries', 56),
  },
  { name: 'member_list', offset: 60 },
);

export interface QuorumChange {
  readonly quorate: boolean;
  readonly ringId: ExactRingId;
  readonly view: readonly number[];
}

export function encodeQuorumChange(model: 0 | 1, change: QuorumChange): Uint8Array {
  const view = encodeList(change.view, U32_ELEMENT);
  const common = { quorate: change.quorate ? 1 : 0, viewCount: change.view.length };
  return model === 0
    ? QUORUM_CHANGE_V0.ok({ ...common, ringSeq: change.ringId.seq }, view)
    : QUORUM_CHANGE_V1.ok({ ...common, ringId: change.ringId }, view);
}

export function decodeQuorumChangeV0(event: Uint8Array): QuorumChange | null {
  const fixed = QUORUM_CHANGE_V0.decode(event);
  const view = fixed === null ? null : QUORUM_CHANGE_V0.tailList(event, fixed.viewCount, U32_ELEMENT);
  if (fixed === null || view === null) return null;
  return { quorate: fixed.quorate !== 0, ringId: { rep: 0, seq: fixed.ringSeq }, view };
}

export function decodeQuorumChangeV1(event: Uint8Array): QuorumChange | null {
  const fixed = QUORUM_CHANGE_V1.decode(event);
  const view = fixed === null ? null : QUORUM_CHANGE_V1.tailList(event, fixed.viewCount, U32_ELEMENT);
  if (fixed === null || view === null) return null;
  return { quorate: fixed.quorate !== 0, ringId: fixed.ringId, view };
}

export interface NodeListChange {
  readonly ringId: ExactRingId;
  readonly members: readonly number[];
  readonly joined: readonly number[];
  readonly left: readonly number[];
}

export function encodeNodeListChange(change: NodeListChange): Uint8Array {
  const { members, joined, left, ringId } = change;
  return QUORUM_NODE_LIST_V1.ok(
    { ringId, memberCount: members.length, joinedCount: joined.length, leftCount: left.length },
    encodeList([...members, ...joined, ...left], U32_ELEMENT),
  );
}

export function decodeNodeListChange(event: Uint8Array): NodeListChange | null {
  const fixed = QUORUM_NODE_LIST_V1.decode(event);
  if (fixed === null) return null;
  const { memberCount, joinedCount, leftCount } = fixed;
  const all = QUORUM_NODE_LIST_V1.tailList(event, memberCount + joinedCount + leftCount, U32_ELEMENT);
  if (all === null) return null;
  return {
    ringId: fixed.ringId,
    members: all.slice(0, memberCount),
    joined: all.slice(memberCount, memberCount + joinedCount),
    left: all.slice(memberCount + joinedCount),
  };
}
