import { GatherReason } from '../../lib/gather-reason.ts';
import {
  type FlightRecord,
  type FlightRecordOf,
  LINK_CAUSES,
  LOSS_TIMERS,
  NEVER_HEARD_MS,
  PAUSE_NOTICED_BY,
} from '../flight/index.ts';
import type {
  ChangeCause,
  ChangePhases,
  LastHeard,
  LinkNews,
  MembershipChange,
  OwnPause,
  QuorumNews,
} from './change.ts';
import { type Draft, ofKind, quorumRule } from './draft.ts';

/** What came so shortly before GATHER belongs to it. */
const TRIGGER_MS = 200;
/** Links that changed so long before the last token are told of. */
const LINK_NEWS_MS = 2000;

/** Messages of a ring that is not this node's. */
const FOREIGN: readonly number[] = [
  GatherReason.FOREIGN_OPERATIONAL,
  GatherReason.FOREIGN_GATHER,
  GatherReason.MERGE_OPERATIONAL,
  GatherReason.MERGE_GATHER,
];
const JOINS: readonly number[] = [
  GatherReason.MERGE_JOIN,
  GatherReason.JOIN_OPERATIONAL,
  GatherReason.JOIN_COMMIT,
  GatherReason.JOIN_RECOVERY,
];

export function describeChange(draft: Draft): MembershipChange {
  const { begin, records } = draft;
  const formedAt = records.findIndex(({ kind }) => kind === 'operational');
  const until = formedAt < 0 ? records : records.slice(0, formedAt + 1);
  const [formed] = ofKind(records.slice(formedAt < 0 ? records.length : formedAt), 'operational');
  const gather = begin.kind === 'gather' ? begin : null;
  const phases = phasesOf(draft, until, formed);
  const tokenAtMs = begin.monotonicMs - phases.silenceMs;
  const joined = formed?.joined ?? [];
  const left = formed?.left ?? [];
  return {
    life: begin.life,
    wallMs: begin.wallMs,
    monotonicMs: begin.monotonicMs,
    from: gather?.ring ?? draft.earlier.findLast(({ part }) => part === 'ring')?.ring ?? begin.ring,
    to: formed?.ring ?? null,
    before: gather?.members ?? [],
    members: formed?.members ?? [],
    joined: without(joined, left),
    left: without(left, joined),
    lost: without(formed?.lost ?? [], joined),
    wentOnWithout: left.filter((node) => joined.includes(node)),
    cause: causeOf(draft, gather),
    takenForDead: [...new Set(ofKind(until, 'consensusTimeout').flatMap(({ missing }) => missing))],
    consensusMs: ofKind(until, 'consensusTimeout')[0]?.timeoutMs ?? 0,
    heard: heardOf(draft, until),
    pauses: pausesOf(
      [...draft.earlier, ...until],
      tokenAtMs,
      draft.timings?.tokenMs ?? 0,
      until.at(-1)?.monotonicMs ?? 0,
    ),
    links: linkNews([...draft.earlier, ...records], begin.monotonicMs, phases),
    linksDown: draft.links
      .filter(({ up, monotonicMs }) => up === 0 && monotonicMs < tokenAtMs - LINK_NEWS_MS)
      .map((record) => linkOf(record, begin.monotonicMs)),
    phases,
    quorum: quorumOf(draft, formed),
  };
}

const without = (nodes: readonly number[], others: readonly number[]): readonly number[] =>
  nodes.filter((node) => !others.includes(node));

function causeOf({ begin, earlier, first }: Draft, gather: FlightRecordOf<'gather'> | null): ChangeCause {
  const near = earlier.filter(({ monotonicMs }) => begin.monotonicMs - monotonicMs <= TRIGGER_MS);
  const [leave] = ofKind(near, 'leave').slice(-1);
  const [loss] = ofKind(near, 'tokenLost').slice(-1);
  const node = gather?.node ?? 0;
  const reason = gather?.reason ?? -1;
  if (reason === GatherReason.INTERFACE_CHANGE) return { kind: first ? 'start' : 'interface' };
  if (reason === GatherReason.MEMBER_DIED) return { kind: 'died', node };
  if (reason === GatherReason.MEMBERS_SILENT)
    return { kind: 'silent', nodes: ofKind(near, 'membersSilent').at(-1)?.nodes ?? [] };
  if (reason === GatherReason.FAILED_TO_RECEIVE) return { kind: 'failedToReceive' };
  if (leave !== undefined) return { kind: 'leave', node: leave.node };
  if (FOREIGN.includes(reason)) return { kind: 'otherRing', node };
  if (JOINS.includes(reason)) return { kind: gather?.members.includes(node) === true ? 'gaveUp' : 'join', node };
  if (loss === undefined) return { kind: 'other', reason };
  const { silentMs, timeoutMs, timer } = loss;
  return { kind: 'tokenLost', timer: LOSS_TIMERS[timer] ?? '?', silentMs, timeoutMs };
}

