/** Votes that are needed and votes that are there (services.md 7.5). */
export interface Tally {
  readonly quorum: number;
  readonly total: number;
}

export interface TallyInput {
  /** Records in state member. */
  readonly members: readonly { readonly votes: number; readonly expectedVotes: number }[];
  /** Votes of the device if this node's device casts them, otherwise `null`. */
  readonly castDeviceVotes: number | null;
  readonly twoNode: boolean;
  readonly allowDownscale: boolean;
  readonly expectedVotesBarrier: number;
  readonly currentQuorum: number;
}

/**
 * `expectedMax` > 0 replaces the highest expected votes of the members, also downwards. (Stock keeps the quorum in eight
 * bits, so that with more than 510 votes every partition would be quorate; that is not copied.)
 */
export function calculateQuorum(input: TallyInput, allowDecrease: boolean, expectedMax: number): Tally {
  let limit = expectedMax;
  if (input.allowDownscale && allowDecrease && limit > 0) limit = Math.max(input.expectedVotesBarrier, limit);
  let highest = 0;
  let total = 0;
  let count = 0;
  for (const { votes, expectedVotes } of input.members) {
    highest = Math.max(highest, expectedVotes);
    total += votes;
    count += 1;
  }
  if (input.castDeviceVotes !== null) {
    total += input.castDeviceVotes;
    count += 1;
  }
  if (limit > 0) highest = limit;
  let quorum = Math.max(Math.floor((highest + 2) / 2), Math.floor((total + 2) / 2));
  if (!allowDecrease) quorum = Math.max(quorum, input.currentQuorum);
  if (input.twoNode && count <= 2) quorum = 1;
  return { quorum, total };
}

/** How a tie of two halves is broken; `list` holds node ids in order of preference. */
export type TieBreaker =
  | { readonly mode: 'none' }
  | { readonly mode: 'lowest' }
  | { readonly mode: 'highest' }
  | { readonly mode: 'list'; readonly nodeIds: readonly number[] };

export const NO_TIE_BREAKER: TieBreaker = { mode: 'none' };
/** Values of `runtime.votequorum.atb_type`. */
export const TIE_BREAKER_TYPE = { none: 0, lowest: 1, highest: 2, list: 3 } as const;

/** `lowest`, `highest`, or a list of ids read up to the first that is no number; `null` for anything else. */
export function parseTieBreaker(text: string): TieBreaker | null {
  if (text === 'lowest' || text === 'highest') return { mode: text };
  const nodeIds: number[] = [];
  for (const word of text.split(' ').filter((part) => part !== '')) {
    const digits = /^\d+/.exec(word)?.[0];
    if (digits === undefined || Number(digits) === 0) break;
    nodeIds.push(Number(digits) >>> 0);
    if (digits !== word) break;
  }
  return nodeIds.length === 0 ? null : { mode: 'list', nodeIds };
}

/** As `parseTieBreaker` reads it; `null`: none. */
export function tieBreakerSetting(breaker: TieBreaker): string | null {
  if (breaker.mode === 'none') return null;
  return breaker.mode === 'list' ? breaker.nodeIds.join(' ') : breaker.mode;
}

export interface TieInput {
  /** Recorded when this node was last quorate; `null` before. */
  readonly lowestNodeId: number | null;
  readonly highestNodeId: number | null;
  /** Ids of the records in state member. */
  readonly memberIds: readonly number[];
  /** Of the last sync and of the one before. */
  readonly members: readonly number[];
  readonly previousMembers: readonly number[];
}

/** Whether the tie is broken in favour of this partition. */
export function winsTie(breaker: TieBreaker, input: TieInput): boolean {
  switch (breaker.mode) {
    case 'none':
      return false;
    case 'lowest':
      return input.lowestNodeId !== null && input.memberIds.includes(input.lowestNodeId);
    case 'highest':
      return input.highestNodeId !== null && input.memberIds.includes(input.highestNodeId);
    case 'list': {
      const first = breaker.nodeIds.findIndex((id) => input.members.includes(id));
      if (first < 0) return false;
      return !breaker.nodeIds.slice(0, first).some((id) => input.previousMembers.includes(id));
    }
  }
}
