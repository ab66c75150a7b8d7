import { CPG_ADDRESS_ELEMENT, type CpgAddress, JOIN_LIST_ELEMENT, type JoinListEntry } from './base.ts';
import { call } from './call.ts';
import { array, chars, groupName, i32, libraryRingId, messageSource, U32_ELEMENT, u32, u64 } from './fields.ts';
import { CpgFn, CpgRequest, CpgResponse, PROCESSORS_MAX, ServiceId } from './ids.ts';
import { encodeList, execStruct, RequestStruct, ResponseStruct, Struct } from './struct.ts';

/** IPC messages of CPG (services.md 4.2-4.4). `mcast` and `partial mcast` have the 24-byte header as requests (services.md T4). */
const group = { group: groupName('group_name.', 16) } as const;
export const CPG_JOIN = new RequestStruct(CpgRequest.JOIN, 'req_lib_cpg_join', 168, {
  ...group,
  pid: u32('pid', 152),
  flags: u32('flags', 160),
});
export const CPG_LEAVE = new RequestStruct(CpgRequest.LEAVE, 'req_lib_cpg_leave', 160, {
  ...group,
  pid: u32('pid', 152),
});
export const CPG_MCAST = new RequestStruct(
  CpgRequest.MCAST,
  'req_lib_cpg_mcast',
  40,
  { error: i32('header.error', 16), guarantee: u32('guarantee', 24), messageBytes: u32('msglen', 32) },
  { name: 'message', offset: 40 },
);
export const CPG_PARTIAL_MCAST = new RequestStruct(
  CpgRequest.PARTIAL_MCAST,
  'req_lib_cpg_partial_mcast',
  56,
  {
    error: i32('header.error', 16),
    guarantee: u32('guarantee', 24),
    messageBytes: u32('msglen', 32),
    fragmentBytes: u32('fraglen', 40),
    type: u32('type', 48),
  },
  { name: 'message', offset: 56 },
);
export const FragmentType = { FIRST: 1, CONTINUED: 2, LAST: 3 } as const;
export const CPG_MEMBERSHIP = new RequestStruct(CpgRequest.MEMBERSHIP, 'req_lib_cpg_membership_get', 152, group);
export const CPG_LOCAL_GET = new RequestStruct(CpgRequest.LOCAL_GET, 'req_lib_cpg_local_get', 16, {});
export const CPG_ITERATION_INIT = new RequestStruct(CpgRequest.ITERATION_INIT, 'req_lib_cpg_iterationinitialize', 160, {
  ...group,
  iterationType: u32('iteration_type', 152),
});
const iteration = { handle: u64('iteration_handle', 16) } as const;
export const CPG_ITERATION_NEXT = new RequestStruct(
  CpgRequest.ITERATION_NEXT,
  'req_lib_cpg_iterationnext',
  24,
  iteration,
);
export const CPG_ITERATION_FINALIZE = new RequestStruct(
  CpgRequest.ITERATION_FINALIZE,
  'req_lib_cpg_iterationfinalize',
  24,
  iteration,
);
export const CPG_FINALIZE = new RequestStruct(CpgRequest.FINALIZE, 'req_lib_cpg_finalize', 16, {});
export const CPG_ZC_ALLOC = new RequestStruct(CpgRequest.ZC_ALLOC, 'mar_req_coroipcc_zc_alloc_t', 152, {
  mapBytes: u64('map_size', 16),
  path: chars('path_to_file', 24, 128),
});
export const CPG_ZC_FREE = new RequestStruct(CpgRequest.ZC_FREE, 'mar_req_coroipcc_zc_free_t', 32, {
  mapBytes: u64('map_size', 16),
  token: u64('server_address', 24),
});
export const CPG_ZC_EXECUTE = new RequestStruct(CpgRequest.ZC_EXECUTE, 'mar_req_coroipcc_zc_execute_t', 24, {
  token: u64('server_address', 16),
});
/** Head of a zero-copy region: the daemon writes the token before it responds (services.md T24). */
export const CPG_ZC_HEADER = new Struct('coroipcs_zc_header', 16, {
  mapBytes: i32('map_size', 0),
  token: u64('server_address', 8),
});

