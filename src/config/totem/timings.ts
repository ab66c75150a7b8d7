import type { Icmap } from '../icmap/index.ts';
import type { TotemTimings } from '../totem-config.ts';

/** Defaults of the ring protocol (totem.md 3). */
export const TIMING_DEFAULTS = {
  token: 3000,
  token_coefficient: 650,
  token_warning: 75,
  token_retransmits_before_loss_const: 4,
  join: 50,
  send_join: 0,
  merge: 200,
  downcheck: 1000,
  fail_recv_const: 2500,
  seqno_unchanged_const: 30,
  heartbeat_failures_allowed: 0,
  max_network_delay: 50,
  window_size: 50,
  max_messages: 17,
  miss_count_const: 5,
} as const;

const TIMEOUT_MS_MIN = 30;
/** Stock's bound is a timer tick of ten milliseconds with a margin, and the hold may be smaller than other timeouts. */
const HOLD_MS_MIN = 14;
const U32 = 0x1_0000_0000;

/** The number under `totem.KEY` if it is there and not zero: for most keys zero means "use the default". */
function given(map: Icmap, key: string): number | null {
  const value = map.getU32(`totem.${key}`);
  return value === null || value === 0 ? null : value;
}

/** The number under `totem.KEY`; zero is a value of its own. */
const givenOrZero = (map: Icmap, key: string): number | null => map.getU32(`totem.${key}`);

/** `token` in force for a ring of so many nodes (config-and-tools.md 1.6). */
export function effectiveTokenMs(map: Icmap, nodeCount: number): number {
  const tokenMs = given(map, 'token') ?? TIMING_DEFAULTS.token;
  if (nodeCount <= 2) return tokenMs;
  const coefficientMs = givenOrZero(map, 'token_coefficient') ?? TIMING_DEFAULTS.token_coefficient;
  return (tokenMs + (nodeCount - 2) * coefficientMs) % U32;
}

/**
 * All timings in force. `nodeCount` is the number of nodes with an address on link 0.
 *
 *   token      = token + (n > 2 ? (n - 2) * token_coefficient : 0)
 *   retransmit = token / (token_retransmits_before_loss_const + 0.2)
 *   hold       = retransmit * 0.8 - 10
 *   consensus  = token * 1.2                                          each cut to an integer
 */
export function deriveTimings(map: Icmap, nodeCount: number): TotemTimings {
  const tokenMs = effectiveTokenMs(map, nodeCount);
  const retransmits =
    given(map, 'token_retransmits_before_loss_const') ?? TIMING_DEFAULTS.token_retransmits_before_loss_const;
  const tokenRetransmitMs = given(map, 'token_retransmit') ?? Math.trunc(tokenMs / (retransmits + 0.2));
  const holdMs = given(map, 'hold') ?? Math.trunc(tokenRetransmitMs * 0.8 - 10);
  const number = (key: Exclude<keyof typeof TIMING_DEFAULTS, 'token'>): number =>
    given(map, key) ?? TIMING_DEFAULTS[key];
  return {
    tokenMs,
    tokenWarningPercent: givenOrZero(map, 'token_warning') ?? TIMING_DEFAULTS.token_warning,
    tokenRetransmitMs,
    tokenRetransmitsBeforeLoss: retransmits,
    holdMs: holdMs < 0 ? holdMs + U32 : holdMs,
    joinMs: number('join'),
    sendJoinMs: givenOrZero(map, 'send_join') ?? TIMING_DEFAULTS.send_join,
    consensusMs: given(map, 'consensus') ?? Math.trunc((tokenMs * 12) / 10),
    mergeMs: number('merge'),
    downcheckMs: number('downcheck'),
    failRecvConst: number('fail_recv_const'),
    seqnoUnchangedConst: number('seqno_unchanged_const'),
    heartbeatFailuresAllowed: givenOrZero(map, 'heartbeat_failures_allowed') ?? 0,
    maxNetworkDelayMs: number('max_network_delay'),
    windowSize: number('window_size'),
    maxMessages: number('max_messages'),
    missCountConst: number('miss_count_const'),
    cancelTokenHoldOnRetransmit: map.getString('totem.cancel_token_hold_on_retransmit') === 'yes',
  };
}

export interface TimingProblem {
  readonly key: string;
  /** Stock's text, without its prefix. */
  readonly text: string;
  readonly hint: string;
}

/** The first timing that cannot be used, in stock's order (config-and-tools.md 1.8 step 9). */
export function checkTimings(map: Icmap, timings: TotemTimings): TimingProblem | null {
  const below = (key: string, name: string, value: number, min: number): TimingProblem | null =>
    value >= min
      ? null
      : {
          key: `totem.${key}`,
          text: `The ${name} parameter (${value} ms) may not be less than (${min} ms).`,
          hint: `Set ${key} to ${min} or more`,
        };
  return (
    below('max_network_delay', 'max_network_delay', timings.maxNetworkDelayMs, TIMEOUT_MS_MIN) ??
    below('token', 'token timeout', timings.tokenMs, TIMEOUT_MS_MIN) ??
    checkWarning(timings) ??
    checkRetransmit(map, timings) ??
    below('hold', 'token hold timeout', timings.holdMs, HOLD_MS_MIN) ??
    below('join', 'join timeout', timings.joinMs, TIMEOUT_MS_MIN) ??
    below('consensus', 'consensus timeout', timings.consensusMs, TIMEOUT_MS_MIN) ??
    checkConsensus(timings) ??
    below('merge', 'merge timeout', timings.mergeMs, TIMEOUT_MS_MIN) ??
    below('downcheck', 'downcheck timeout', timings.downcheckMs, TIMEOUT_MS_MIN)
  );
}

function checkWarning({ tokenWarningPercent }: TotemTimings): TimingProblem | null {
  if (tokenWarningPercent <= 100) return null;
  return {
    key: 'totem.token_warning',
    text: `The token warning parameter (${tokenWarningPercent}%) must be between 0 (disabled) and 100.`,
    hint: 'It is a percentage of the token timeout',
  };
}

function checkRetransmit(
  map: Icmap,
  { tokenRetransmitMs, tokenRetransmitsBeforeLoss }: TotemTimings,
): TimingProblem | null {
  if (tokenRetransmitMs >= TIMEOUT_MS_MIN) return null;
  if (given(map, 'token_retransmit') !== null) {
    return {
      key: 'totem.token_retransmit',
      text: `The token retransmit timeout parameter (${tokenRetransmitMs} ms) may not be less than (${TIMEOUT_MS_MIN} ms).`,
      hint: `Set token_retransmit to ${TIMEOUT_MS_MIN} or more`,
    };
  }
  return {
    key: map.has('totem.token_retransmits_before_loss_const')
      ? 'totem.token_retransmits_before_loss_const'
      : 'totem.token',
    text: 'Not appropriate token or token_retransmits_before_loss_const value set',
    hint: `token / (${tokenRetransmitsBeforeLoss} + 0.2) must be ${TIMEOUT_MS_MIN} ms or more`,
  };
}

function checkConsensus({ consensusMs, joinMs }: TotemTimings): TimingProblem | null {
  if (consensusMs >= joinMs) return null;
  return {
    key: 'totem.consensus',
    // Signed, as stock prints it.
    text: `The consensus timeout parameter (${consensusMs | 0} ms) may not be less than join timeout (${joinMs | 0} ms).`,
    hint: 'Raise consensus or lower join',
  };
}
