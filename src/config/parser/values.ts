import { CmapType, type CmapValue, cmapInteger, cmapIntegerRange, cmapStringBytes } from '../../lib/cmap-value.ts';
import { COMPRESSION_NAMES } from '../options/knet.ts';
import { OPTION_TYPE_CODE, type OptionType } from '../options/option.ts';
import { COMPATIBILITY } from '../options/system.ts';
import { CRYPTO_CIPHER_NAMES, CRYPTO_CIPHERS, CRYPTO_HASHES, CRYPTO_MODELS, IP_VERSIONS } from '../options/totem.ts';
import { latin1Bytes } from './lexer.ts';

/** `a, b or c`, as stock writes lists in its messages. */
export function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

export type ValueResult =
  | { readonly ok: true; readonly value: CmapValue }
  | { readonly ok: false; readonly stockMessage: string; readonly hint: string };

/** What `strtoll` and `strtoull` take as a whole: blanks before, a sign, decimal digits. */
const INTEGER = /^[ \t\n\v\f\r]*([+-]?)([0-9]+)$/;
const U64_MAX = (1n << 64n) - 1n;

/** Turns the text of a typed key into its value (config-and-tools.md 1.3). */
export function parseValue(key: string, type: OptionType, text: string): ValueResult {
  if (type === 'str') return { ok: true, value: cmapStringBytes(latin1Bytes(text)) };
  const code = CmapType[OPTION_TYPE_CODE[type]];
  const range = cmapIntegerRange(code);
  const match = INTEGER.exec(text);
  if (type === 'u64') {
    const magnitude = match === null ? null : BigInt(match[2]!);
    if (magnitude === null || magnitude > U64_MAX) return notUnsigned(key, text);
    // strtoull takes a minus sign and wraps.
    return { ok: true, value: cmapInteger(code, match![1] === '-' ? -magnitude : magnitude) };
  }
  const [min, max] = range!;
  const number = match === null ? null : BigInt(`${match[1] === '-' ? '-' : ''}${match[2]}`);
  if (number === null || number < min || number > max) {
    return {
      ok: false,
      stockMessage: `Value of key "${key}" is expected to be integer in range (${min}..${max}), but "${text}" was given`,
      hint: integerHint(text),
    };
  }
  return { ok: true, value: cmapInteger(code, number) };
}

function notUnsigned(key: string, text: string): ValueResult {
  return {
    ok: false,
    stockMessage: `Value of key "${key}" is expected to be unsigned integer, but "${text}" was given`,
    hint: integerHint(text),
  };
}

function integerHint(text: string): string {
  if (text === '') return 'Give a number, or leave the line out for the default';
  if (/^(yes|on|true)$/i.test(text)) return 'This switch is a number: write 1';
  if (/^(no|off|false)$/i.test(text)) return 'This switch is a number: write 0';
  if (/^\d+\s*(ms|s|m|min|h)$/i.test(text)) return 'Write the number without a unit';
  if (/^0x/i.test(text)) return 'Write the number in decimal';
  if (/^\d+[.,]\d+$/.test(text)) return 'Write a whole number';
  return 'Write a whole decimal number in the range';
}

interface Enumeration {
  readonly values: readonly string[];
  readonly stockMessage: string;
}

/** Enumerations that stock checks while it parses. The others are checked later, or never. */
const ENUMERATIONS: ReadonlyMap<string, Enumeration> = new Map<string, Enumeration>([
  ['totem.ip_version', { values: IP_VERSIONS, stockMessage: 'Invalid ip_version type' }],
  ['totem.crypto_model', should('crypto model', CRYPTO_MODELS)],
  ['totem.crypto_cipher', { ...should('cipher type', CRYPTO_CIPHERS), values: CRYPTO_CIPHER_NAMES }],
  ['totem.crypto_hash', should('hash type', CRYPTO_HASHES)],
  ['totem.knet_compression_model', should('compression model', COMPRESSION_NAMES)],
  ['system.qb_ipc_type', { values: ['native', 'shm', 'socket'], stockMessage: 'Invalid system.qb_ipc_type' }],
  ['system.sched_rr', { values: ['yes', 'no'], stockMessage: 'Invalid system.sched_rr value' }],
  ['system.move_to_root_cgroup', { values: ['yes', 'no', 'auto'], stockMessage: 'Invalid system.move_to_root_cgroup' }],
  ['system.compatibility', { values: COMPATIBILITY, stockMessage: 'Invalid system.compatibility' }],
  [
    'system.allow_knet_handle_fallback',
    { values: ['yes', 'no'], stockMessage: 'Invalid system.allow_knet_handle_fallback' },
  ],
]);

function should(what: string, values: readonly string[]): Enumeration {
  return { values, stockMessage: `Invalid ${what}. Should be ${orList(values)}` };
}

/** `null` when the text is fine for the key, or the key is no checked enumeration. */
export function checkEnumeration(path: string, text: string): { stockMessage: string; hint: string } | null {
  const enumeration = ENUMERATIONS.get(path);
  if (enumeration === undefined || enumeration.values.includes(text)) return null;
  const none = path === 'totem.knet_compression_model' && text === 'none';
  return {
    stockMessage: enumeration.stockMessage,
    hint: none ? 'Leave the key out for no compression' : `Write ${orList(enumeration.values)}`,
  };
}
