import {
  CMAP_VALUE_BYTES_MAX,
  CmapType,
  type CmapValue,
  cmapBigInt,
  cmapBinary,
  cmapDouble,
  cmapFloat,
  cmapInteger,
  cmapIntegerRange,
  cmapNumber,
  cmapString,
  cmapText,
  cmapTypeFromName,
  cmapTypeName,
} from '../lib/cmap-value.ts';
import { ArgumentError } from './errors.ts';

/** Types of values, by the names that the tools use. */
export type CmapTypeName = 'i8' | 'u8' | 'i16' | 'u16' | 'i32' | 'u32' | 'i64' | 'u64' | 'flt' | 'dbl' | 'str' | 'bin';

/** A value as a program sees it: 64-bit integers are bigints, binaries bytes. */
export type CmapPlain = number | bigint | string | Uint8Array;

export interface CmapEntry {
  readonly key: string;
  readonly type: CmapTypeName | 'unknown';
  readonly value: CmapPlain;
}

/** What a JavaScript program makes of a value. */
export function plainValue(value: CmapValue): CmapPlain {
  if (value.type === CmapType.STRING) return cmapText(value) ?? '';
  if (value.type === CmapType.I64 || value.type === CmapType.U64) return cmapBigInt(value) ?? 0n;
  return cmapNumber(value) ?? value.bytes;
}

export function entryOf(key: string, value: CmapValue): CmapEntry {
  return { key, type: cmapTypeName(value.type) as CmapTypeName | 'unknown', value: plainValue(value) };
}

/** @throws ArgumentError: the value does not fit the type. */
export function cmapValueOf(type: CmapTypeName, plain: CmapPlain): CmapValue {
  const code = cmapTypeFromName(type);
  if (code === null)
    throw new ArgumentError(`unknown type '${type}'`, 'Types are i8 u8 i16 u16 i32 u32 i64 u64 flt dbl str bin');
  if (code === CmapType.STRING) {
    if (typeof plain !== 'string') throw new ArgumentError(`a str is a string, not ${typeof plain}`);
    if (plain.includes('\0')) throw new ArgumentError('a str holds no NUL', 'Use bin');
    return checkedLength(cmapString(plain), 1);
  }
  if (code === CmapType.BINARY) {
    if (!(plain instanceof Uint8Array)) throw new ArgumentError('a bin is a Uint8Array');
    return checkedLength(cmapBinary(plain), 0);
  }
  if (typeof plain !== 'number' && typeof plain !== 'bigint') throw new ArgumentError(`a ${type} is a number`);
  if (code === CmapType.FLOAT) return cmapFloat(Number(plain));
  if (code === CmapType.DOUBLE) return cmapDouble(Number(plain));
  return integerOf(type, code, plain);
}

/** `extra` bytes are not the value's own: the NUL of a string. */
function checkedLength(value: CmapValue, extra: number): CmapValue {
  const bytes = value.bytes.length - extra;
  if (bytes <= CMAP_VALUE_BYTES_MAX) return value;
  throw new ArgumentError(`a value of ${bytes} bytes`, `A key holds at most ${CMAP_VALUE_BYTES_MAX}`);
}

function integerOf(type: string, code: number, plain: number | bigint): CmapValue {
  if (typeof plain === 'number' && !Number.isInteger(plain)) throw new ArgumentError(`${plain} is not an integer`);
  const range = cmapIntegerRange(code);
  const exact = BigInt(plain);
  if (range === null || exact < range[0] || exact > range[1])
    throw new ArgumentError(`${plain} is not a valid ${type}`);
  return cmapInteger(code, exact);
}
