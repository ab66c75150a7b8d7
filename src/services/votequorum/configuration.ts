import type { Icmap } from '../../config/icmap/index.ts';
import { defaultNumber } from '../../config/options/index.ts';
import { NO_TIE_BREAKER, parseTieBreaker, type TieBreaker } from './quorum-math.ts';

/** The keys as they stand now, read at start and again at every change (services.md 7.4 step 1). */
export interface DynamicConfiguration {
  /** 0 = not set. */
  readonly expectedVotes: number;
  readonly twoNode: boolean;
  /** `quorum.votes`, for clusters without a node list. */
  readonly votes: number;
  readonly nodeList: NodeListVotes | null;
  readonly device: DeviceConfiguration | null;
}

export interface NodeListVotes {
  readonly nodeCount: number;
  readonly totalVotes: number;
  readonly ownVotes: number;
}

export interface DeviceConfiguration {
  /** `null`: not set. */
  readonly votes: number | null;
  readonly timeoutMs: number;
  readonly syncTimeoutMs: number;
}

/** The keys that are read at start only (step 4). */
export interface StaticConfiguration {
  readonly allowDownscale: boolean;
  /** `null`: not set, follows two_node. */
  readonly waitForAll: boolean | null;
  readonly lastManStanding: boolean;
  readonly lastManStandingWindowMs: number;
  readonly expectedVotesTracking: boolean;
  readonly tieBreaker: TieBreaker;
  /** Also one that is not valid, or is switched off again: stock shows its type from the start on. */
  readonly tieBreakerWanted: boolean;
  /** Things that are odd but not wrong. */
  readonly warnings: readonly string[];
}

const DEFAULT_LMS_WINDOW_MS = defaultNumber('quorum', 'last_man_standing_window');
export const DEFAULT_QDEVICE_TIMEOUT_MS = defaultNumber('quorum.device', 'timeout');
export const DEFAULT_QDEVICE_SYNC_TIMEOUT_MS = defaultNumber('quorum.device', 'sync_timeout');
const DEFAULT_VOTES = defaultNumber('quorum', 'votes');
const DEFAULT_NODE_VOTES = defaultNumber('nodelist.node', 'quorum_votes');

export function readDynamic(cmap: Icmap): DynamicConfiguration {
  return {
    expectedVotes: cmap.getU32('quorum.expected_votes') ?? 0,
    twoNode: (cmap.getU8('quorum.two_node') ?? 0) !== 0,
    votes: cmap.getU32('quorum.votes') ?? DEFAULT_VOTES,
    nodeList: readNodeList(cmap),
    device: readDevice(cmap),
  };
}

const NODE_PREFIX = 'nodelist.node.';

function readNodeList(cmap: Icmap): NodeListVotes | null {
  const position = cmap.getU32('nodelist.local_node_pos');
  if (position === null) return null;
  const positions = new Set<string>();
  for (const key of cmap.keysWithPrefix(NODE_PREFIX)) {
    const index = /^\d+/.exec(key.slice(NODE_PREFIX.length))?.[0];
    if (index !== undefined) positions.add(index);
  }
  const votesOf = (index: string): number => cmap.getU32(`${NODE_PREFIX}${index}.quorum_votes`) ?? DEFAULT_NODE_VOTES;
  let totalVotes = 0;
  for (const index of positions) totalVotes += votesOf(index);
  return { nodeCount: positions.size, totalVotes, ownVotes: votesOf(String(position)) };
}

function readDevice(cmap: Icmap): DeviceConfiguration | null {
  if ((cmap.getString('quorum.device.model') ?? '') === '') return null;
  return {
    votes: cmap.getU32('quorum.device.votes'),
    timeoutMs: cmap.getU32('quorum.device.timeout') ?? DEFAULT_QDEVICE_TIMEOUT_MS,
    syncTimeoutMs: cmap.getU32('quorum.device.sync_timeout') ?? DEFAULT_QDEVICE_SYNC_TIMEOUT_MS,
  };
}

export function readStatic(cmap: Icmap): StaticConfiguration {
  const flag = (name: string): boolean => (cmap.getU8(`quorum.${name}`) ?? 0) !== 0;
  const warnings: string[] = [];
  const allowDownscale = flag('allow_downscale');
  return {
    allowDownscale,
    waitForAll: cmap.getU8('quorum.wait_for_all') === null ? null : flag('wait_for_all'),
    lastManStanding: flag('last_man_standing'),
    lastManStandingWindowMs: cmap.getU32('quorum.last_man_standing_window') ?? DEFAULT_LMS_WINDOW_MS,
    expectedVotesTracking: allowDownscale || flag('expected_votes_tracking'),
    tieBreakerWanted: flag('auto_tie_breaker'),
    tieBreaker: readTieBreaker(cmap, flag('auto_tie_breaker'), warnings),
    warnings,
  };
}

function readTieBreaker(cmap: Icmap, enabled: boolean, warnings: string[]): TieBreaker {
  const text = cmap.getString('quorum.auto_tie_breaker_node');
  if (!enabled) {
    if (text !== null) {
      warnings.push('auto_tie_breaker_node: is meaningless if auto_tie_breaker is set to 0');
    }
    return NO_TIE_BREAKER;
  }
  if (text === null) return { mode: 'lowest' };
  const breaker = parseTieBreaker(text);
  if (breaker === null) {
    warnings.push(`auto_tie_breaker_node: "${text}" is invalid. auto_tie_breaker is disabled`);
    return NO_TIE_BREAKER;
  }
  return breaker;
}
