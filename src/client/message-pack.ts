import { ArgumentError } from './errors.ts';

/**
 * MessagePack (msgpack.org), without extension types. Numbers that are whole and safe travel as integers, others as doubles;
 * a `bigint` travels as a 64-bit integer and comes back as one when it is not safe as a number.
 */
export type MessagePackValue =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly MessagePackValue[]
  | { readonly [key: string]: MessagePackValue };

/** Nesting that is read and written; deeper values are refused before the stack ends. */
const DEPTH_MAX = 128;
const U32 = 0x1_0000_0000;
const I64_MIN = -(1n << 63n);
const U64_MAX = (1n << 64n) - 1n;

export function encodeMessagePack(value: MessagePackValue): Uint8Array {
  const writer = new Writer();
  writer.value(value, 0);
  return writer.done();
}

/** @throws ArgumentError: the bytes are not one MessagePack value. */
export function decodeMessagePack(bytes: Uint8Array): MessagePackValue {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw malformed(`${bytes.length - reader.at} bytes after the value`);
  return value;
}

/** First byte of a length: for up to 8, 16, 32 bits; 0: there is none. */
type Heads = readonly [number, number, number];
const STRING: Heads = [0xd9, 0xda, 0xdb];
const BINARY: Heads = [0xc4, 0xc5, 0xc6];
const ARRAY: Heads = [0, 0xdc, 0xdd];
const MAP: Heads = [0, 0xde, 0xdf];

class Writer {
  private buffer = Buffer.allocUnsafe(256);
  private at = 0;

  done(): Uint8Array {
    return new Uint8Array(this.buffer.subarray(0, this.at));
  }

  value(value: MessagePackValue, depth: number): void {
    if (depth > DEPTH_MAX) throw new ArgumentError(`a value is nested more than ${DEPTH_MAX} deep`, 'A circle?');
    if (value === null || value === undefined) this.byte(0xc0);
    else if (typeof value === 'boolean') this.byte(value ? 0xc3 : 0xc2);
    else if (typeof value === 'number') this.number(value);
    else if (typeof value === 'bigint') this.bigint(value);
    else if (typeof value === 'string') this.text(value);
    else if (value instanceof Uint8Array) this.bytes(BINARY, -1, 0, value);
    else if (Array.isArray(value)) this.array(value, depth);
    else if (typeof value === 'object') this.map(value as { readonly [key: string]: MessagePackValue }, depth);
    else throw new ArgumentError(`MessagePack has no ${typeof value}`);
  }

  private array(items: readonly MessagePackValue[], depth: number): void {
    this.head(ARRAY, 0x90, 15, items.length);
    for (const item of items) this.value(item, depth + 1);
  }

  private map(value: { readonly [key: string]: MessagePackValue }, depth: number): void {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    this.head(MAP, 0x80, 15, entries.length);
    for (const [key, item] of entries) {
      this.text(key);
      this.value(item, depth + 1);
    }
  }

  private text(value: string): void {
    this.bytes(STRING, 0xa0, 31, Buffer.from(value));
  }

  private bytes(heads: Heads, fix: number, fixMax: number, bytes: Uint8Array): void {
    this.head(heads, fix, fixMax, bytes.length);
    this.room(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** `fix` < 0: there is no short form. */
  private head([small, middle, large]: Heads, fix: number, fixMax: number, length: number): void {
    if (fix >= 0 && length <= fixMax) this.byte(fix | length);
    else if (small !== 0 && length <= 0xff) this.put(small, 1, (at) => this.buffer.writeUInt8(length, at));
    else if (length <= 0xffff) this.put(middle, 2, (at) => this.buffer.writeUInt16BE(length, at));
    else this.put(large, 4, (at) => this.buffer.writeUInt32BE(length, at));
  }

  private number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.put(0xcb, 8, (at) => this.buffer.writeDoubleBE(value, at));
    } else if (value >= 0 && value < 0x80) this.byte(value);
    else if (value < 0 && value >= -32) this.byte(0x100 + value);
    else if (value >= 0 && value < U32) this.put(0xce, 4, (at) => this.buffer.writeUInt32BE(value, at));
    else if (value < 0 && value >= -U32 / 2) this.put(0xd2, 4, (at) => this.buffer.writeInt32BE(value, at));
    else this.bigint(BigInt(value));
  }

