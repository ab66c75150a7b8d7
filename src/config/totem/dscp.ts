/** Symbolic DSCP values: class selectors, assured forwarding, expedited forwarding (RFC 2474, 2597, 3246). */
const SYMBOLS: ReadonlyMap<string, number> = new Map([
  ...Array.from({ length: 8 }, (_, index) => [`cs${index}`, index << 3] as const),
  ...[1, 2, 3, 4].flatMap((kind) => [1, 2, 3].map((drop) => [`af${kind}${drop}`, (kind << 3) | (drop << 1)] as const)),
  ['ef', 46] as const,
]);

/** 0..63 from a decimal, hexadecimal, octal or symbolic text, or `null`. */
export function parseDscp(text: string): number | null {
  const symbol = SYMBOLS.get(text);
  if (symbol !== undefined) return symbol;
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text)) return null;
  const radix = /^0x/i.test(text) ? 16 : text.startsWith('0') ? 8 : 10;
  const value = Number.parseInt(text.replace(/^0x/i, ''), radix);
  return value >= 0 && value <= 63 ? value : null;
}
