import { call } from './call.ts';
import {
  array,
  charsElement,
  csName,
  type Element,
  i32,
  marName,
  messageSource,
  readChars,
  u8,
  u32,
  writeChars,
} from './fields.ts';
import { CfgFn, CfgRequest, CfgResponse, ServiceId } from './ids.ts';
import { execStruct, RequestStruct, ResponseStruct, Struct } from './struct.ts';

/** IPC and node-to-node messages of cfg (services.md 8.2, 1.6). */
export const CFG_RING_STATUS = new RequestStruct(CfgRequest.RING_STATUS, 'req_lib_cfg_ringstatusget', 16, {});
export const CFG_RING_REENABLE = new RequestStruct(CfgRequest.RING_REENABLE, 'req_lib_cfg_ringreenable', 16, {});
export const CFG_KILL_NODE = new RequestStruct(CfgRequest.KILL_NODE, 'req_lib_cfg_killnode', 288, {
  nodeId: u32('nodeid', 16),
  /** The length includes the terminating NUL. */
  reason: csName('reason.', 24),
});
/** 0 request, 1 regardless of the votes, 2 immediate. */
export const CFG_TRY_SHUTDOWN = new RequestStruct(CfgRequest.TRY_SHUTDOWN, 'req_lib_cfg_tryshutdown', 24, {
  flags: u32('flags', 16),
});
export const ShutdownFlag = { REQUEST: 0, REGARDLESS: 1, IMMEDIATE: 2 } as const;
export const CFG_REPLY_TO_SHUTDOWN = new RequestStruct(
  CfgRequest.REPLY_TO_SHUTDOWN,
  'req_lib_cfg_replytoshutdown',
  24,
  { response: u32('response', 16) },
);
export const CFG_NODE_ADDRESSES = new RequestStruct(CfgRequest.NODE_ADDRESSES, 'req_lib_cfg_get_node_addrs', 24, {
  nodeId: u32('nodeid', 16),
});
export const CFG_LOCAL_GET = new RequestStruct(CfgRequest.LOCAL_GET, 'req_lib_cfg_local_get', 16, {});
export const CFG_RELOAD = new RequestStruct(CfgRequest.RELOAD, 'req_lib_cfg_reload_config', 16, {});
export const CFG_REOPEN_LOGS = new RequestStruct(CfgRequest.REOPEN_LOGS, 'req_lib_cfg_reopen_log_files', 16, {});
export const CFG_NODE_STATUS = new RequestStruct(CfgRequest.NODE_STATUS, 'req_lib_cfg_nodestatusget', 32, {
  nodeId: u32('nodeid', 16),
  version: u32('version', 24),
});
export const CFG_TRACK_START = new RequestStruct(CfgRequest.TRACK_START, 'req_lib_cfg_trackstart', 24, {
  trackFlags: u8('track_flags', 16),
});
export const CFG_TRACK_STOP = new RequestStruct(CfgRequest.TRACK_STOP, 'req_lib_cfg_trackstop', 16, {});

export const RING_STATUS_INTERFACES_MAX = 16;
export const RING_STATUS_NAME_BYTES = 128;
export const RING_STATUS_TEXT_BYTES = 512;
export const CFG_RING_STATUS_RESPONSE = new ResponseStruct(
  CfgResponse.RING_STATUS,
  'res_lib_cfg_ringstatusget',
  10272,
  {
    interfaceCount: u32('interface_count', 24),
    names: array('interface_name', 32, RING_STATUS_INTERFACES_MAX, charsElement(RING_STATUS_NAME_BYTES)),
    statuses: array('interface_status', 2080, RING_STATUS_INTERFACES_MAX, charsElement(RING_STATUS_TEXT_BYTES)),
  },
);

