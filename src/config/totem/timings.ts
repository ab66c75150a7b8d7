import type { Icmap } from '../icmap/index.ts';
import type { OptionSpec } from '../options/option.ts';
import { TIMING } from '../options/timing.ts';
import type { TotemTimings } from '../totem-config.ts';
import { readSettings } from './settings.ts';

/** All timings in force. `tokenNodes` is the number of nodes with an address on link 0. */
export function readTimings(map: Icmap, tokenNodes: number): TotemTimings {
  const { tokenCoefficientMs: _, ...timings } = readSettings(TIMING, map, 'totem.', { tokenNodes });
  return timings;
}

export interface TimingProblem {
  readonly key: string;
  /** Stock's text, without its prefix. */
  readonly text: string;
  readonly hint: string;
}

/** Stock looks at this one first, at the others in the order of the table (config-and-tools.md 1.8 step 9). */
const CHECKED_FIRST = 'max_network_delay';
const CHECKED = [...TIMING].sort((a, b) => Number(b.key === CHECKED_FIRST) - Number(a.key === CHECKED_FIRST));

/** The first timing that cannot be used. */
export function checkTimings(map: Icmap, timings: TotemTimings): TimingProblem | null {
  const values: Readonly<Record<string, number | boolean>> = timings;
  for (const row of CHECKED) {
    const value = values[row.field];
    if (typeof value !== 'number') continue;
    const problem = belowMinimum(row, value) ?? checkOthers(row, timings);
    if (problem === null) continue;
    return row.key === 'token_retransmit' && !isGiven(map, row.key) ? derivedRetransmit(map, timings, row) : problem;
  }
  return null;
}

const isGiven = (map: Icmap, key: string): boolean => (map.getU32(`totem.${key}`) ?? 0) !== 0;

function belowMinimum({ key, title, min }: OptionSpec, value: number): TimingProblem | null {
  if (title === undefined || min === undefined || value >= min) return null;
  return {
    key: `totem.${key}`,
    text: `The ${title} parameter (${value} ms) may not be less than (${min} ms).`,
    hint: `Set ${key} to ${min} or more`,
  };
}

function checkOthers({ key, min, max }: OptionSpec, timings: TotemTimings): TimingProblem | null {
  if (key === 'token_warning' && timings.tokenWarningPercent > max!) {
    return {
      key: 'totem.token_warning',
      text: `The token warning parameter (${timings.tokenWarningPercent}%) must be between ${min} (disabled) and ${max}.`,
      hint: 'It is a percentage of the token timeout',
    };
  }
  if (key === 'accelerated_window' && Number.isNaN(timings.acceleratedWindow)) {
    return {
      key: 'totem.accelerated_window',
      text: 'The accelerated_window parameter is neither auto nor a number of messages.',
      hint: 'Write auto, 0 or a number',
    };
  }
  if (key === 'consensus' && timings.consensusMs < timings.joinMs) {
    const { consensusMs, joinMs } = timings;
    return {
      key: 'totem.consensus',
      // Signed, as stock prints it.
      text: `The consensus timeout parameter (${consensusMs | 0} ms) may not be less than join timeout (${joinMs | 0} ms).`,
      hint: 'Raise consensus or lower join',
    };
  }
  return null;
}

/** Nobody gave the value that is too low: it was made from others. */
function derivedRetransmit(map: Icmap, { tokenRetransmitsBeforeLoss }: TotemTimings, row: OptionSpec): TimingProblem {
  const count = 'totem.token_retransmits_before_loss_const';
  return {
    key: map.has(count) ? count : 'totem.token',
    text: 'Not appropriate token or token_retransmits_before_loss_const value set',
    hint: `token / (${tokenRetransmitsBeforeLoss} + 0.2) must be ${row.min} ms or more`,
  };
}
