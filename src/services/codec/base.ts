import {
  array,
  charsElement,
  csName,
  type Element,
  type GroupNameValue,
  groupName,
  i32,
  libraryRingId,
  marName,
  messageSource,
  ringId,
  u32,
} from './fields.ts';
import { Struct, viewOf } from './struct.ts';

/** Structures that others are made of (services.md 0.2), and some of the C interface. */
export const REQUEST_HEADER = new Struct('qb_ipc_request_header', 16, { id: i32('id', 0), size: i32('size', 8) });
export const RESPONSE_HEADER = new Struct('qb_ipc_response_header', 24, {
  id: i32('id', 0),
  size: i32('size', 8),
  error: i32('error', 16),
});
export const CS_NAME = new Struct('cs_name_t', 258, { name: csName('', 0) });
export const MAR_NAME = new Struct('mar_name_t', 264, { name: marName('', 0) });
export const MAR_CPG_NAME = new Struct('mar_cpg_name_t', 136, { name: groupName('', 0) });
export const CPG_NAME = new Struct('cpg_name', 132, { name: groupName('', 0, 4) });
export const MAR_MESSAGE_SOURCE = new Struct('mar_message_source_t', 16, { source: messageSource('', 0) });
export const MEMB_RING_ID = new Struct('memb_ring_id', 12, { ringId: ringId('', 0, 4) });
export const MAR_CPG_RING_ID = new Struct('mar_cpg_ring_id_t', 16, { ringId: libraryRingId('', 0) });
export const MAR_QUORUM_RING_ID = new Struct('mar_quorum_ring_id_t', 16, { ringId: libraryRingId('', 0) });
export const MAR_VOTEQUORUM_RING_ID = new Struct('mar_votequorum_ring_id', 16, { ringId: libraryRingId('', 0) });
export const CPG_RING_ID = new Struct('cpg_ring_id', 16, { ringId: libraryRingId('', 0) });

/** A process in CPG's lists. `reason`: services.md 4.1. */
export interface CpgAddress {
  readonly nodeId: number;
  readonly pid: number;
  readonly reason: number;
}
export const MAR_CPG_ADDRESS = new Struct('mar_cpg_address_t', 24, {
  nodeId: u32('nodeid', 0),
  pid: u32('pid', 8),
  reason: u32('reason', 16),
});
export const CPG_ADDRESS = new Struct('cpg_address', 12, {
  nodeId: u32('nodeid', 0),
  pid: u32('pid', 4),
  reason: u32('reason', 8),
});
export const CPG_ADDRESS_ELEMENT: Element<CpgAddress> = {
  bytes: 24,
  read: (view, at) => ({
    nodeId: view.getUint32(at, true),
    pid: view.getUint32(at + 8, true),
    reason: view.getUint32(at + 16, true),
  }),
  write: (view, at, value) => {
    view.setUint32(at, value.nodeId, true);
    view.setUint32(at + 8, value.pid, true);
    view.setUint32(at + 16, value.reason, true);
  },
};

export const MAR_CPG_ITERATION_DESCRIPTION = new Struct('mar_cpg_iteration_description_t', 144, {
  group: groupName('group.', 0),
  nodeId: u32('nodeid', 136),
  pid: u32('pid', 140),
});

/** Entry of votequorum's quorum event. `state`: 1 member, 2 dead, 3 leaving; 0 for the device. */
export interface VotequorumNode {
  readonly nodeId: number;
  readonly state: number;
}
export const VOTEQUORUM_NODE = new Struct('votequorum_node', 8, { nodeId: u32('nodeid', 0), state: u32('state', 4) });
export const VOTEQUORUM_NODE_ELEMENT: Element<VotequorumNode> = {
  bytes: 8,
  read: (view, at) => ({ nodeId: view.getUint32(at, true), state: view.getUint32(at + 4, true) }),
  write: (view, at, value) => {
    view.setUint32(at, value.nodeId, true);
    view.setUint32(at + 4, value.state, true);
  },
};

export const CFG_NODE_ADDRESS = new Struct('corosync_cfg_node_address_t', 32, {
  addressLength: i32('address_length', 0),
  address: array('address', 4, 1, charsElement(28)),
});

/** Entry of the CPG join list (services.md 1.6). */
export interface JoinListEntry {
  readonly pid: number;
  readonly group: GroupNameValue;
}
export const JOIN_LIST_ENTRY = new Struct('join_list_entry', 144, {
  pid: u32('pid', 0),
  group: groupName('group_name.', 8),
});
export const JOIN_LIST_ELEMENT: Element<JoinListEntry> = {
  bytes: JOIN_LIST_ENTRY.bytes,
  read: (view, at) => JOIN_LIST_ENTRY.decodeChecked(bytesOf(view), at),
  write: (view, at, value) => JOIN_LIST_ENTRY.encodeInto(bytesOf(view), at, value),
};

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Reads `count` elements at `at`; `null` if they are not all there. Bounds the count before it multiplies. */
export function listAt<T>(bytes: Uint8Array, at: number, count: number, element: Element<T>): T[] | null {
  if (count > (bytes.length - at) / element.bytes) return null;
  const view = viewOf(bytes);
  const list: T[] = [];
  for (let i = 0; i < count; i++) list.push(element.read(view, at + i * element.bytes));
  return list;
}