function phasesOf(
  { begin, records }: Draft,
  until: readonly FlightRecord[],
  formed: FlightRecordOf<'operational'> | undefined,
): ChangePhases {
  const startMs = begin.monotonicMs;
  const lost = begin.kind === 'gather' ? begin.silentMs : 0;
  const commit = ofKind(until, 'commit').at(-1);
  const recovery = ofKind(until, 'recovery').at(-1);
  const after = formed === undefined ? [] : records.slice(records.indexOf(formed));
  const [done] = ofKind(after, 'syncDone');
  const synced = after.slice(0, done === undefined ? after.length : after.indexOf(done));
  const services = ofKind(synced, 'synced').map(({ service, processMs, barrierMs }) => ({
    service,
    processMs,
    barrierMs,
  }));
  const between = (from: FlightRecord | undefined, to: FlightRecord | undefined): number =>
    from === undefined || to === undefined ? 0 : Math.max(0, to.monotonicMs - from.monotonicMs);
  return {
    silenceMs: lost,
    gatherMs: between(begin, commit ?? until.at(-1)),
    commitMs: between(commit, recovery ?? formed),
    recoveryMs: between(recovery, formed),
    syncMs: done?.totalMs ?? null,
    services,
    totalMs: done === undefined ? null : done.monotonicMs - startMs + lost,
    rounds: ofKind(until, 'gather').length,
    syncsAborted: ofKind(records, 'syncAborted').length,
  };
}

/** The last word on it before the ring formed, or what led to the begin. */
function heardOf({ begin, earlier }: Draft, until: readonly FlightRecord[]): readonly LastHeard[] {
  const near = earlier.filter(({ monotonicMs }) => begin.monotonicMs - monotonicMs <= TRIGGER_MS);
  const record = ofKind([...near, ...until], 'heard').at(-1);
  if (record === undefined) return [];
  return record.nodes.map((node, i) => ({
    node,
    link: record.links[i] ?? 0,
    silentMs: record.silentMs[i] === NEVER_HEARD_MS ? null : (record.silentMs[i] ?? null),
    up: record.up[i] === 1,
  }));
}

/**
 * Pauses that overlap with the time from the last token until a ring formed; what several noticed is one. Who wakes up may find a token that
 * waited in its socket, and lose the ring a timeout later.
 */
function pausesOf(
  records: readonly FlightRecord[],
  tokenAtMs: number,
  tokenMs: number,
  toMs: number,
): readonly OwnPause[] {
  const fromMs = tokenAtMs - tokenMs;
  const pauses: { ms: number; noticedBy: string[]; endMs: number }[] = [];
  for (const { ms, noticedBy, monotonicMs } of ofKind(records, 'pause')) {
    if (monotonicMs < fromMs || monotonicMs - ms > toMs) continue;
    const who = PAUSE_NOTICED_BY[noticedBy] ?? '?';
    const same = pauses.find(({ endMs }) => monotonicMs - ms < endMs);
    if (same === undefined) pauses.push({ ms, noticedBy: [who], endMs: monotonicMs });
    else {
      same.ms = Math.max(same.ms, ms);
      if (!same.noticedBy.includes(who)) same.noticedBy.push(who);
    }
  }
  return pauses.map(({ ms, noticedBy, endMs }) => ({ ms, noticedBy, endedMs: endMs - tokenAtMs }));
}

const linkOf = (record: FlightRecordOf<'link'>, beginMs: number): LinkNews => ({
  node: record.node,
  link: record.link,
  up: record.up === 1,
  cause: LINK_CAUSES[record.cause] ?? '',
  atMs: record.monotonicMs - beginMs,
});

function linkNews(records: readonly FlightRecord[], beginMs: number, phases: ChangePhases): readonly LinkNews[] {
  const fromMs = beginMs - phases.silenceMs - LINK_NEWS_MS;
  const toMs = beginMs + phases.gatherMs + phases.commitMs + phases.recoveryMs + LINK_NEWS_MS;
  const news = ofKind(records, 'link').filter(({ monotonicMs }) => monotonicMs >= fromMs && monotonicMs <= toMs);
  return [...new Set(news)].map((record) => linkOf(record, beginMs));
}

function quorumOf(
  { records, quorumBefore }: Draft,
  formed: FlightRecordOf<'operational'> | undefined,
): QuorumNews | null {
  const decision = ofKind(records, 'quorum').find(({ ring }) => formed !== undefined && ring.seq === formed.ring.seq);
  if (decision === undefined) return null;
  const { quorate, votes, needed, expected } = decision;
  const before = quorumBefore === null ? null : quorumBefore.quorate === 1;
  return { before, quorate: quorate === 1, rule: quorumRule(decision), votes, needed, expected };
}
