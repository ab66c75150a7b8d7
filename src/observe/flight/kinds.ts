import type { RingId } from '../../lib/ring-id.ts';
import type { FlightPart } from './layout.ts';

/** Why a part of this process did not get to run, as far as it noticed. */
export const PAUSE_NOTICED_BY = ['ring thread', 'main thread', 'knet', 'totem'] as const;
/** State of the ring protocol, in `from` of gather and `state` of tokenLost. */
export const FLIGHT_STATES = ['operational', 'gather', 'commit', 'recovery'] as const;
/** `transport` of start. */
export const FLIGHT_TRANSPORTS = ['udp', 'udpu', 'knet'] as const;
/** What said that the token is lost. */
export const LOSS_TIMERS = ['token', 'heartbeat', 'forced'] as const;
/** Why a link went down. */
export const LINK_CAUSES = ['', 'timeout', 'unreachable', 'removed'] as const;
/** `silentMs` of a node that was not heard since the daemon runs. */
export const NEVER_HEARD_MS = 0xffff_ffff;
/** What an end of the daemon was. */
export const END_CAUSES = ['stop', 'failure', 'killed by another node', 'hang', 'crash'] as const;
interface FlightKindSpec {
  /** On disk; never used for anything else. */
  readonly code: number;
  /** At most eight. Times are milliseconds. */
  readonly numbers: readonly string[];
  /** Lists of unsigned 32-bit numbers, mostly node ids. */
  readonly lists: readonly string[];
  readonly texts: readonly string[];
}

const spec = <const N extends readonly string[], const L extends readonly string[], const T extends readonly string[]>(
  code: number,
  numbers: N,
  lists: L,
  texts: T,
): { readonly code: number; readonly numbers: N; readonly lists: L; readonly texts: T } => ({
  code,
  numbers,
  lists,
  texts,
});

/**
 * Everything that the flight recorder writes: kind, its number on disk, numbers, lists, texts. A field is appended, never moved: a file of an
 * earlier version is read with 0, an empty list or an empty text for it.
 */
