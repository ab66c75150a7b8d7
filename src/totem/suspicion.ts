import { GatherReason } from '../lib/gather-reason.ts';
import { Capability } from './capabilities.ts';
import { TotemDrop, type TotemDropReason } from './drop-reason.ts';
import { addFailed } from './joins.ts';
import { TOTEM_LIMITS } from './limits.ts';
import { subtract } from './node-set.ts';
import type { RingState } from './state.ts';
import { LOOSE_SHARE, Timer } from './timer-table.ts';
import { enterGather } from './transitions.ts';
import { checkSilence, encodeSilence, readSilence } from './wire/silence.ts';

/*
 * A host that dies, or whose network does, replies to nobody any more, and nothing proves it. In a ring whose members all know this
 * file, members report to each other who is silent to them, and go on without a member that has been silent for `silenceMs`, if
 *
 *   - it is silent to every member that is not silent itself, for at least half of that time, by reports of the last half second;
 *   - no token has come for half of that time.
 *
 * So one node with a broken line removes nobody, a pause below `silenceMs` is no death, and time in which the own process was held up does not count
 * (the transport sees to that). Whom a report names is sent PINGs at once, so that all know at nearly the same time. Each side of a partition goes
 * on, as after the timeouts that this saves. Also when the token was sent again in vain, all members are sent PINGs.
 */

const REPORT_PERIOD_MS = 100;
/** So often when only nodes are silent that are no members, and nothing has changed for a while: most of them are not running. */
const IDLE_PERIOD_MS = 2_000;
const CHANGE_REPORTED_MS = 1_000;
/**
 * In a larger ring, of which everybody hears everybody, reports are so much apart for each member, those of changes, too; two are valid at any time all the
 * same. Where a network or a machine is slow many nodes fall silent, and are heard again, at once.
 */
const SPACED_FROM = 16;
const SPACING_MEMBER_MS = 6;
const SPACING_MS_MAX = 250;

/** So often some member is sent a PING; more often where the token timeout is short. */
const WATCH_PERIOD_MS = 200;
const WATCH_SHARE = 1 / 16;

/**
 * On an idle ring a dead member is sent nothing for up to a second, and death shows in what it is sent. So every member is watched by the one before it, whose
 * report all follow: one PING in this time, however large the ring is. Beside stock members, who watch nobody, by each of ours in turn.
 */
export function watchMember(s: RingState): void {
  if (s.state !== 'operational') return;
  const { memb } = s.membership;
  const periodMs = Math.min(WATCH_PERIOD_MS, s.timings.tokenMs * WATCH_SHARE);
  s.timers.startLoose(Timer.WATCH, periodMs, periodMs * LOOSE_SHARE);
  s.suspicion.watched = reports(s) ? memb.indexOf(s.me) + 1 : s.suspicion.watched + 1;
  const node = memb[s.suspicion.watched % memb.length]!;
  if (node !== s.me) s.network.heartbeats?.probe(node);
}

/** The token does not come back: who is it that does not reply? */
export function askMembers(s: RingState): void {
  if (!reports(s)) return;
  for (const node of s.membership.memb) if (node !== s.me) s.network.heartbeats?.probe(node);
}

/** The transport: no reply of `nodeId` on any link for so long; -1: it replies again. */
export function memberSilent(s: RingState, nodeId: number, silentMs: number): void {
  if (silentMs >= 0) s.suspicion.set(nodeId, s.nowMs - silentMs);
  else if (!s.suspicion.clear(nodeId)) return;
  s.suspicion.changedMs = s.nowMs;
  const nextMs = s.suspicion.reportedAtMs + spacedMs(s, 0);
  if (s.nowMs >= nextMs) reportSilence(s);
  else if (reports(s)) s.timers.start(Timer.SUSPICION, nextMs - s.nowMs);
}

/**
 * A node outside of the ring that a member does not hear cannot become one of a ring with both: whoever gathers for it gets no agreement, and is
 * without a ring until the consensus timeout, again and again while the network stays as it is. So it is met when all hear it, which is known at
 * once: until then the ring, of nodes that all hear each other, goes on. Without reports (udp, stock members) everybody is met, as in stock.
 */
