import { Icmap } from '../../config/icmap/index.ts';
import type { QuorumRule } from '../../lib/quorum-rule.ts';
import type { VotesNow, VotingNode } from '../../lib/votes.ts';
import { NodeFlag } from '../codec/votequorum.ts';
import { VotequorumCore } from './core.ts';
import { NO_TIE_BREAKER, parseTieBreaker, type TieBreaker } from './quorum-math.ts';

/** What a part of the cluster would come to. */
export interface PartForecast {
  readonly nodes: readonly number[];
  readonly votes: number;
  readonly needed: number;
  readonly quorate: boolean;
  readonly rule: QuorumRule;
}

export interface SplitForecast {
  readonly parts: readonly [PartForecast, PartForecast];
}

/**
 * What the real core would decide for the members `part` if nobody else could be reached any more. `withDevice`: the quorum device gives this
 * part its votes.
 */
export function forecastPart(now: VotesNow, part: readonly number[], withDevice: boolean): PartForecast {
  const [nodeId] = part;
  if (nodeId === undefined) return { nodes: [], votes: 0, needed: 0, quorate: false, rule: 'votes' };
  const core = new VotequorumCore(nodeId, new Icmap(), SILENT);
  prepare(core, now, nodeId);
  const all = now.members.map((member) => member.nodeId);
  synchronize(core, now, all, 1, now.deviceVotes > 0);
  synchronize(core, now, part, 2, withDevice);
  const { votes, needed, rule } = core.basis;
  return { nodes: part, votes, needed, quorate: core.quorate, rule };
}

/** Each single failure of a member other than none. */
export const forecastFailures = (now: VotesNow): readonly PartForecast[] =>
  now.members.map(({ nodeId }) =>
    forecastPart(
      now,
      now.members.map((member) => member.nodeId).filter((other) => other !== nodeId),
      now.deviceVotes > 0,
    ),
  );

/**
 * What brings quorum back: every absent node that is enough by itself; if none is, the fewest together, the heaviest first. Empty: not even all
 * of them do.
 */
export function forecastReturns(now: VotesNow, absent: readonly VotingNode[]): readonly PartForecast[] {
  const withThese = (nodes: readonly VotingNode[]): PartForecast => {
    const members = [...now.members, ...nodes].sort((a, b) => a.nodeId - b.nodeId);
    const all = members.map(({ nodeId }) => nodeId);
    return forecastPart({ ...now, members }, all, now.deviceVotes > 0);
  };
  const alone = absent.map((node) => withThese([node])).filter(({ quorate }) => quorate);
  if (alone.length > 0) return alone;
  const byVotes = [...absent].sort((a, b) => b.votes - a.votes);
  for (let count = 2; count <= byVotes.length; count++) {
    const together = withThese(byVotes.slice(0, count));
    if (together.quorate) return [together];
  }
  return [];
}

/** Splits of more members than this are too many to list. */
export const SPLIT_MEMBERS_MAX = 6;

/** Every way in which the members fall apart into two; where there is a device, the first part has its votes. */
export function forecastSplits(now: VotesNow): readonly SplitForecast[] {
  const ids = now.members.map(({ nodeId }) => nodeId);
  if (ids.length < 2 || ids.length > SPLIT_MEMBERS_MAX) return [];
  const device = now.deviceVotes > 0;
  const splits: SplitForecast[] = [];
  for (let mask = 1; mask < (1 << ids.length) - 1; mask++) {
    // Without a device a split and its mirror image are the same.
    if (!device && (mask & 1) === 0) continue;
    const first = ids.filter((_, i) => (mask >> i) % 2 === 1);
    const second = ids.filter((_, i) => (mask >> i) % 2 === 0);
    splits.push({ parts: [forecastPart(now, first, device), forecastPart(now, second, false)] });
  }
  return splits;
}

/** How many members can fail, one after the other and in the worst order by votes, before quorum is lost. */
export function tolerableFailures(now: VotesNow): number {
  const byVotes = [...now.members].sort((a, b) => b.votes - a.votes).map(({ nodeId }) => nodeId);
  for (let failed = 1; failed < byVotes.length; failed++) {
    const left = forecastPart(
      now,
      byVotes.slice(failed).sort((a, b) => a - b),
      now.deviceVotes > 0,
    );
    if (!left.quorate) return failed - 1;
  }
  return byVotes.length - 1;
}

const SILENT = {
  decided: () => {},
  expectedVotesChanged: () => {},
  storeTrackingBarrier: () => {},
  log: () => {},
  startWindowTimer: () => {},
  stopWindowTimer: () => {},
};

function prepare(core: VotequorumCore, now: VotesNow, nodeId: number): void {
  core.twoNode = now.twoNode;
  core.waitForAll = now.waitForAll;
  core.tieBreaker = tieBreakerOf(now);
  core.setMasterWins(now.masterWins);
  core.us.votes = now.members.find((member) => member.nodeId === nodeId)?.votes ?? 0;
  core.us.expectedVotes = now.expectedVotes;
  core.setExpectedVotesBarrier(now.expectedVotes);
  core.setWaitForAllArmed(now.waitForAllArmed);
}

const tieBreakerOf = ({ autoTieBreaker, tieBreakerNode }: VotesNow): TieBreaker => {
  if (!autoTieBreaker) return NO_TIE_BREAKER;
  return tieBreakerNode === null ? { mode: 'lowest' } : (parseTieBreaker(tieBreakerNode) ?? NO_TIE_BREAKER);
};

/** One membership change: the members announce themselves, then the decision. */
function synchronize(
  core: VotequorumCore,
  now: VotesNow,
  members: readonly number[],
  round: number,
  device: boolean,
): void {
  const { CAST, ALIVE, WINS } = DeviceFlags;
  const deviceFlags = device ? CAST | ALIVE | (now.masterWins ? WINS : 0) : 0;
  core.us.set(CAST, device);
  core.device.votes = device ? now.deviceVotes : 0;
  core.syncInit(members, { rep: members[0] ?? 0, seq: 4 * round });
  const flags = (now.quorate ? NodeFlag.QUORATE : 0) | (now.waitForAllArmed ? NodeFlag.WFA_STATUS : 0) | deviceFlags;
  for (const { nodeId, votes } of now.members) {
    if (!members.includes(nodeId)) continue;
    core.nodeInfo({ nodeId, votes, expectedVotes: now.expectedVotes, flags }, nodeId);
  }
  core.syncActivate();
}

const DeviceFlags = {
  CAST: NodeFlag.QDEVICE_CAST_VOTE,
  ALIVE: NodeFlag.QDEVICE_ALIVE,
  WINS: NodeFlag.QDEVICE_MASTER_WINS,
} as const;