export const FLIGHT_KINDS = {
  // ---- the daemon ----
  start: spec(1, ['nodeId', 'pid', 'transport'], [], ['version']),
  /** `cause`: END_CAUSES. */
  end: spec(2, ['status', 'cause'], [], ['reason']),
  /** Timeouts in force: at the start, and whenever one changes. */
  timings: spec(
    3,
    ['tokenMs', 'tokenRetransmitMs', 'consensusMs', 'joinMs', 'holdMs', 'failRecvConst', 'seqnoUnchangedConst'],
    [],
    [],
  ),
  reload: spec(4, ['ok', 'changed'], [], ['error']),
  /** `noticedBy`: PAUSE_NOTICED_BY. */
  pause: spec(5, ['ms', 'noticedBy', 'thresholdMs'], [], []),
  logLost: spec(6, ['lines'], [], ['destination']),
  /** Records that were not written, because there were too many of their kind. */
  omitted: spec(7, ['code', 'count'], [], []),
  // ---- the ring ----
  /**
   * GATHER is entered. `reason`: GatherReason; `from`: FLIGHT_STATES; `node`: whose message caused it, or 0; `silentMs`: since the last token.
   * `members`: of the ring until now; `failed`: taken for dead.
   */
  gather: spec(10, ['reason', 'from', 'node', 'silentMs'], ['members', 'candidates', 'failed'], []),
  /** What was heard last, by node and link, when the ring was lost: four lists side by side. `up` is 0 or 1. */
  heard: spec(11, [], ['nodes', 'links', 'silentMs', 'up'], []),
  /** `timer`: LOSS_TIMERS. */
  tokenLost: spec(12, ['state', 'silentMs', 'timeoutMs', 'timer'], [], []),
  consensusTimeout: spec(13, ['timeoutMs'], ['missing'], []),
  commit: spec(14, [], [], []),
  recovery: spec(15, [], ['transitional'], []),
  recoverMessages: spec(16, ['count'], [], []),
  /** `lost`: those of `left` that did not take their leave. */
  operational: spec(17, [], ['members', 'joined', 'left', 'lost'], []),
  leave: spec(18, ['node'], [], []),
  /** The transport has proof that the process of a member has ended. */
  memberDied: spec(25, ['node'], [], []),
  /** All other members agree that these have been silent for too long. */
  membersSilent: spec(26, [], ['nodes'], []),
  failedToReceive: spec(19, [], [], []),
  ringSeqWait: spec(20, ['needed'], [], []),
  firewallSuspected: spec(21, [], [], []),
  stranger: spec(22, ['reason'], [], ['detail']),
  tokenWarning: spec(23, ['silentMs'], [], []),
  interface: spec(24, ['link', 'up'], [], []),
  // ---- synchronization of the services ----
  /** One service is in step: how long its own work took, and how long the others were waited for. */
  synced: spec(30, ['service', 'processMs', 'barrierMs'], [], []),
  syncDone: spec(31, ['totalMs'], [], []),
  syncAborted: spec(32, ['service', 'ms'], ['waitingFor'], []),
  syncLate: spec(33, ['service', 'ms'], ['waitingFor'], []),
  // ---- knet ----
  /** `cause`: LINK_CAUSES. */
  link: spec(40, ['node', 'link', 'up', 'cause'], [], []),
  host: spec(41, ['node', 'reachable'], [], []),
  activeLink: spec(42, ['node', 'link'], [], []),
  linkMtu: spec(43, ['node', 'link', 'mtu'], [], []),
  dataMtu: spec(44, ['from', 'to'], [], []),
  peerRestarted: spec(45, ['node'], [], []),
  // ---- one second's worth, when there was any ----
  /** Messages that this node sent again, and asked for. */
  retransmissions: spec(50, ['resent', 'requested'], [], []),
  /** Drops by reason: `name=count` separated by spaces. */
  drops: spec(51, ['total'], [], ['reasons']),
  // ---- quorum ----
  /** `rule`: QUORUM_RULES (lib/quorum-rule.ts). */
  quorum: spec(60, ['quorate', 'rule', 'votes', 'needed', 'expected'], ['members'], []),
  // ---- clients ----
  clientJoined: spec(70, ['service', 'pid', 'uid'], [], ['name']),
  clientEnded: spec(71, ['service', 'pid', 'uid'], [], ['name']),
} as const satisfies Readonly<Record<string, FlightKindSpec>>;

export type FlightKind = keyof typeof FLIGHT_KINDS;

const KIND_OF_CODE: ReadonlyMap<number, FlightKind> = new Map(
  (Object.keys(FLIGHT_KINDS) as FlightKind[]).map((kind) => [FLIGHT_KINDS[kind].code, kind]),
);
/** The kind that a number on disk stands for; none: of a later version. */
export const flightKindOf = (code: number): FlightKind | undefined => KIND_OF_CODE.get(code);
type Spec<K extends FlightKind> = (typeof FLIGHT_KINDS)[K];

/** What a record of a kind holds. */
export type FlightFields<K extends FlightKind> = { readonly [N in Spec<K>['numbers'][number]]: number } & {
  readonly [L in Spec<K>['lists'][number]]: readonly number[];
} & { readonly [T in Spec<K>['texts'][number]]: string };

/** What every record has. */
export interface FlightHead {
  /** Starts of the daemon, counted from 1: times of `monotonicMs` compare within one life only. */
  readonly life: number;
  readonly part: FlightPart;
  /** Of its part, from 1. */
  readonly sequence: number;
  readonly monotonicMs: number;
  readonly wallMs: number;
  /** The ring as the writer knew it: from COMMIT on the new one. */
  readonly ring: RingId;
}

export type FlightRecordOf<K extends FlightKind> = FlightHead & { readonly kind: K } & FlightFields<K>;
export type FlightRecord = { readonly [K in FlightKind]: FlightRecordOf<K> }[FlightKind];
