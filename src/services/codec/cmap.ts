import { call } from './call.ts';
import { i32, marName, nameValue, u8, u64, u64Number } from './fields.ts';
import { CmapFn, CmapRequest, CmapResponse, ServiceId } from './ids.ts';
import { EMPTY, execStruct, RequestStruct, ResponseStruct, Struct } from './struct.ts';

/** IPC and node-to-node messages of cmap (services.md 5.3, 1.6). */
export const CMAP_SET = new RequestStruct(
  CmapRequest.SET,
  'req_lib_cmap_set',
  296,
  { key: marName('key_name.', 16), valueBytes: u64Number('value_len', 280), type: u8('type', 288) },
  { name: 'value', offset: 296 },
);
export const CMAP_DELETE = new RequestStruct(CmapRequest.DELETE, 'req_lib_cmap_delete', 280, {
  key: marName('key_name.', 16),
});
export const CMAP_GET = new RequestStruct(CmapRequest.GET, 'req_lib_cmap_get', 288, {
  key: marName('key_name.', 16),
  /** Room for the value; 0 = only length and type are wanted. */
  valueBytes: u64Number('value_len', 280),
});
export const CMAP_ADJUST_INT = new RequestStruct(CmapRequest.ADJUST_INT, 'req_lib_cmap_adjust_int', 288, {
  key: marName('key_name.', 16),
  step: i32('step', 280),
});
export const CMAP_ITER_INIT = new RequestStruct(CmapRequest.ITER_INIT, 'req_lib_cmap_iter_init', 280, {
  prefix: marName('prefix.', 16),
});
export const CMAP_ITER_NEXT = new RequestStruct(CmapRequest.ITER_NEXT, 'req_lib_cmap_iter_next', 24, {
  handle: u64('iter_handle', 16),
});
export const CMAP_ITER_FINALIZE = new RequestStruct(CmapRequest.ITER_FINALIZE, 'req_lib_cmap_iter_finalize', 24, {
  handle: u64('iter_handle', 16),
});
export const CMAP_TRACK_ADD = new RequestStruct(CmapRequest.TRACK_ADD, 'req_lib_cmap_track_add', 296, {
  key: marName('key_name.', 16),
  trackType: i32('track_type', 280),
  cookie: u64('track_inst_handle', 288),
});
export const CMAP_TRACK_DELETE = new RequestStruct(CmapRequest.TRACK_DELETE, 'req_lib_cmap_track_delete', 24, {
  handle: u64('track_handle', 16),
});
export const CMAP_SET_CURRENT_MAP = new RequestStruct(CmapRequest.SET_CURRENT_MAP, 'req_lib_cmap_set_current_map', 24, {
  map: i32('map', 16),
});

export const CMAP_SET_RESPONSE = new ResponseStruct(CmapRequest.SET, 'res_lib_cmap_set', 24, {});
export const CMAP_DELETE_RESPONSE = new ResponseStruct(CmapRequest.DELETE, 'res_lib_cmap_delete', 24, {});
export const CMAP_GET_RESPONSE = new ResponseStruct(
  CmapRequest.GET,
  'res_lib_cmap_get',
  40,
  { valueBytes: u64Number('value_len', 24), type: u8('type', 32) },
  { name: 'value', offset: 40 },
);
export const CMAP_ADJUST_INT_RESPONSE = new ResponseStruct(CmapRequest.ADJUST_INT, 'res_lib_cmap_adjust_int', 24, {});
export const CMAP_ITER_INIT_RESPONSE = new ResponseStruct(CmapRequest.ITER_INIT, 'res_lib_cmap_iter_init', 32, {
  handle: u64('iter_handle', 24),
});
export const CMAP_ITER_NEXT_RESPONSE = new ResponseStruct(CmapRequest.ITER_NEXT, 'res_lib_cmap_iter_next', 304, {
  key: marName('key_name.', 24),
  valueBytes: u64Number('value_len', 288),
  type: u8('type', 296),
});
export const CMAP_ITER_FINALIZE_RESPONSE = new ResponseStruct(
  CmapRequest.ITER_FINALIZE,
  'res_lib_cmap_iter_finalize',
  24,
  {},
);
export const CMAP_TRACK_ADD_RESPONSE = new ResponseStruct(CmapRequest.TRACK_ADD, 'res_lib_cmap_track_add', 32, {
  handle: u64('track_handle', 24),
});
export const CMAP_TRACK_DELETE_RESPONSE = new ResponseStruct(
  CmapRequest.TRACK_DELETE,
  'res_lib_cmap_track_delete',
  32,
  { cookie: u64('track_inst_handle', 24) },
);
export const CMAP_SET_CURRENT_MAP_RESPONSE = new ResponseStruct(
  CmapResponse.SET_CURRENT_MAP,
  'qb_ipc_response_header',
  24,
  {},
);