export const isUnheard = (s: RingState, node: number): boolean =>
  reports(s) && !s.membership.memb.includes(node) && s.suspicion.isUnheard(node, s.membership.memb);

const reports = (s: RingState): boolean => s.state === 'operational' && (s.capabilities & Capability.SUSPICION) !== 0;

/** Every `REPORT_PERIOD_MS` while a member is silent and for some time after a change; also when a ring forms, by its timer. */
export function reportSilence(s: RingState): void {
  if (!reports(s)) return;
  const urgent =
    s.nowMs - s.suspicion.changedMs < CHANGE_REPORTED_MS ||
    s.membership.memb.some((node) => s.suspicion.isSilent(node));
  if (!urgent && !s.suspicion.someone) return;
  s.timers.start(Timer.SUSPICION, urgent ? Math.min(spacedMs(s, REPORT_PERIOD_MS), untilLimit(s)) : IDLE_PERIOD_MS);
  sendReport(s);
  judge(s);
}

function spacedMs(s: RingState, leastMs: number): number {
  const members = s.membership.memb.length;
  return members <= SPACED_FROM ? leastMs : Math.max(leastMs, Math.min(SPACING_MS_MAX, SPACING_MEMBER_MS * members));
}

/** Until the first silence that has not reached the limit yet does. */
function untilLimit(s: RingState): number {
  let untilMs = Number.POSITIVE_INFINITY;
  for (const node of s.membership.memb) {
    const leftMs = s.timings.silenceMs - s.suspicion.silentMs(node, s.nowMs);
    if (s.suspicion.isSilent(node) && leftMs > 0) untilMs = Math.min(untilMs, Math.max(1, leftMs));
  }
  return untilMs;
}

function sendReport(s: RingState): void {
  s.suspicion.reportedAtMs = s.nowMs;
  const { memb } = s.membership;
  const silentMs = new Map<number, number>();
  for (const node of s.suspicion.nodes) {
    if (silentMs.size < TOTEM_LIMITS.processorsMax) silentMs.set(node, Math.trunc(s.suspicion.silentMs(node, s.nowMs)));
  }
  const at = s.nextControlBuffer();
  const length = encodeSilence(s.memory.view, at, { from: s.me, ringRep: s.ring.rep, ringSeq: s.ring.seq, silentMs });
  for (const node of memb) if (node !== s.me && !silentMs.has(node)) s.network.sendToken(node, at, length, 0);
}

/** SILENCE (totem.md 12). The header was checked. */
export function receiveSilence(s: RingState, at: number, length: number, littleEndian: boolean): TotemDropReason {
  const bad = checkSilence(s.memory.view, at, length, littleEndian);
  if (bad !== TotemDrop.NONE) return bad;
  const silence = readSilence(s.memory.view, at);
  if (!reports(s)) return TotemDrop.WRONG_STATE;
  const { memb } = s.membership;
  if (!s.isRing(silence.ringRep, silence.ringSeq) || !memb.includes(silence.from)) return TotemDrop.FOREIGN_RING;
  s.suspicion.heard(silence.from, silence.silentMs, s.nowMs);
  for (const node of silence.silentMs.keys())
    if (node !== s.me && memb.includes(node) && !s.suspicion.isSilent(node)) s.network.heartbeats?.probe(node);
  judge(s);
  return TotemDrop.NONE;
}

function judge(s: RingState): void {
  const { suspicion, nowMs } = s;
  const { silenceMs, tokenMs } = s.timings;
  const half = silenceMs / 2;
  if (silenceMs === 0 || silenceMs >= tokenMs || nowMs - s.tokenArrivedMs < half) return;
  const { memb } = s.membership;
  const silent = memb.filter((node) => node !== s.me && suspicion.silentMs(node, nowMs) >= half);
  if (!silent.some((node) => suspicion.silentMs(node, nowMs) >= silenceMs)) return;
  const witnesses = subtract(memb, [...silent, s.me]);
  if (!witnesses.every((by) => silent.every((node) => suspicion.reportedMs(by, node, nowMs) >= half))) return;
  addFailed(s, silent);
  s.observer.report({ kind: 'membersSilent', nodeIds: silent });
  enterGather(s, GatherReason.MEMBERS_SILENT);
}
