/**
 * A log message as libqb keeps it: the format of C's printf up to a NUL, then the arguments, packed: numbers as they lie in memory, a character as one byte, a
 * text with its NUL, and one byte for `%%`. (libqb's own reader leaves that byte, and shows what follows wrongly.)
 */
export function blackboxMessage(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const format = Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('utf8');
  const values = new Arguments(end < 0 ? new Uint8Array(0) : bytes.subarray(end + 1));
  return format.replace(
    CONVERSION,
    (_all, flags: string, width: string, precision: string | undefined, size: string, kind: string) => {
      const columns = width === '*' ? values.integer(4, true) : Number(width || 0);
      const digits =
        precision === '.*' ? values.integer(4, true) : precision === undefined ? null : Number(precision.slice(1) || 0);
      const text = values.convert(kind, size, flags, digits === null ? null : Number(digits));
      return padded(text, Number(columns), flags, kind);
    },
  );
}

const CONVERSION = /%([-+ #0'I]*)(\d*|\*)(\.\d*|\.\*)?(hh|h|ll|l|q|j|z|t|L)?([diouxXeEfFgGaAcspn%])/g;
/** No message is wider: a damaged width must not fill the memory. */
const COLUMNS_MAX = 512;
const DIGITS_MAX = 100;
const INT_BYTES = 4;
const LONG_BYTES = 8;
const MISSING = '…';

function padded(text: string, columns: number, flags: string, kind: string): string {
  const width = Math.min(COLUMNS_MAX, Math.abs(columns));
  if (text.length >= width) return text;
  if (flags.includes('-') || columns < 0) return text.padEnd(width);
  if (!flags.includes('0') || kind === 's' || kind === 'c') return text.padStart(width);
  const sign = /^[-+ ]|^0[xX]/.exec(text)?.[0] ?? '';
  return sign + text.slice(sign.length).padStart(width - sign.length, '0');
}

class Arguments {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  convert(kind: string, size: string | undefined, flags: string, digits: number | null): string {
    switch (kind) {
      case '%':
        this.at++;
        return '%';
      case 's':
        return this.text(digits);
      case 'c': {
        const code = this.take(1) === null ? null : this.bytes[this.at - 1]!;
        return code === null ? MISSING : String.fromCharCode(code);
      }
      case 'p': {
        const pointer = this.integer(LONG_BYTES, false);
        return pointer === null ? MISSING : pointer === 0n ? '(nil)' : `0x${pointer.toString(16)}`;
      }
      case 'n':
        return '';
      case 'd':
      case 'i':
      case 'o':
      case 'u':
      case 'x':
      case 'X':
        return this.whole(kind, size ?? '', flags, digits);
      default:
        return this.real(kind, flags, digits);
    }
  }

  /** `null`: it was cut off. */
  integer(bytes: number, signed: boolean): bigint | null {
    const from = this.take(bytes);
    if (from === null) return null;
    if (bytes === LONG_BYTES) return signed ? this.view.getBigInt64(from, true) : this.view.getBigUint64(from, true);
    return BigInt(signed ? this.view.getInt32(from, true) : this.view.getUint32(from, true));
  }

  private whole(kind: string, size: string, flags: string, digits: number | null): string {
    const signed = kind === 'd' || kind === 'i';
    const long = size === 'l' || size === 'll' || size === 'q' || size === 'j' || size === 'z' || size === 't';
    const value = this.integer(long ? LONG_BYTES : INT_BYTES, signed);
    if (value === null) return MISSING;
    const negative = value < 0n;
    const base = kind === 'o' ? 8 : kind === 'x' || kind === 'X' ? 16 : 10;
    let text = (negative ? -value : value).toString(base);
    if (kind === 'X') text = text.toUpperCase();
    if (digits !== null) text = text.padStart(Math.min(DIGITS_MAX, digits), '0');
    if (flags.includes('#') && value !== 0n && base !== 10) text = `${base === 8 ? '0' : `0${kind}`}${text}`;
    return `${signOf(negative, signed, flags)}${text}`;
  }

  private real(kind: string, flags: string, digits: number | null): string {
    const from = this.take(LONG_BYTES);
    if (from === null) return MISSING;
    const value = this.view.getFloat64(from, true);
    const places = Math.min(DIGITS_MAX, digits ?? 6);
    const lower = kind.toLowerCase();
    const size = Math.abs(value);
    const text = lower === 'f' ? size.toFixed(places) : lower === 'e' ? exponent(size, places) : shortest(size, places);
    return `${signOf(value < 0 || Object.is(value, -0), true, flags)}${text}`;
  }

  private text(digits: number | null): string {
    const rest = this.bytes.subarray(this.at);
    const end = rest.indexOf(0);
    if (end < 0) {
      this.at = this.bytes.length;
      return Buffer.from(rest).toString('utf8');
    }
    this.at += end + 1;
    const text = Buffer.from(rest.subarray(0, end)).toString('utf8');
    return digits === null ? text : text.slice(0, digits);
  }

  /** Where `count` bytes are, or `null`. */
  private take(count: number): number | null {
    if (this.at + count > this.bytes.length) {
      this.at = this.bytes.length;
      return null;
    }
    this.at += count;
    return this.at - count;
  }
}

const signOf = (negative: boolean, signed: boolean, flags: string): string =>
  negative ? '-' : !signed ? '' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';

/** C writes at least two digits of the exponent. */
const exponent = (value: number, places: number): string =>
  value.toExponential(places).replace(/e([+-])(\d)$/, 'e$10$2');

/** As %g: the shorter of the two, without zeroes at the end. */
function shortest(value: number, places: number): string {
  if (!Number.isFinite(value)) return String(value).toLowerCase().replace('infinity', 'inf');
  const precision = Math.max(1, places);
  const size = value === 0 ? 0 : Math.floor(Math.log10(value));
  if (size < -4 || size >= precision) return exponent(value, precision - 1).replace(/\.?0+e/, 'e');
  const text = value.toFixed(Math.max(0, precision - 1 - size));
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
