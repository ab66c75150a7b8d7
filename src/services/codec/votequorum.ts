import type { ExactRingId } from '../../lib/ring-id.ts';
import { VOTEQUORUM_NODE_ELEMENT, type VotequorumNode } from './base.ts';
import { call } from './call.ts';
import { chars, i32, libraryRingId, U32_ELEMENT, u8, u32, u64 } from './fields.ts';
import { ServiceId, VotequorumFn, VotequorumRequest, VotequorumResponse } from './ids.ts';
import { encodeList, execStruct, RequestStruct, ResponseStruct, Struct } from './struct.ts';

/** IPC and node-to-node messages of votequorum (services.md 7.2, 1.6). */
export const QDEVICE_NAME_BYTES = 255;
/** What a quorum device may say of its node beyond its vote. */
export const QDEVICE_EXTRA_INFO_BYTES = 4096;

export const VQ_GET_INFO = new RequestStruct(VotequorumRequest.GET_INFO, 'req_lib_votequorum_getinfo', 24, {
  nodeId: u32('nodeid', 16),
});
export const VQ_SET_EXPECTED = new RequestStruct(VotequorumRequest.SET_EXPECTED, 'req_lib_votequorum_setexpected', 24, {
  expectedVotes: u32('expected_votes', 16),
});
export const VQ_SET_VOTES = new RequestStruct(VotequorumRequest.SET_VOTES, 'req_lib_votequorum_setvotes', 24, {
  votes: u32('votes', 16),
  nodeId: u32('nodeid', 20),
});
export const VQ_TRACK_START = new RequestStruct(VotequorumRequest.TRACK_START, 'req_lib_votequorum_trackstart', 32, {
  context: u64('context', 16),
  trackFlags: u32('track_flags', 24),
});
/** In `track_flags`, ours: the client knows the event of extra info. Stock ignores it. */
export const TRACK_KNOWS_EXTRA_INFO = 1 << 30;
export const VQ_TRACK_STOP = new RequestStruct(VotequorumRequest.TRACK_STOP, 'req_lib_votequorum_general', 16, {});
const named = { name: chars('name', 16, QDEVICE_NAME_BYTES) } as const;
export const VQ_QDEVICE_REGISTER = new RequestStruct(
  VotequorumRequest.QDEVICE_REGISTER,
  'req_lib_votequorum_qdevice_register',
  272,
  named,
);
export const VQ_QDEVICE_UNREGISTER = new RequestStruct(
  VotequorumRequest.QDEVICE_UNREGISTER,
  'req_lib_votequorum_qdevice_unregister',
  272,
  named,
);
const renamed = {
  oldName: chars('oldname', 16, QDEVICE_NAME_BYTES),
  newName: chars('newname', 271, QDEVICE_NAME_BYTES),
} as const;
export const VQ_QDEVICE_UPDATE = new RequestStruct(
  VotequorumRequest.QDEVICE_UPDATE,
  'req_lib_votequorum_qdevice_update',
  528,
  renamed,
);
export const VQ_QDEVICE_POLL = new RequestStruct(
  VotequorumRequest.QDEVICE_POLL,
  'req_lib_votequorum_qdevice_poll',
  296,
  { ...named, castVote: i32('cast_vote', 272), ringId: libraryRingId('ring_id.', 280) },
);
export const VQ_QDEVICE_MASTER_WINS = new RequestStruct(
  VotequorumRequest.QDEVICE_MASTER_WINS,
  'req_lib_votequorum_qdevice_master_wins',
  280,
  { ...named, allow: u32('allow', 272) },
);
export const VQ_SET_EXTRA_INFO = new RequestStruct(
  VotequorumRequest.SET_EXTRA_INFO,
  'req_lib_votequorum_set_qdevice_extra_info',
  24,
  { length: u32('ei_size', 16) },
  { name: 'extra_info', offset: 20 },
);
export const VQ_GET_EXTRA_INFO = new RequestStruct(
  VotequorumRequest.GET_EXTRA_INFO,
  'req_lib_votequorum_get_qdevice_extra_info',
  24,
  { nodeId: u32('nodeid', 16) },
);

/** Flags of the get-info response. */
export const InfoFlag = {
  TWO_NODE: 1,
  QUORATE: 2,
  WAIT_FOR_ALL: 4,
  LAST_MAN_STANDING: 8,
  AUTO_TIE_BREAKER: 16,
  ALLOW_DOWNSCALE: 32,
  QDEVICE_REGISTERED: 64,
  QDEVICE_ALIVE: 128,
  QDEVICE_CAST_VOTE: 256,
  QDEVICE_MASTER_WINS: 512,
  QDEVICE_HAS_EXTRA_INFO: 1024,
} as const;