  private bigint(value: bigint): void {
    if (value < I64_MIN || value > U64_MAX) throw new ArgumentError('a bigint has more than 64 bits');
    if (value >= 0n) this.put(0xcf, 8, (at) => this.buffer.writeBigUInt64BE(value, at));
    else this.put(0xd3, 8, (at) => this.buffer.writeBigInt64BE(value, at));
  }

  private put(head: number, bytes: number, write: (at: number) => void): void {
    this.byte(head);
    this.room(bytes);
    write(this.at);
    this.at += bytes;
  }

  private byte(value: number): void {
    this.room(1);
    this.buffer[this.at++] = value;
  }

  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.buffer.length, this.at + bytes));
    this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
  }
}

class Reader {
  at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): MessagePackValue {
    if (depth > DEPTH_MAX) throw malformed(`nested more than ${DEPTH_MAX} deep`);
    const head = this.view.getUint8(this.skip(1));
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head < 0x90) return this.map(head & 15, depth);
    if (head < 0xa0) return this.array(head & 15, depth);
    if (head < 0xc0) return this.text(head & 31);
    return this.long(head, depth);
  }

  private long(head: number, depth: number): MessagePackValue {
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return head === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return new Uint8Array(this.take(this.length(head - 0xc4)));
      case 0xca:
        return this.view.getFloat32(this.skip(4));
      case 0xcb:
        return this.view.getFloat64(this.skip(8));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.length(head - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.array(this.length(head - 0xdb), depth);
      case 0xde:
      case 0xdf:
        return this.map(this.length(head - 0xdd), depth);
      default:
        return this.integer(head);
    }
  }

  private integer(head: number): number | bigint {
    switch (head) {
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.length(head - 0xcc);
      case 0xcf:
        return handy(this.view.getBigUint64(this.skip(8)));
      case 0xd0:
        return this.view.getInt8(this.skip(1));
      case 0xd1:
        return this.view.getInt16(this.skip(2));
      case 0xd2:
        return this.view.getInt32(this.skip(4));
      case 0xd3:
        return handy(this.view.getBigInt64(this.skip(8)));
      default:
        throw malformed(`type 0x${head.toString(16)} at byte ${this.at - 1}`);
    }
  }

  /** An unsigned number of 8, 16 or 32 bits. */
  private length(size: number): number {
    if (size === 0) return this.view.getUint8(this.skip(1));
    return size === 1 ? this.view.getUint16(this.skip(2)) : this.view.getUint32(this.skip(4));
  }

  private array(count: number, depth: number): MessagePackValue[] {
    this.expect(count);
    const items: MessagePackValue[] = [];
    for (let i = 0; i < count; i++) items.push(this.value(depth + 1));
    return items;
  }

  private map(count: number, depth: number): MessagePackValue {
    this.expect(2 * count);
    const entries: [string, MessagePackValue][] = [];
    for (let i = 0; i < count; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== 'string') throw malformed('a key is not text');
      entries.push([key, this.value(depth + 1)]);
    }
    return Object.fromEntries(entries);
  }

  private text(length: number): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.take(length));
  }

  private take(length: number): Uint8Array {
    const at = this.skip(length);
    return this.bytes.subarray(at, at + length);
  }

  /** What is announced has to be there: one byte an item at least. */
  private expect(count: number): void {
    if (count > this.bytes.length - this.at) throw malformed(`${count} items announced in ${this.bytes.length} bytes`);
  }

  private skip(bytes: number): number {
    const { at } = this;
    if (at + bytes > this.bytes.length) throw malformed('it ends too early');
    this.at += bytes;
    return at;
  }
}

const handy = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

const malformed = (what: string): ArgumentError => new ArgumentError(`not MessagePack: ${what}`);
