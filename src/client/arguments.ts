import { ArgumentError } from './errors.ts';

/** What can be sent as a message: text goes as UTF-8, every other kind as the bytes of its memory. */
export type MessageData = string | ArrayBuffer | ArrayBufferView;

const U32_MAX = 0xffff_ffff;

/** The bytes of a message; they share the memory of what was given. @throws ArgumentError: it has none. */
export function messageBytes(data: MessageData, what = 'a message'): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new ArgumentError(
    `${what} is a string, an ArrayBuffer or a view of one, not ${kindOf(data)}`,
    'Send objects and numbers as text: JSON.stringify(value)',
  );
}

/** @throws ArgumentError */
export function checkedText(value: string, what: string): string {
  if (typeof value !== 'string') throw new ArgumentError(`${what} is a string, not ${kindOf(value)}`);
  return value;
}

/** A whole number in a range, by default that of 32 bits without sign. @throws ArgumentError */
export function checkedInteger(value: number, what: string, min = 0, max = U32_MAX): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new ArgumentError(`${what} is a whole number from ${min} to ${max}, not ${shown(value)}`);
  }
  return value;
}

const U64_MAX = 2n ** 64n - 1n;

/** @throws ArgumentError: it is no bigint of 64 bits without sign. */
export function checkedU64(value: bigint, what: string): bigint {
  if (typeof value !== 'bigint' || value < 0n || value > U64_MAX) {
    throw new ArgumentError(`${what} is a bigint from 0 to 2^64-1, not ${shown(value)}`);
  }
  return value;
}

/** A number of milliseconds or bytes that an option gives; `Infinity` is allowed. @throws ArgumentError */
export function checkedAmount(value: number | undefined, what: string, ifMissing: number): number {
  if (value === undefined) return ifMissing;
  if (typeof value !== 'number' || !(value >= 0)) {
    throw new ArgumentError(`the option ${what} is a number that is not negative, not ${shown(value)}`);
  }
  return value;
}

/** @throws ArgumentError */
export function checkedBoolean(value: boolean, what: string): boolean {
  if (typeof value !== 'boolean') throw new ArgumentError(`${what} is true or false, not ${shown(value)}`);
  return value;
}

const shown = (value: unknown): string =>
  typeof value === 'number' ? String(value) : typeof value === 'bigint' ? `${value}n` : kindOf(value);

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  return Array.isArray(value) ? 'an array' : 'an object';
}
