/** Numbers of the protocol between a quorum device and its arbiter (qnet.md 2, 3). */

export const QnetMessageType = {
  PREINIT: 0,
  PREINIT_REPLY: 1,
  STARTTLS: 2,
  INIT: 3,
  INIT_REPLY: 4,
  SERVER_ERROR: 5,
  SET_OPTION: 6,
  SET_OPTION_REPLY: 7,
  ECHO_REQUEST: 8,
  ECHO_REPLY: 9,
  NODE_LIST: 10,
  NODE_LIST_REPLY: 11,
  ASK_FOR_VOTE: 12,
  ASK_FOR_VOTE_REPLY: 13,
  VOTE_INFO: 14,
  VOTE_INFO_REPLY: 15,
  HEURISTICS_CHANGE: 16,
  HEURISTICS_CHANGE_REPLY: 17,
} as const;

/** As `corosync-qnetd -v` names them. */
export const QNET_MESSAGE_NAMES: readonly string[] = [
  'Preinit',
  'Preinit reply',
  'StartTLS',
  'Init',
  'Init reply',
  'Server error',
  'Set option',
  'Set option reply',
  'Echo request',
  'Echo reply',
  'Node list',
  'Node list reply',
  'Ask for vote',
  'Ask for vote reply',
  'Vote info',
  'Vote info reply',
  'Heuristics change',
  'Heuristics change reply',
];
export const QNET_MESSAGE_TYPES: readonly number[] = QNET_MESSAGE_NAMES.map((_, type) => type);

export const TlsMode = { UNSUPPORTED: 0, SUPPORTED: 1, REQUIRED: 2 } as const;
export const TLS_MODE_NAMES: readonly string[] = ['Unsupported', 'Supported', 'Required'];

export const ReplyError = {
  NONE: 0,
  UNSUPPORTED_NEEDED_MESSAGE: 1,
  UNSUPPORTED_NEEDED_OPTION: 2,
  TLS_REQUIRED: 3,
  UNSUPPORTED_MESSAGE: 4,
  MESSAGE_TOO_LONG: 5,
  PREINIT_REQUIRED: 6,
  REQUIRED_OPTION_MISSING: 7,
  UNEXPECTED_MESSAGE: 8,
  UNDECODABLE: 9,
  INTERNAL: 10,
  INIT_REQUIRED: 11,
  UNSUPPORTED_ALGORITHM: 12,
  INVALID_HEARTBEAT: 13,
  UNSUPPORTED_ALGORITHM_MESSAGE: 14,
  TIE_BREAKER_DIFFERS: 15,
  ALGORITHM_DIFFERS: 16,
  DUPLICATE_NODE_ID: 17,
  INVALID_CONFIG_NODE_LIST: 18,
  INVALID_MEMBERSHIP_NODE_LIST: 19,
} as const;

export const DecisionAlgorithm = { TEST: 0, FFSPLIT: 1, TWO_NODE_LMS: 2, LMS: 3 } as const;
/** As the tools name them. */
export const ALGORITHM_TITLES: readonly string[] = ['Test', 'Fifty-Fifty split', '2 Node LMS', 'LMS'];
/** As `quorum.device.net.algorithm` names them. */
export const ALGORITHM_KEYWORDS: readonly string[] = ['test', 'ffsplit', '2nodelms', 'lms'];
export const DECISION_ALGORITHMS: readonly number[] = ALGORITHM_KEYWORDS.map((_, algorithm) => algorithm);

export const QnetNodeState = { NOT_SET: 0, MEMBER: 1, DEAD: 2, LEAVING: 3 } as const;
export const NodeListType = { INITIAL_CONFIG: 0, CHANGED_CONFIG: 1, MEMBERSHIP: 2, QUORUM: 3 } as const;

export const Vote = { UNDEFINED: 0, ACK: 1, NACK: 2, ASK_LATER: 3, WAIT_FOR_REPLY: 4, NO_CHANGE: 5 } as const;
export const VOTE_NAMES: readonly string[] = [
  'Unknown vote value',
  'ACK',
  'NACK',
  'Ask later',
  'Wait for reply',
  'No change',
];

export const TieBreakerMode = { LOWEST: 1, HIGHEST: 2, NODE_ID: 3 } as const;
export const Heuristics = { UNDEFINED: 0, PASS: 1, FAIL: 2 } as const;
export const HEURISTICS_NAMES: readonly string[] = ['Undefined', 'Pass', 'Fail'];

/** Defaults of both sides (qnet.md 6). */
export const QNETD_PORT = 5403;
export const QNETD_CERTIFICATE_NAME = 'Qnetd Server';
export const MESSAGE_BYTES_DEFAULT = 1 << 15;