const infoFields = (at: number, ids: { nodeId: string; state: string; votes: string; expected: string }) =>
  ({
    nodeId: u32(ids.nodeId, at),
    state: u32(ids.state, at + 4),
    votes: u32(ids.votes, at + 8),
    expectedVotes: u32(ids.expected, at + 12),
    highestExpected: u32('highest_expected', at + 16),
    totalVotes: u32('total_votes', at + 20),
    quorum: u32('quorum', at + 24),
    flags: u32('flags', at + 28),
    qdeviceVotes: u32('qdevice_votes', at + 32),
    qdeviceName: chars('qdevice_name', at + 36, QDEVICE_NAME_BYTES),
  }) as const;
export const VQ_GET_INFO_RESPONSE = new ResponseStruct(
  VotequorumResponse.GET_INFO,
  'res_lib_votequorum_getinfo',
  320,
  infoFields(24, {
    nodeId: 'nodeid',
    state: 'state',
    votes: 'votes',
    expected: 'expected_votes',
  }),
);
/** The same facts in the C interface. */
export const VOTEQUORUM_INFO = new Struct(
  'votequorum_info',
  292,
  infoFields(0, {
    nodeId: 'node_id',
    state: 'node_state',
    votes: 'node_votes',
    expected: 'node_expected_votes',
  }),
);
export const VQ_STATUS_RESPONSE = new ResponseStruct(VotequorumResponse.STATUS, 'res_lib_votequorum_status', 24, {});
export const VQ_GET_EXTRA_INFO_RESPONSE = new ResponseStruct(
  VotequorumResponse.GET_EXTRA_INFO,
  'res_lib_votequorum_get_qdevice_extra_info',
  32,
  { length: u32('ei_size', 24) },
  { name: 'extra_info', offset: 28 },
);

/** The requests of libvotequorum. */
export const VOTEQUORUM_CALLS = {
  getInfo: call(VQ_GET_INFO, VQ_GET_INFO_RESPONSE),
  setExpected: call(VQ_SET_EXPECTED, VQ_STATUS_RESPONSE),
  setVotes: call(VQ_SET_VOTES, VQ_STATUS_RESPONSE),
  trackStart: call(VQ_TRACK_START, VQ_STATUS_RESPONSE),
  trackStop: call(VQ_TRACK_STOP, VQ_STATUS_RESPONSE),
  qdeviceRegister: call(VQ_QDEVICE_REGISTER, VQ_STATUS_RESPONSE),
  qdeviceUnregister: call(VQ_QDEVICE_UNREGISTER, VQ_STATUS_RESPONSE),
  qdeviceUpdate: call(VQ_QDEVICE_UPDATE, VQ_STATUS_RESPONSE),
  qdevicePoll: call(VQ_QDEVICE_POLL, VQ_STATUS_RESPONSE),
  qdeviceMasterWins: call(VQ_QDEVICE_MASTER_WINS, VQ_STATUS_RESPONSE),
  setExtraInfo: call(VQ_SET_EXTRA_INFO, VQ_STATUS_RESPONSE),
  getExtraInfo: call(VQ_GET_EXTRA_INFO, VQ_GET_EXTRA_INFO_RESPONSE),
} as const;

export const VQ_QUORUM_EVENT = new ResponseStruct(
  VotequorumResponse.QUORUM,
  'res_lib_votequorum_quorum_notification',
  48,
  { quorate: u32('quorate', 24), context: u64('context', 32), nodeCount: u32('node_list_entries', 40) },
  { name: 'node_list', offset: 48 },
);
export const VQ_EXPECTED_VOTES_EVENT = new ResponseStruct(
  VotequorumResponse.EXPECTED_VOTES,
  'res_lib_votequorum_expectedvotes_notification',
  40,
  { context: u64('context', 24), expectedVotes: u32('expected_votes', 32) },
);
export const VQ_NODE_LIST_EVENT = new ResponseStruct(
  VotequorumResponse.NODE_LIST,
  'res_lib_votequorum_nodelist_notification',
  56,
  { context: u64('context', 24), ringId: libraryRingId('ring_id.', 32), nodeCount: u32('node_list_entries', 48) },
  { name: 'node_list', offset: 56 },
);
export const VQ_EXTRA_INFO_EVENT = new ResponseStruct(
  VotequorumResponse.EXTRA_INFO,
  'res_lib_votequorum_qdevice_extra_info_notification',
  48,
  { context: u64('context', 24), nodeId: u32('nodeid', 32), length: u32('ei_size', 40) },
  { name: 'extra_info', offset: 48 },
);

export interface VotequorumQuorumEvent {
  readonly quorate: boolean;
  readonly context: bigint;
  readonly nodes: readonly VotequorumNode[];
}

