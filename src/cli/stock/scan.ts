/** Numbers as C's `sscanf` reads them: blanks before and anything behind are passed over, what is too large is the largest. */

const I64_MIN = -(1n << 63n);
const I64_MAX = (1n << 63n) - 1n;
const U64_MAX = (1n << 64n) - 1n;

/** `%ld`; `null`: there is no number. */
export function scanI64(text: string): bigint | null {
  const digits = integer(text);
  if (digits === null) return null;
  const value = BigInt(digits);
  return value < I64_MIN ? I64_MIN : value > I64_MAX ? I64_MAX : value;
}

/** `%lu`: a minus is taken, and the number wraps. */
export function scanU64(text: string): bigint | null {
  const digits = integer(text);
  if (digits === null) return null;
  const value = BigInt(digits);
  if (value > U64_MAX || value < -U64_MAX) return U64_MAX;
  return BigInt.asUintN(64, value);
}

function integer(text: string): string | null {
  const [, sign = '', digits] = /^\s*([+-]?)([0-9]+)/.exec(text) ?? [];
  return digits === undefined ? null : `${sign === '-' ? '-' : ''}${digits}`;
}

/** `%lf`: decimal and hexadecimal numbers, `inf`, `nan`. */
export function scanDouble(text: string): number | null {
  const [, sign = '', body] =
    /^\s*([+-]?)(0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan)/i.exec(
      text,
    ) ?? [];
  if (body === undefined) return null;
  const size = magnitude(body.toLowerCase());
  return sign === '-' ? -size : size;
}

function magnitude(body: string): number {
  if (body === 'nan') return Number.NaN;
  if (body.startsWith('inf')) return Number.POSITIVE_INFINITY;
  if (!body.startsWith('0x')) return Number(body);
  const [mantissa = '', exponent = '0'] = body.slice(2).split('p');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = `${whole}${fraction}`;
  return Number(BigInt(`0x${digits}`)) * 2 ** (Number(exponent) - 4 * fraction.length);
}
