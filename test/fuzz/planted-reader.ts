/** A fault behind three letters: chance alone would need 2^24 tries for it. Guided, each letter is a block that did not run before. */
export function readPlanted(input: Uint8Array): void {
  if (input[0] !== 0x45) return;
  if (input[1] !== 0x56) return;
  if (input[2] === 0x53) throw new Error('planted');
}
