/** xorshift32: whole numbers of 32 bits, the same everywhere for a seed. For loops too fast for anything better. */
export function xorshift(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
