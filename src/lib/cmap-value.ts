/**
 * Values of the configuration map (services.md 5.1): a type and the value's bytes as they stand in memory of a
 * little-endian C program. Strings carry their terminating NUL. The numbers of the types are on the wire.
 */
export const CmapType = {
  I8: 1,
  U8: 2,
  I16: 3,
  U16: 4,
  I32: 5,
  U32: 6,
  I64: 7,
  U64: 8,
  FLOAT: 9,
  DOUBLE: 10,
  STRING: 11,
  BINARY: 12,
} as const;
export type CmapTypeCode = (typeof CmapType)[keyof typeof CmapType];

/** Longest value of the map, whatever its type. */
export const CMAP_VALUE_BYTES_MAX = 16_384;

/**
 * One value. `bytes` is never changed after the value was made. `type` is a plain number because clients may store
 * values of types that stock does not define (then of length 0).
 */
export interface CmapValue {
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** Names of the types in the tools (`corosync-cmapctl -s KEY TYPE VALUE`), by type number. */
const TYPE_NAMES = ['', 'i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64', 'flt', 'dbl', 'str', 'bin'] as const;
const FIXED_BYTES = [0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8] as const;

/** `u32` for 6; `unknown` for a number that is no type. */
export function cmapTypeName(type: number): string {
  return TYPE_NAMES[type] || 'unknown';
}

/** The type of a tool's name, or `null`. */
export function cmapTypeFromName(name: string): CmapTypeCode | null {
  const index = (TYPE_NAMES as readonly string[]).indexOf(name);
  return index <= 0 ? null : (index as CmapTypeCode);
}

/** Length that a value of this type must have; `null` for strings and binaries. Unknown types: 0, as in stock. */
export function cmapFixedBytes(type: number): number | null {
  if (type === CmapType.STRING || type === CmapType.BINARY) return null;
  return FIXED_BYTES[type] ?? 0;
}

export const isCmapInteger = (type: number): boolean => type >= CmapType.I8 && type <= CmapType.U64;

/** Smallest and largest number of an integer type. */
export function cmapIntegerRange(type: number): readonly [bigint, bigint] | null {
  if (!isCmapInteger(type)) return null;
  const bits = BigInt((FIXED_BYTES[type] ?? 0) * 8);
  const signed = (type & 1) === 1;
  return signed ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n];
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** An integer of any width; wraps into the width of the type as C does. */
export function cmapInteger(type: number, value: number | bigint): CmapValue {
  const bytes = new Uint8Array(FIXED_BYTES[type] ?? 0);
  const view = viewOf(bytes);
  switch (bytes.length) {
    case 1:
      view.setInt8(0, Number(BigInt.asIntN(8, BigInt(value))));
      break;
    case 2:
      view.setInt16(0, Number(BigInt.asIntN(16, BigInt(value))), true);
      break;
    case 4:
      view.setInt32(0, Number(BigInt.asIntN(32, BigInt(value))), true);
      break;
    default:
      view.setBigInt64(0, BigInt.asIntN(64, BigInt(value)), true);
  }
  return { type, bytes };
}

export function cmapFloat(value: number): CmapValue {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setFloat32(0, value, true);
  return { type: CmapType.FLOAT, bytes };
}

export function cmapDouble(value: number): CmapValue {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setFloat64(0, value, true);
  return { type: CmapType.DOUBLE, bytes };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8');

/** A string; text after a NUL is cut, a NUL is appended. */
export function cmapString(text: string): CmapValue {
  return cmapStringBytes(encoder.encode(text));
}

/** A string from its bytes, which need not be UTF-8 and need not end with NUL. */
export function cmapStringBytes(text: Uint8Array): CmapValue {
  const nul = text.indexOf(0);
  const length = nul < 0 ? text.length : nul;
  const bytes = new Uint8Array(length + 1);
  bytes.set(text.subarray(0, length));
  return { type: CmapType.STRING, bytes };
}

export function cmapBinary(data: Uint8Array): CmapValue {
  return { type: CmapType.BINARY, bytes: data.slice() };
}

/** The integer of a value, or `null` when it is not one. Exact for every width. */
export function cmapBigInt(value: CmapValue): bigint | null {
  if (!isCmapInteger(value.type) || value.bytes.length !== FIXED_BYTES[value.type]) return null;
  const view = viewOf(value.bytes);
  const signed = (value.type & 1) === 1;
  if (value.bytes.length === 8) return signed ? view.getBigInt64(0, true) : view.getBigUint64(0, true);
  return BigInt(cmapNumber(value) ?? 0);
}

/** A number of any numeric type, or `null`. 64-bit integers lose precision above 2^53. */
export function cmapNumber(value: CmapValue): number | null {
  if (value.bytes.length !== cmapFixedBytes(value.type)) return null;
  const view = viewOf(value.bytes);
  switch (value.type) {
    case CmapType.I8:
      return view.getInt8(0);
    case CmapType.U8:
      return view.getUint8(0);
    case CmapType.I16:
      return view.getInt16(0, true);
    case CmapType.U16:
      return view.getUint16(0, true);
    case CmapType.I32:
      return view.getInt32(0, true);
    case CmapType.U32:
      return view.getUint32(0, true);
    case CmapType.I64:
      return Number(view.getBigInt64(0, true));
    case CmapType.U64:
      return Number(view.getBigUint64(0, true));
    case CmapType.FLOAT:
      return view.getFloat32(0, true);
    case CmapType.DOUBLE:
      return view.getFloat64(0, true);
    default:
      return null;
  }
}

/** The text of a string value without its NUL, or `null`. Bytes that are not UTF-8 become U+FFFD. */
export function cmapText(value: CmapValue): string | null {
  if (value.type !== CmapType.STRING) return null;
  const nul = value.bytes.indexOf(0);
  return decoder.decode(nul < 0 ? value.bytes : value.bytes.subarray(0, nul));
}

export function cmapValueEquals(a: CmapValue, b: CmapValue): boolean {
  if (a.type !== b.type || a.bytes.length !== b.bytes.length) return false;
  for (let i = 0; i < a.bytes.length; i++) if (a.bytes[i] !== b.bytes[i]) return false;
  return true;
}

/** For logs and dumps: the value as the tools print it. */
export function cmapValueText(value: CmapValue): string {
  const text = cmapText(value);
  if (text !== null) return text;
  const integer = cmapBigInt(value);
  if (integer !== null) return integer.toString();
  const number = cmapNumber(value);
  return number === null ? '*binary*' : cmapFloatText(number);
}

/** From here on `toFixed` falls back to an exponent. */
const FIXED_END = 1e21;

/** A float or double as the tools print it: six digits after the point, however large it is, as C's %f. */
export function cmapFloatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return Math.abs(value) < FIXED_END ? value.toFixed(6) : `${BigInt(value)}.000000`;
}