/** One link towards a node, as `cfg_node_status` reports it. */
export interface CfgLinkStatus {
  readonly enabled: number;
  readonly connected: number;
  readonly dynconnected: number;
  readonly mtu: number;
  readonly source: string;
  readonly destination: string;
}
const ADDRESS_TEXT_BYTES = 256;
export const KNET_LINK_STATUS = new Struct('corosync_knet_link_status_v1', 520, {
  enabled: u8('enabled', 0),
  connected: u8('connected', 1),
  dynconnected: u8('dynconnected', 2),
  mtu: u32('mtu', 4),
  source: array('src_ipaddr', 8, 1, charsElement(ADDRESS_TEXT_BYTES)),
  destination: array('dst_ipaddr', 264, 1, charsElement(ADDRESS_TEXT_BYTES)),
});
const LINK_STATUS_ELEMENT: Element<CfgLinkStatus> = {
  bytes: KNET_LINK_STATUS.bytes,
  read: (view, at) => ({
    enabled: view.getUint8(at),
    connected: view.getUint8(at + 1),
    dynconnected: view.getUint8(at + 2),
    mtu: view.getUint32(at + 4, true),
    source: readChars(view, at + 8, ADDRESS_TEXT_BYTES),
    destination: readChars(view, at + 264, ADDRESS_TEXT_BYTES),
  }),
  write: (view, at, value) => {
    view.setUint8(at, value.enabled);
    view.setUint8(at + 1, value.connected);
    view.setUint8(at + 2, value.dynconnected);
    view.setUint32(at + 4, value.mtu, true);
    writeChars(view, at + 8, ADDRESS_TEXT_BYTES, value.source);
    writeChars(view, at + 264, ADDRESS_TEXT_BYTES, value.destination);
  },
};

const nodeStatusFields = <P extends string>(prefix: P, at: number) =>
  ({
    version: u32(`${prefix}version`, at),
    nodeId: u32(`${prefix}nodeid`, at + 4),
    reachable: u8(`${prefix}reachable`, at + 8),
    remote: u8(`${prefix}remote`, at + 9),
    external: u8(`${prefix}external`, at + 10),
    onwireMin: u8(`${prefix}onwire_min`, at + 11),
    onwireMax: u8(`${prefix}onwire_max`, at + 12),
    onwireVersion: u8(`${prefix}onwire_ver`, at + 13),
    /** Indexed by link number on knet. */
    links: array(`${prefix}link_status`, at + 16, 8, LINK_STATUS_ELEMENT),
  }) as const;
export const NODE_STATUS = new Struct('corosync_cfg_node_status_v1', 4176, nodeStatusFields('', 0));
export const CFG_NODE_STATUS_RESPONSE = new ResponseStruct(
  CfgResponse.NODE_STATUS,
  'res_lib_cfg_nodestatusget_v1',
  4200,
  nodeStatusFields('node_status.', 24),
);
export const NODE_STATUS_VERSION = 1;
/** The form of an error. */
export const CFG_NODE_STATUS_ERROR = new ResponseStruct(
  CfgResponse.NODE_STATUS,
  'res_lib_cfg_nodestatusget_version',
  32,
  { version: u32('version', 24) },
);

/** Tail: `count` addresses of 16 bytes, network order; IPv4 uses the first four. */
export const CFG_NODE_ADDRESSES_RESPONSE = new ResponseStruct(
  CfgResponse.NODE_ADDRESSES,
  'res_lib_cfg_get_node_addrs',
  32,
  { family: u32('family', 24), count: u32('num_addrs', 28) },
  { name: 'addrs', offset: 32 },
);
export const NODE_ADDRESS_BYTES = 16;
export const CFG_LOCAL_GET_RESPONSE = new ResponseStruct(CfgResponse.LOCAL_GET, 'res_lib_cfg_local_get', 32, {
  nodeId: u32('local_nodeid', 24),
});
export const CFG_TEST_SHUTDOWN = new ResponseStruct(CfgResponse.TEST_SHUTDOWN, 'res_lib_cfg_testshutdown', 32, {
  flags: u32('flags', 24),
});