export function encodeVotequorumQuorum(event: VotequorumQuorumEvent): Uint8Array {
  return VQ_QUORUM_EVENT.ok(
    { quorate: event.quorate ? 1 : 0, context: event.context, nodeCount: event.nodes.length },
    encodeList(event.nodes, VOTEQUORUM_NODE_ELEMENT),
  );
}

export function decodeVotequorumQuorum(event: Uint8Array): VotequorumQuorumEvent | null {
  const fixed = VQ_QUORUM_EVENT.decode(event);
  const nodes = fixed === null ? null : VQ_QUORUM_EVENT.tailList(event, fixed.nodeCount, VOTEQUORUM_NODE_ELEMENT);
  if (fixed === null || nodes === null) return null;
  return { quorate: fixed.quorate !== 0, context: fixed.context, nodes };
}

export interface VotequorumNodeListEvent {
  readonly context: bigint;
  readonly ringId: ExactRingId;
  readonly nodes: readonly number[];
}

export function encodeVotequorumNodeList(event: VotequorumNodeListEvent): Uint8Array {
  const { context, ringId, nodes } = event;
  return VQ_NODE_LIST_EVENT.ok({ context, ringId, nodeCount: nodes.length }, encodeList(nodes, U32_ELEMENT));
}

export function decodeVotequorumNodeList(event: Uint8Array): VotequorumNodeListEvent | null {
  const fixed = VQ_NODE_LIST_EVENT.decode(event);
  const nodes = fixed === null ? null : VQ_NODE_LIST_EVENT.tailList(event, fixed.nodeCount, U32_ELEMENT);
  return fixed === null || nodes === null ? null : { context: fixed.context, ringId: fixed.ringId, nodes };
}

/** Flags of a node record on the wire (services.md 1.6). */
export const NodeFlag = {
  QUORATE: 1,
  LEAVING: 2,
  WFA_STATUS: 4,
  FIRST: 8,
  QDEVICE_REGISTERED: 16,
  QDEVICE_ALIVE: 32,
  QDEVICE_CAST_VOTE: 64,
  QDEVICE_MASTER_WINS: 128,
  QDEVICE_EXTRA_INFO: 256,
} as const;

export const VQ_NODE_INFO = execStruct(ServiceId.VOTEQUORUM, VotequorumFn.NODE_INFO, 'req_exec_quorum_nodeinfo', 32, {
  /** 0 = the sender's quorum device. */
  nodeId: u32('nodeid', 16),
  votes: u32('votes', 20),
  expectedVotes: u32('expected_votes', 24),
  flags: u32('flags', 28),
});
export const VQ_RECONFIGURE = execStruct(
  ServiceId.VOTEQUORUM,
  VotequorumFn.RECONFIGURE,
  'req_exec_quorum_reconfigure',
  32,
  {
    nodeId: u32('nodeid', 16),
    value: u32('value', 20),
    param: u8('param', 24),
    pad0: u8('_pad0', 25),
    pad1: u8('_pad1', 26),
    pad2: u8('_pad2', 27),
  },
);
export const ReconfigureParam = { EXPECTED_VOTES: 1, NODE_VOTES: 2, CANCEL_WAIT_FOR_ALL: 3 } as const;
export const VQ_EXEC_QDEVICE_REGISTER = execStruct(
  ServiceId.VOTEQUORUM,
  VotequorumFn.QDEVICE_REGISTER,
  'req_exec_quorum_qdevice_reg',
  280,
  { operation: u32('operation', 16), name: chars('qdevice_name', 20, QDEVICE_NAME_BYTES) },
);
export const QdeviceOperation = { UNREGISTER: 0, REGISTER: 1 } as const;
export const VQ_EXEC_QDEVICE_RENAME = execStruct(
  ServiceId.VOTEQUORUM,
  VotequorumFn.QDEVICE_RENAME,
  'req_exec_quorum_qdevice_reconfigure',
  528,
  renamed,
);

export const VQ_EXEC_EXTRA_INFO = execStruct(
  ServiceId.VOTEQUORUM,
  VotequorumFn.QDEVICE_EXTRA_INFO,
  'req_exec_quorum_qdevice_set_extra_info',
  24,
  { nodeId: u32('nodeid', 16), length: u32('ei_size', 20) },
  { name: 'extra_info', offset: 24 },
);

/** Messages of votequorum between the nodes. */
export const VOTEQUORUM_MESSAGES = {
  nodeInfo: VQ_NODE_INFO,
  reconfigure: VQ_RECONFIGURE,
  qdeviceRegistration: VQ_EXEC_QDEVICE_REGISTER,
  qdeviceRename: VQ_EXEC_QDEVICE_RENAME,
  qdeviceExtraInfo: VQ_EXEC_EXTRA_INFO,
} as const;