const status = (id: number, name: string) => new ResponseStruct(id, name, 24, {});
export const CPG_JOIN_RESPONSE = status(CpgResponse.JOIN, 'res_lib_cpg_join');
export const CPG_LEAVE_RESPONSE = status(CpgResponse.LEAVE, 'res_lib_cpg_leave');
export const CPG_MCAST_RESPONSE = status(CpgResponse.MCAST, 'res_lib_cpg_mcast');
export const CPG_PARTIAL_MCAST_RESPONSE = status(CpgResponse.PARTIAL_MCAST, 'res_lib_cpg_partial_send');
export const CPG_FINALIZE_RESPONSE = status(CpgResponse.FINALIZE, 'res_lib_cpg_finalize');
export const CPG_ITERATION_FINALIZE_RESPONSE = status(CpgResponse.ITERATION_FINALIZE, 'res_lib_cpg_iterationfinalize');
export const CPG_MEMBERSHIP_RESPONSE = new ResponseStruct(CpgResponse.MEMBERSHIP, 'res_lib_cpg_membership_get', 9248, {
  memberCount: u32('member_count', 24),
  members: array('member_list', 32, PROCESSORS_MAX, CPG_ADDRESS_ELEMENT),
});
export const CPG_LOCAL_GET_RESPONSE = new ResponseStruct(CpgResponse.LOCAL_GET, 'res_lib_cpg_local_get', 32, {
  nodeId: u32('local_nodeid', 24),
});
export const CPG_ITERATION_INIT_RESPONSE = new ResponseStruct(
  CpgResponse.ITERATION_INIT,
  'res_lib_cpg_iterationinitialize',
  32,
  { handle: u64('iteration_handle', 24) },
);
export const CPG_ITERATION_NEXT_RESPONSE = new ResponseStruct(
  CpgResponse.ITERATION_NEXT,
  'res_lib_cpg_iterationnext',
  168,
  {
    group: groupName('description.group.', 24),
    nodeId: u32('description.nodeid', 160),
    pid: u32('description.pid', 164),
  },
);

/** Zero-copy buffers are taken and given back with a bare header as the response. */
const CPG_ZC_RESPONSE = status(0, 'qb_ipc_response_header');

const ordered = { flowControl: true };
/**
 * The requests of libcpg. Flow control: services.md 2.2, except that zero-copy buffers are taken and given back at any time: they
 * multicast nothing, and libcpg does not see the refusal.
 */
export const CPG_CALLS = {
  join: call(CPG_JOIN, CPG_JOIN_RESPONSE, ordered),
  leave: call(CPG_LEAVE, CPG_LEAVE_RESPONSE, ordered),
  mcast: call(CPG_MCAST, CPG_MCAST_RESPONSE, ordered),
  membership: call(CPG_MEMBERSHIP, CPG_MEMBERSHIP_RESPONSE),
  localGet: call(CPG_LOCAL_GET, CPG_LOCAL_GET_RESPONSE),
  iterationInit: call(CPG_ITERATION_INIT, CPG_ITERATION_INIT_RESPONSE),
  iterationNext: call(CPG_ITERATION_NEXT, CPG_ITERATION_NEXT_RESPONSE),
  iterationFinalize: call(CPG_ITERATION_FINALIZE, CPG_ITERATION_FINALIZE_RESPONSE),
  finalize: call(CPG_FINALIZE, CPG_FINALIZE_RESPONSE, ordered),
  zeroCopyAlloc: call(CPG_ZC_ALLOC, CPG_ZC_RESPONSE),
  zeroCopyFree: call(CPG_ZC_FREE, CPG_ZC_RESPONSE),
  zeroCopyExecute: call(CPG_ZC_EXECUTE, CPG_MCAST_RESPONSE, ordered),
  partialMcast: call(CPG_PARTIAL_MCAST, CPG_PARTIAL_MCAST_RESPONSE, ordered),
} as const;

const eventGroup = { group: groupName('group_name.', 24) } as const;
export const CPG_DELIVER = new ResponseStruct(
  CpgResponse.DELIVER,
  'res_lib_cpg_deliver_callback',
  184,
  { ...eventGroup, messageBytes: u32('msglen', 160), nodeId: u32('nodeid', 168), pid: u32('pid', 176) },
  { name: 'message', offset: 184 },
);
export const CPG_PARTIAL_DELIVER = new ResponseStruct(
  CpgResponse.PARTIAL_DELIVER,
  'res_lib_cpg_partial_deliver_callback',
  200,
  {
    ...eventGroup,
    messageBytes: u32('msglen', 160),
    fragmentBytes: u32('fraglen', 168),
    nodeId: u32('nodeid', 176),
    pid: u32('pid', 184),
    type: u32('type', 192),
  },
  { name: 'message', offset: 200 },
);
export const CPG_FLOW_CONTROL = new ResponseStruct(CpgResponse.FLOW_CONTROL, 'res_lib_cpg_flowcontrol_callback', 32, {
  state: u32('flow_control_state', 24),
});
/** Counters: member, joined, left. Lists in the tail: member, left, joined (services.md T3). */
export const CPG_CONFIGURATION_CHANGE = new ResponseStruct(
  CpgResponse.CONFIGURATION_CHANGE,
  'res_lib_cpg_confchg_callback',
  184,
  {
    ...eventGroup,
    memberCount: u32('member_list_entries', 160),
    joinedCount: u32('joined_list_entries', 168),
    leftCount: u32('left_list_entries', 176),
  },
  { name: 'member_list', offset: 184 },
);
export const CPG_TOTEM_CONFIGURATION = new ResponseStruct(
  CpgResponse.TOTEM_CONFIGURATION,
  'res_lib_cpg_totem_confchg_callback',
  48,
  { ringId: libraryRingId('ring_id.', 24), memberCount: u32('member_list_entries', 40) },
  { name: 'member_list', offset: 44 },
);

