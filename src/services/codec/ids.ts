/** Service ids, and the function and message numbers of the services (services.md 1.4, 1.5, 4.1, 5.2, 6.1, 7.1, 8.1). */
export const ServiceId = { CMAP: 0, CFG: 1, CPG: 2, QUORUM: 3, PLOAD: 4, VOTEQUORUM: 5, MON: 6, WD: 7 } as const;
export const SERVICES_MAX = 64;
export const HANDLERS_MAX = 64;
export const PROCESSORS_MAX = 384;

/** Bits of every track-start request. */
export const TrackFlag = { CURRENT: 1, CHANGES: 2, CHANGES_ONLY: 4 } as const;

export const SyncFn = { BARRIER: 0, SERVICE_BUILD: 1 } as const;
export const CmapFn = { MCAST: 0 } as const;
export const CfgFn = { RING_REENABLE: 0, KILL_NODE: 1, SHUTDOWN: 2, RELOAD: 3, CRYPTO_RECONFIGURE: 4 } as const;
export const CpgFn = {
  JOIN: 0,
  LEAVE: 1,
  JOIN_LIST: 2,
  MCAST: 3,
  DOWN_LIST_OLD: 4,
  DOWN_LIST: 5,
  PARTIAL_MCAST: 6,
} as const;
export const PloadFn = { START: 0, MCAST: 1 } as const;
export const VotequorumFn = {
  NODE_INFO: 0,
  RECONFIGURE: 1,
  QDEVICE_REGISTER: 2,
  QDEVICE_RENAME: 3,
  QDEVICE_EXTRA_INFO: 4,
} as const;

export const CmapRequest = {
  SET: 0,
  DELETE: 1,
  GET: 2,
  ADJUST_INT: 3,
  ITER_INIT: 4,
  ITER_NEXT: 5,
  ITER_FINALIZE: 6,
  TRACK_ADD: 7,
  TRACK_DELETE: 8,
  SET_CURRENT_MAP: 9,
} as const;
export const CmapResponse = { NOTIFY: 9, SET_CURRENT_MAP: 10 } as const;

export const CfgRequest = {
  RING_STATUS: 0,
  RING_REENABLE: 1,
  KILL_NODE: 2,
  TRY_SHUTDOWN: 3,
  REPLY_TO_SHUTDOWN: 4,
  NODE_ADDRESSES: 5,
  LOCAL_GET: 6,
  RELOAD: 7,
  REOPEN_LOGS: 8,
  NODE_STATUS: 9,
  TRACK_START: 10,
  TRACK_STOP: 11,
} as const;
export const CfgResponse = {
  RING_STATUS: 0,
  RING_REENABLE: 1,
  TRACK_START: 2,
  TRACK_STOP: 3,
  KILL_NODE: 8,
  TRY_SHUTDOWN: 9,
  TEST_SHUTDOWN: 10,
  NODE_ADDRESSES: 11,
  LOCAL_GET: 12,
  REPLY_TO_SHUTDOWN: 13,
  RELOAD: 14,
  REOPEN_LOGS: 15,
  NODE_STATUS: 16,
} as const;

export const CpgRequest = {
  JOIN: 0,
  LEAVE: 1,
  MCAST: 2,
  MEMBERSHIP: 3,
  LOCAL_GET: 4,
  ITERATION_INIT: 5,
  ITERATION_NEXT: 6,
  ITERATION_FINALIZE: 7,
  FINALIZE: 8,
  ZC_ALLOC: 9,
  ZC_FREE: 10,
  ZC_EXECUTE: 11,
  PARTIAL_MCAST: 12,
} as const;
export const CpgResponse = {
  JOIN: 0,
  LEAVE: 1,
  MCAST: 2,
  MEMBERSHIP: 3,
  CONFIGURATION_CHANGE: 4,
  DELIVER: 5,
  LOCAL_GET: 7,
  FLOW_CONTROL: 8,
  ITERATION_INIT: 9,
  ITERATION_NEXT: 10,
  ITERATION_FINALIZE: 11,
  FINALIZE: 12,
  TOTEM_CONFIGURATION: 13,
  PARTIAL_DELIVER: 17,
  PARTIAL_MCAST: 18,
} as const;

export const QuorumRequest = { QUORATE: 0, TRACK_START: 1, TRACK_STOP: 2, TYPE: 3, MODEL_TYPE: 4 } as const;
export const QuorumResponse = {
  QUORATE: 0,
  TRACK_START: 1,
  TRACK_STOP: 2,
  CHANGE_V0: 3,
  TYPE: 4,
  MODEL_TYPE: 5,
  CHANGE_V1: 6,
  NODE_LIST_V1: 7,
} as const;

export const VotequorumRequest = {
  GET_INFO: 0,
  SET_EXPECTED: 1,
  SET_VOTES: 2,
  TRACK_START: 3,
  TRACK_STOP: 4,
  QDEVICE_REGISTER: 5,
  QDEVICE_UNREGISTER: 6,
  QDEVICE_UPDATE: 7,
  QDEVICE_POLL: 8,
  QDEVICE_MASTER_WINS: 9,
  SET_EXTRA_INFO: 10,
  GET_EXTRA_INFO: 11,
} as const;
export const VotequorumResponse = {
  STATUS: 0,
  GET_INFO: 1,
  QUORUM: 3,
  EXPECTED_VOTES: 4,
  NODE_LIST: 5,
  GET_EXTRA_INFO: 6,
  EXTRA_INFO: 7,
} as const;