const status = (id: number, name: string) => new ResponseStruct(id, name, 24, {});
export const CFG_RING_REENABLE_RESPONSE = status(CfgResponse.RING_REENABLE, 'res_lib_cfg_ringreenable');
export const CFG_KILL_NODE_RESPONSE = status(CfgResponse.KILL_NODE, 'res_lib_cfg_killnode');
export const CFG_TRY_SHUTDOWN_RESPONSE = status(CfgResponse.TRY_SHUTDOWN, 'res_lib_cfg_tryshutdown');
export const CFG_REPLY_TO_SHUTDOWN_RESPONSE = status(CfgResponse.REPLY_TO_SHUTDOWN, 'res_lib_cfg_replytoshutdown');
export const CFG_RELOAD_RESPONSE = status(CfgResponse.RELOAD, 'res_lib_cfg_reload_config');
export const CFG_REOPEN_LOGS_RESPONSE = status(CfgResponse.REOPEN_LOGS, 'res_lib_cfg_reopen_log_files');
export const CFG_TRACK_START_RESPONSE = status(CfgResponse.TRACK_START, 'res_lib_cfg_trackstart');
export const CFG_TRACK_STOP_RESPONSE = status(CfgResponse.TRACK_STOP, 'res_lib_cfg_trackstop');

const ordered = { flowControl: true };
/** The requests of libcfg. */
export const CFG_CALLS = {
  ringStatus: call(CFG_RING_STATUS, CFG_RING_STATUS_RESPONSE, { flowControl: true, rejectedWhole: true }),
  ringReenable: call(CFG_RING_REENABLE, CFG_RING_REENABLE_RESPONSE, ordered),
  killNode: call(CFG_KILL_NODE, CFG_KILL_NODE_RESPONSE, ordered),
  tryShutdown: call(CFG_TRY_SHUTDOWN, CFG_TRY_SHUTDOWN_RESPONSE, ordered),
  replyToShutdown: call(CFG_REPLY_TO_SHUTDOWN, CFG_REPLY_TO_SHUTDOWN_RESPONSE, ordered),
  nodeAddresses: call(CFG_NODE_ADDRESSES, CFG_NODE_ADDRESSES_RESPONSE),
  localGet: call(CFG_LOCAL_GET, CFG_LOCAL_GET_RESPONSE),
  reload: call(CFG_RELOAD, CFG_RELOAD_RESPONSE, ordered),
  reopenLogs: call(CFG_REOPEN_LOGS, CFG_REOPEN_LOGS_RESPONSE),
  nodeStatus: call(CFG_NODE_STATUS, CFG_NODE_STATUS_RESPONSE),
  trackStart: call(CFG_TRACK_START, CFG_TRACK_START_RESPONSE, ordered),
  trackStop: call(CFG_TRACK_STOP, CFG_TRACK_STOP_RESPONSE, ordered),
} as const;

export const CFG_EXEC_RING_REENABLE = execStruct(ServiceId.CFG, CfgFn.RING_REENABLE, 'req_exec_cfg_ringreenable', 32, {
  source: messageSource('source.', 16),
});
export const CFG_EXEC_KILL_NODE = execStruct(ServiceId.CFG, CfgFn.KILL_NODE, 'req_exec_cfg_killnode', 288, {
  nodeId: u32('nodeid', 16),
  reason: marName('reason.', 24),
});
export const CFG_EXEC_SHUTDOWN = execStruct(ServiceId.CFG, CfgFn.SHUTDOWN, 'req_exec_cfg_shutdown', 16, {});
export const CFG_EXEC_RELOAD = execStruct(ServiceId.CFG, CfgFn.RELOAD, 'req_exec_cfg_reload_config', 32, {
  source: messageSource('source.', 16),
});
export const CFG_EXEC_CRYPTO_RECONFIGURE = execStruct(
  ServiceId.CFG,
  CfgFn.CRYPTO_RECONFIGURE,
  'req_exec_cfg_crypto_reconfig',
  24,
  { phase: i32('phase', 16) },
);
export const CryptoPhase = { ACTIVATE: 1, CLEAN_UP: 2 } as const;

/** Messages of cfg between the nodes. */
export const CFG_MESSAGES = {
  ringReenable: CFG_EXEC_RING_REENABLE,
  killNode: CFG_EXEC_KILL_NODE,
  shutdown: CFG_EXEC_SHUTDOWN,
  reload: CFG_EXEC_RELOAD,
  cryptoReconfigure: CFG_EXEC_CRYPTO_RECONFIGURE,
} as const;
