/** `1 vote`, `2 votes`. */
export const counted = (count: number, one: string, more = `${one}s`): string => `${count} ${count === 1 ? one : more}`;

/** The form of a word that goes with a count: `agreeing(1, 'is', 'are')`. */
export const agreeing = (count: number, one: string, more: string): string => (count === 1 ? one : more);

/** `1 vote is there, 2 are needed`. */
export const votesThere = (total: number, needed: number): string =>
  `${counted(total, 'vote')} ${agreeing(total, 'is', 'are')} there, ${needed} ${agreeing(needed, 'is', 'are')} needed`;
