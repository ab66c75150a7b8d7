/** The few types of ASN.1's basic encoding rules that an SNMP trap is made of. */
const Tag = {
  INTEGER: 0x02,
  OCTETS: 0x04,
  OID: 0x06,
  SEQUENCE: 0x30,
  UNSIGNED: 0x42,
  TICKS: 0x43,
  TRAP: 0xa7,
} as const;

export type Ber = Uint8Array;

export const berInteger = (value: number): Ber => encode(Tag.INTEGER, integerBytes(value));
/** Unsigned32, which is Gauge32 on the wire. */
export const berUnsigned = (value: number): Ber => encode(Tag.UNSIGNED, integerBytes(value));
/** Hundredths of a second. */
export const berTicks = (value: number): Ber => encode(Tag.TICKS, integerBytes(value));
export const berText = (text: string): Ber => encode(Tag.OCTETS, Buffer.from(text));
export const berSequence = (...parts: readonly Ber[]): Ber => encode(Tag.SEQUENCE, Buffer.concat(parts));
export const berTrap = (...parts: readonly Ber[]): Ber => encode(Tag.TRAP, Buffer.concat(parts));

/** `1.3.6.1`: the first two arcs share a byte, the others take seven bits a byte. */
export function berOid(text: string): Ber {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  return encode(Tag.OID, Buffer.from([first * 40 + second, ...rest.flatMap(arcBytes)]));
}

function arcBytes(arc: number): number[] {
  const bytes = [arc % 128];
  for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) bytes.unshift(128 + (left % 128));
  return bytes;
}

/** Two's complement, as short as it goes: a number whose first bit is set gets a zero before it. */
function integerBytes(value: number): Uint8Array {
  const bytes = [value & 0xff];
  for (let left = Math.floor(value / 256); left > 0; left = Math.floor(left / 256)) bytes.unshift(left & 0xff);
  return Uint8Array.from((bytes[0] ?? 0) >= 0x80 ? [0, ...bytes] : bytes);
}

function encode(tag: number, content: Uint8Array): Ber {
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from([tag, ...head]), content]);
}
