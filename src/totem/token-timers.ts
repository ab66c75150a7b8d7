import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { LOOSE_SHARE, Timer } from './timer-table.ts';
import { FrameType, HEADER } from './wire/header.ts';

export const STATISTICS_PERIOD_MS = 1500;

/** Restarts the token loss, warning and retransmit timers (totem.md 3). */
export function armTokenTimers(s: RingState): void {
  armTokenLoss(s);
  armResend(s);
}

/** When the stored token is sent again, unless the next one comes before (token-pace.ts). */
export function armResend(s: RingState): void {
  s.timers.start(Timer.TOKEN_RETRANSMIT, s.pace.resendMs(s.timings.tokenRetransmitMs));
}

export function armTokenLoss(s: RingState): void {
  s.timers.start(Timer.TOKEN, s.timings.tokenMs);
  armWarning(s);
}

export function armWarning(s: RingState): void {
  const { tokenWarningPercent, tokenMs } = s.timings;
  if (tokenWarningPercent > 0) s.timers.start(Timer.TOKEN_WARNING, (tokenMs * tokenWarningPercent) / 100);
}

/**
 * Notes that the process runs, and when to note it again (totem.md 4.15). Stock restarts the timer on entering OPERATIONAL
 * without noting the time, so that frequent changes of the membership look like a pause and cost it its input.
 */
export function notePresence(s: RingState): void {
  s.pauseRecordMs = s.nowMs;
  const periodMs = s.timings.tokenMs / 5;
  s.timers.startLoose(Timer.PAUSE, periodMs, periodMs * LOOSE_SHARE);
}

export function startPeriodicTimers(s: RingState): void {
  notePresence(s);
  s.timers.start(Timer.STATISTICS, STATISTICS_PERIOD_MS);
}

/** Sends the stored last token again, ORF or commit; or for the first time, if it was held here. */
export function resendToken(s: RingState): void {
  if (s.lastTokenBytes === 0) return;
  const commit = s.memory.view.getUint8(s.lastTokenOffset + HEADER.type) === FrameType.COMMIT_TOKEN;
  s.statistics.add(commit ? Stat.memb_commit_token_tx : Stat.orf_token_tx);
  s.network.sendToken(s.tokenTarget, s.lastTokenOffset, s.lastTokenBytes, s.pace.nextRepeat);
  s.pace.resent(s.nowMs);
}
