import type { RingState } from './state.ts';
import { Timer } from './timer-table.ts';

export const STATISTICS_PERIOD_MS = 1500;

/** Restarts the token loss, warning and retransmit timers (totem.md 3). */
export function armTokenTimers(s: RingState): void {
  armTokenLoss(s);
  s.timers.start(Timer.TOKEN_RETRANSMIT, s.timings.tokenRetransmitMs);
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
  s.timers.start(Timer.PAUSE, s.timings.tokenMs / 5);
}

export function startPeriodicTimers(s: RingState): void {
  notePresence(s);
  s.timers.start(Timer.STATISTICS, STATISTICS_PERIOD_MS);
}