/** The requests of libcmap. */
export const CMAP_CALLS = {
  set: call(CMAP_SET, CMAP_SET_RESPONSE),
  delete: call(CMAP_DELETE, CMAP_DELETE_RESPONSE),
  get: call(CMAP_GET, CMAP_GET_RESPONSE),
  adjust: call(CMAP_ADJUST_INT, CMAP_ADJUST_INT_RESPONSE),
  iterInit: call(CMAP_ITER_INIT, CMAP_ITER_INIT_RESPONSE),
  iterNext: call(CMAP_ITER_NEXT, CMAP_ITER_NEXT_RESPONSE),
  iterFinalize: call(CMAP_ITER_FINALIZE, CMAP_ITER_FINALIZE_RESPONSE),
  trackAdd: call(CMAP_TRACK_ADD, CMAP_TRACK_ADD_RESPONSE),
  trackDelete: call(CMAP_TRACK_DELETE, CMAP_TRACK_DELETE_RESPONSE),
  setCurrentMap: call(CMAP_SET_CURRENT_MAP, CMAP_SET_CURRENT_MAP_RESPONSE),
} as const;

/** The new value's bytes, immediately followed by the old value's, make the tail. */
export const CMAP_NOTIFY = new ResponseStruct(
  CmapResponse.NOTIFY,
  'res_lib_cmap_notify_callback',
  336,
  {
    cookie: u64('track_inst_handle', 24),
    key: marName('key_name.', 32),
    event: i32('event', 296),
    newType: u8('new_value_type', 304),
    oldType: u8('old_value_type', 312),
    newBytes: u64Number('new_value_len', 320),
    oldBytes: u64Number('old_value_len', 328),
  },
  { name: 'new_value', offset: 336 },
);

export const CMAP_MCAST = execStruct(ServiceId.CMAP, CmapFn.MCAST, 'req_exec_cmap_mcast', 48, {
  /** 0 sync, 1 new configuration version. */
  reason: u8('reason', 16),
  itemCount: u8('no_items', 24),
  reserved1: u8('reserved1', 32),
  reserved2: u8('reserver2', 40),
});
export const CMAP_MESSAGES = { mcast: CMAP_MCAST } as const;
/** Items follow the fixed part of the message, each padded to a multiple of 8 bytes. */
export const CMAP_MCAST_ITEM = new Struct(
  'req_exec_cmap_mcast_item',
  280,
  { key: marName('key_name.', 0), type: u8('value_type', 264), valueBytes: u64Number('value_len', 272) },
  { name: 'value', offset: 280 },
);
export const CMAP_MCAST_ITEMS_MAX = 32;

export interface CmapItem {
  readonly key: string;
  /** 0: the key does not exist. */
  readonly type: number;
  readonly value: Uint8Array;
}

const padded8 = (bytes: number): number => (bytes + 7) & ~7;

export function encodeCmapMcast(reason: number, items: readonly CmapItem[]): Uint8Array {
  const bytes = items.reduce((sum, item) => sum + padded8(CMAP_MCAST_ITEM.bytes + item.value.length), CMAP_MCAST.bytes);
  const message = new Uint8Array(bytes);
  let at = CMAP_MCAST.bytes;
  for (const item of items) {
    const valueBytes = item.value.length;
    CMAP_MCAST_ITEM.encodeInto(message, at, { key: nameValue(item.key), type: item.type, valueBytes });
    message.set(item.value, at + CMAP_MCAST_ITEM.bytes);
    at += padded8(CMAP_MCAST_ITEM.bytes + valueBytes);
  }
  const header = CMAP_MCAST.message({ reason, itemCount: items.length }, EMPTY);
  message.set(header);
  CMAP_MCAST.encodeInto(message, 0, { size: bytes });
  return message;
}

/** `null`: the message is shorter than its counts say. */
export function decodeCmapMcast(message: Uint8Array): { reason: number; items: CmapItem[] } | null {
  const fixed = CMAP_MCAST.decode(message);
  if (fixed === null || fixed.itemCount > CMAP_MCAST_ITEMS_MAX) return null;
  const items: CmapItem[] = [];
  let at = CMAP_MCAST.bytes;
  for (let i = 0; i < fixed.itemCount; i++) {
    const item = CMAP_MCAST_ITEM.decode(message, at);
    if (item === null || item.valueBytes > message.length - at - CMAP_MCAST_ITEM.bytes) return null;
    const value = at + CMAP_MCAST_ITEM.bytes;
    items.push({ key: item.key.text, type: item.type, value: message.slice(value, value + item.valueBytes) });
    at += padded8(CMAP_MCAST_ITEM.bytes + item.valueBytes);
  }
  return { reason: fixed.reason, items };
}
