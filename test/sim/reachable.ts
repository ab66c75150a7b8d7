/** Timers that the core runs in some states only; `checkInvariants` says so after every event. */
const TIMER_STATES: Readonly<Record<string, readonly string[]>> = {
  'join timer': ['gather'],
  'send join timer': ['gather'],
  'consensus timer': ['gather'],
  'suspicion timer': ['operational'],
  'watch timer': ['operational'],
  'token wait timer': ['operational'],
  'merge timer': ['operational', 'recovery'],
  'heartbeat timer': ['operational', 'recovery'],
};

/**
 * What only a lost or late datagram, or a node that does not run, brings about: there is none before the first fault. A slow disk keeps others waiting
 * in GATHER and COMMIT, then as well, and the first token of a ring is sent again meanwhile.
 */
const TAKES_LOSS: Readonly<Record<string, readonly string[]>> = {
  'token timer': ['operational', 'recovery'],
  'token warning timer': ['operational', 'recovery'],
  'heartbeat timer': ['operational', 'recovery'],
  'merge timer': ['recovery'],
};

/** Faults themselves. None comes after the healing; but nodes whose transitional queue waits for a change are made to gather then. */
const NOT_AFTER_HEALING = ['interface', 'leave'];

/**
 * Why a core in this state cannot be given this event when this was the last fault; null: it can. A claim that the simulator disproves is a
 * violation (`Coverage.impossible`), and a cell without a claim that nobody has visited is a hole in the campaign (`Coverage.missing`).
 */
export function whyUnreachable(state: string, event: string, fault: string): string | null {
  const states = TIMER_STATES[event];
  if (states !== undefined && !states.includes(state)) return `that timer runs in ${states.join(' and ')} only`;
  if (fault === 'none') {
    if (TAKES_LOSS[event]?.includes(state)) return 'before the first fault nothing is lost or late';
    if (event === 'member died') return 'before the first fault nobody has died';
  }
  if (fault === 'all heal' && NOT_AFTER_HEALING.includes(event)) return 'that is a fault, and there are none any more';
  return null;
}
