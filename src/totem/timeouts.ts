import { GatherReason } from '../lib/gather-reason.ts';
import { FrameClass, type LossTimer, type SrpState } from './interface.ts';
import { addFailed, sendJoin, sendJoinNow } from './joins.ts';
import { TOTEM_LIMITS } from './limits.ts';
import { isAgreed } from './membership.ts';
import { subtract } from './node-set.ts';
import { endWait } from './orf.ts';
import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { askMembers, reportSilence, watchMember } from './suspicion.ts';
import { LOOSE_SHARE, Timer, type TimerValue } from './timer-table.ts';
import {
  armResend,
  armTokenLoss,
  armWarning,
  notePresence,
  resendToken,
  STATISTICS_PERIOD_MS,
} from './token-timers.ts';
import { enterGather, silence } from './transitions.ts';
import { encodeMergeDetect } from './wire/merge-detect.ts';

/** Timers are late by some milliseconds on any busy machine. */
const HELD_UP_MS_MIN = 50;

/**
 * The process did not run for a while, as the timers show that should have gone off. That says nothing about the others: the time does not
 * count towards the consensus timeout, which puts those on the failed list who have not voted. Twice that timeout is the most, lest a node that hardly
 * ever runs gathers for ever. The token timeout goes on: who lost its ring meanwhile has to know that at once, and accuses nobody by it.
 */
export function forgiveOwnPause(s: RingState): void {
  const lateMs = s.nowMs - s.timers.next();
  if (lateMs < HELD_UP_MS_MIN || !s.timers.running(Timer.CONSENSUS)) return;
  const mostMs = s.consensusUntilMs - s.timers.deadline(Timer.CONSENSUS);
  s.timers.postpone(Timer.CONSENSUS, Math.max(0, Math.min(lateMs, mostMs)));
}

/** A timer went off; it is stopped already. */
export function timerExpired(s: RingState, timer: TimerValue): void {
  switch (timer) {
    case Timer.TOKEN:
      tokenLost(s, 'token');
      return;
    case Timer.HEARTBEAT:
      tokenLost(s, 'heartbeat');
      return;
    case Timer.TOKEN_WARNING:
      s.observer.report({ kind: 'tokenWarning', silentMs: silence(s) });
      armWarning(s);
      return;
    case Timer.TOKEN_RETRANSMIT:
      retransmitToken(s);
      return;
    case Timer.TOKEN_WAIT:
      endWait(s);
      return;
    case Timer.HOLD:
      if (s.state === 'operational' || s.state === 'recovery') releaseHeld(s);
      return;
    case Timer.JOIN:
      if (s.state !== 'gather') return;
      s.membership.joinRepeat++;
      sendJoin(s);
      s.timers.start(Timer.JOIN, s.timings.joinMs);
      return;
    case Timer.CONSENSUS:
      if (s.state === 'gather') consensusExpired(s);
      return;
    case Timer.MERGE:
      if (s.state === 'operational' && s.isRep) sendMergeDetect(s);
      return;
    case Timer.PAUSE:
      notePresence(s);
      return;
    case Timer.SEND_JOIN:
      if (s.state === 'gather') sendJoinNow(s);
      return;
    case Timer.SUSPICION:
      reportSilence(s);
      return;
    case Timer.WATCH:
      watchMember(s);
      return;
    case Timer.STATISTICS:
      summarize(s);
      return;
  }
}

const TOKEN_LOST = {
  operational: Stat.operational_token_lost,
  gather: Stat.gather_token_lost,
  commit: Stat.commit_token_lost,
  recovery: Stat.recovery_token_lost,
} as const satisfies Record<SrpState, number>;

/** Token loss, heartbeat, or a forced gather (totem.md 4.4). */
export function tokenLost(s: RingState, timer: LossTimer): void {
  const { tokenMs: timeoutMs } = s.timings;
  s.observer.report({ kind: 'tokenLost', state: s.state, timer, silentMs: silence(s), timeoutMs });
  s.statistics.add(TOKEN_LOST[s.state]);
  switch (s.state) {
    case 'operational':
      s.network.watchedInterface?.check();
      enterGather(s, GatherReason.TOKEN_LOST_OPERATIONAL);
      return;
    case 'gather':
      consensusExpired(s);
      enterGather(s, GatherReason.CONSENSUS_EXPIRED);
      return;
    case 'commit':
      enterGather(s, GatherReason.TOKEN_LOST_COMMIT);
      return;
    case 'recovery':
      enterGather(s, GatherReason.TOKEN_LOST_RECOVERY);
      return;
  }
}

function consensusExpired(s: RingState): void {
  s.statistics.add(Stat.consensus_timeouts);
  if (isAgreed(s)) {
    s.membership.consensus = [s.me];
    armTokenLoss(s);
    return;
  }
  const missing = subtract(s.membership.proc, s.membership.consensus);
  addFailed(s, missing);
  s.observer.report({ kind: 'consensusTimeout', missing, timeoutMs: s.timings.consensusMs });
  enterGather(s, GatherReason.CONSENSUS_TIMEOUT);
}

/** The idle ring's token was held for long enough: it goes round once. */
function releaseHeld(s: RingState): void {
  resendToken(s);
  s.pace.passed(s.nowMs, s.lastSeq, false);
  armResend(s);
}

/** The action of the token-retransmit timer (totem.md 4.4); the representative also takes it when a hold is cancelled. */
export function retransmitToken(s: RingState): void {
  if (s.state === 'gather') return;
  resendToken(s);
  if (s.pace.isLate) askMembers(s);
  armResend(s);
}

function sendMergeDetect(s: RingState): void {
  const at = s.nextControlBuffer();
  s.mergeDetect.systemFrom = s.me;
  s.mergeDetect.ringRep = s.ring.rep;
  s.mergeDetect.ringSeq = s.ring.seq;
  const length = encodeMergeDetect(s.memory.view, at, s.mergeDetect);
  s.statistics.add(Stat.memb_merge_detect_tx);
  s.network.multicast(at, length, FrameClass.FLUSH, 0);
}

/** The figures of totem.md 10 that are computed from time to time. */
function summarize(s: RingState): void {
  s.samples.summarize(s.statistics);
  const suspicious =
    s.statistics.get(Stat.continuous_gather) > TOTEM_LIMITS.continuousGatherMax ||
    s.statistics.get(Stat.continuous_sendmsg_failures) > TOTEM_LIMITS.continuousSendFailuresMax;
  s.statistics.set(Stat.firewall_enabled_or_nic_failure, suspicious ? 1 : 0);
  if (suspicious) s.observer.report({ kind: 'firewallSuspected' });
  s.timers.startLoose(Timer.STATISTICS, STATISTICS_PERIOD_MS, STATISTICS_PERIOD_MS * LOOSE_SHARE);
}