export interface CpgMembershipChange {
  readonly group: Uint8Array;
  readonly members: readonly CpgAddress[];
  readonly left: readonly CpgAddress[];
  readonly joined: readonly CpgAddress[];
}

export function encodeCpgConfigurationChange(change: CpgMembershipChange): Uint8Array {
  const { members, left, joined } = change;
  return CPG_CONFIGURATION_CHANGE.ok(
    {
      group: { length: change.group.length, bytes: change.group },
      memberCount: members.length,
      joinedCount: joined.length,
      leftCount: left.length,
    },
    encodeList([...members, ...left, ...joined], CPG_ADDRESS_ELEMENT),
  );
}

export function decodeCpgConfigurationChange(event: Uint8Array): CpgMembershipChange | null {
  const fixed = CPG_CONFIGURATION_CHANGE.decode(event);
  if (fixed === null) return null;
  const { memberCount, leftCount, joinedCount } = fixed;
  const all = CPG_CONFIGURATION_CHANGE.tailList(event, memberCount + leftCount + joinedCount, CPG_ADDRESS_ELEMENT);
  if (all === null) return null;
  return {
    group: fixed.group.bytes,
    members: all.slice(0, memberCount),
    left: all.slice(memberCount, memberCount + leftCount),
    joined: all.slice(memberCount + leftCount),
  };
}

/** Node-to-node messages of CPG (services.md 1.6). */
const procFields = { ...group, pid: u32('pid', 152), reason: u32('reason', 160) } as const;
export const CPG_EXEC_JOIN = execStruct(ServiceId.CPG, CpgFn.JOIN, 'req_exec_cpg_procjoin', 168, procFields);
export const CPG_EXEC_LEAVE = execStruct(ServiceId.CPG, CpgFn.LEAVE, 'req_exec_cpg_procjoin', 168, procFields);
export const CPG_EXEC_MCAST = execStruct(
  ServiceId.CPG,
  CpgFn.MCAST,
  'req_exec_cpg_mcast',
  184,
  { ...group, messageBytes: u32('msglen', 152), pid: u32('pid', 160), source: messageSource('source.', 168) },
  { name: 'message', offset: 184 },
);
export const CPG_EXEC_PARTIAL_MCAST = execStruct(
  ServiceId.CPG,
  CpgFn.PARTIAL_MCAST,
  'req_exec_cpg_partial_mcast',
  200,
  {
    ...group,
    messageBytes: u32('msglen', 152),
    fragmentBytes: u32('fraglen', 160),
    pid: u32('pid', 168),
    type: u32('type', 176),
    source: messageSource('source.', 184),
  },
  { name: 'message', offset: 200 },
);
export const CPG_EXEC_DOWN_LIST_OLD = execStruct(
  ServiceId.CPG,
  CpgFn.DOWN_LIST_OLD,
  'req_exec_cpg_downlist_old',
  1560,
  { leftCount: u32('left_nodes', 16), nodeIds: array('nodeids', 24, PROCESSORS_MAX, U32_ELEMENT) },
);
export const CPG_EXEC_DOWN_LIST = execStruct(ServiceId.CPG, CpgFn.DOWN_LIST, 'req_exec_cpg_downlist', 1568, {
  oldMembers: u32('old_members', 16),
  leftCount: u32('left_nodes', 24),
  nodeIds: array('nodeids', 32, PROCESSORS_MAX, U32_ELEMENT),
});

/** The join list has a 24-byte header and as many entries as its size says. */
export const CPG_EXEC_JOIN_LIST = execStruct(
  ServiceId.CPG,
  CpgFn.JOIN_LIST,
  'req_exec_cpg_joinlist',
  24,
  { error: i32('header.error', 16) },
  { name: 'entries', offset: 24 },
);

/** Messages of CPG between the nodes. */
export const CPG_MESSAGES = {
  join: CPG_EXEC_JOIN,
  leave: CPG_EXEC_LEAVE,
  joinList: CPG_EXEC_JOIN_LIST,
  mcast: CPG_EXEC_MCAST,
  downListOld: CPG_EXEC_DOWN_LIST_OLD,
  downList: CPG_EXEC_DOWN_LIST,
  partialMcast: CPG_EXEC_PARTIAL_MCAST,
} as const;

export function encodeJoinList(entries: readonly JoinListEntry[]): Uint8Array {
  return CPG_EXEC_JOIN_LIST.message({}, encodeList(entries, JOIN_LIST_ELEMENT));
}

/** `null`: cut off, or a size that is not a whole number of entries. */
export function decodeJoinList(message: Uint8Array): JoinListEntry[] | null {
  const fixed = CPG_EXEC_JOIN_LIST.decode(message);
  if (fixed === null || fixed.size > message.length || fixed.size < CPG_EXEC_JOIN_LIST.bytes) return null;
  const count = (fixed.size - CPG_EXEC_JOIN_LIST.bytes) / JOIN_LIST_ELEMENT.bytes;
  return Number.isInteger(count) ? CPG_EXEC_JOIN_LIST.tailList(message, count, JOIN_LIST_ELEMENT) : null;
}
