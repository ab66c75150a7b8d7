/** Reasons for GATHER that have no words of their own above, by number (totem.md 4.4). */
export const GATHER_TEXTS: Readonly<Record<number, string>> = {
  0: 'the consensus timeout expired',
  2: 'the token was lost',
  3: 'the consensus timeout expired without token',
  4: 'the token was lost while a ring was being committed',
  5: 'the token was lost while a ring was being recovered',
};
