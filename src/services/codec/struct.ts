import { assert } from '../../lib/assert.ts';
import { CsError } from '../../lib/errors.ts';
import { RESPONSE_HEADER_BYTES } from '../../lib/ipc-header.ts';
import { type Element, type Field, i32, readList, writeList } from './fields.ts';

export type Fields = { readonly [name: string]: Field<unknown> };
type ValueOf<F> = F extends Field<infer T> ? T : never;
export type Values<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };

/**
 * A C structure as a table of fields, with room for a variable part:
 *
 *   0            tailOffset   bytes                      bytes + tail length
 *   | fields … | tail …                                | (up to 4 undefined bytes, services.md T1)
 *
 * The length of a message is the rounded size of its fixed part plus its tail, even where the tail starts earlier.
 */
export class Struct<F extends Fields> {
  /** The fields as a list, made once: a table would have to be listed anew for every message. */
  private readonly list: readonly (readonly [string, Field<unknown>])[];

  constructor(
    /** Name of the C structure. */
    readonly name: string,
    readonly bytes: number,
    readonly fields: F,
    readonly tail: { readonly name: string; readonly offset: number } | null = null,
  ) {
    this.list = Object.entries(fields);
    for (const [, field] of this.list)
      for (const part of field.parts) assert(part.offset + part.bytes <= bytes, `${name}.${part.name} is outside`);
  }

  /** `null` if there are fewer bytes than the fixed part needs. */
  decode(source: Uint8Array, at = 0): Values<F> | null {
    if (source.length < at + this.bytes) return null;
    return this.decodeChecked(source, at);
  }

  /** For a caller that has checked the length already. */
  decodeChecked(source: Uint8Array, at = 0): Values<F> {
    assert(source.length >= at + this.bytes, `${this.name} is cut off`);
    const view = viewOf(source);
    const values: { [name: string]: unknown } = {};
    for (let i = 0; i < this.list.length; i++) {
      const [name, field] = this.list[i]!;
      values[name] = field.read(view, at);
    }
    return values as Values<F>;
  }

  /** Fields that are not given are zero. */
  encode(values: Partial<Values<F>>, tail: Uint8Array = EMPTY): Uint8Array {
    assert(tail.length === 0 || this.tail !== null, `${this.name} has no variable part`);
    const target = new Uint8Array(this.bytes + tail.length);
    this.encodeInto(target, 0, values);
    if (this.tail !== null) target.set(tail, this.tail.offset);
    return target;
  }

  encodeInto(target: Uint8Array, at: number, values: Partial<Values<F>>): void {
    const view = viewOf(target);
    for (const name in values) {
      const field = this.fields[name];
      assert(field !== undefined, `${this.name} has no field ${name}`);
      const value = values[name];
      if (value !== undefined) field.write(view, at, value);
    }
  }

  /** `length` bytes of the variable part, or `null` if they are not all there. No copy. */
  tailBytes(message: Uint8Array, length: number): Uint8Array | null {
    assert(this.tail !== null, `${this.name} has no variable part`);
    const start = this.tail.offset;
    return start + length <= message.length ? message.subarray(start, start + length) : null;
  }

  /** `count` elements of the variable part, or `null` if they are not all there. */
  tailList<T>(message: Uint8Array, count: number, element: Element<T>, skip = 0): T[] | null {
    const bytes = this.tailBytes(message, (skip + count) * element.bytes);
    return bytes === null ? null : readList(viewOf(bytes), skip * element.bytes, count, element);
  }
}

/** What a message carries besides its header. */
export type ValuesOf<S> = S extends RequestStruct<infer F> ? Values<F> : never;

export const EMPTY = new Uint8Array(0);

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function encodeList<T>(values: readonly T[], element: Element<T>): Uint8Array {
  const bytes = new Uint8Array(values.length * element.bytes);
  writeList(viewOf(bytes), 0, values, element);
  return bytes;
}

const REQUEST_HEADER = { id: i32('header.id', 0), size: i32('header.size', 8) } as const;
const RESPONSE_HEADER = { ...REQUEST_HEADER, error: i32('header.error', 16) } as const;
type RequestHeader = typeof REQUEST_HEADER;
type ResponseHeader = typeof RESPONSE_HEADER;

/** A message whose header (id, size) is filled in by `message()`. */
export class RequestStruct<F extends Fields> extends Struct<F & RequestHeader> {
  constructor(
    readonly id: number,
    name: string,
    bytes: number,
    fields: F,
    tail: { readonly name: string; readonly offset: number } | null = null,
  ) {
    super(name, bytes, { ...REQUEST_HEADER, ...fields }, tail);
  }

  message(values: Partial<Values<F>> = {}, tail: Uint8Array = EMPTY): Uint8Array {
    return withHeader(this.encode(values as Partial<Values<F & RequestHeader>>, tail), this.id);
  }

  /** The message without its variable part of `tailBytes`, which is sent right behind it, from wherever it lies. */
  head(values: Partial<Values<F>>, tailBytes: number): Uint8Array {
    assert(tailBytes === 0 || this.tail?.offset === this.bytes, `${this.name} has no variable part behind it`);
    const bytes = withHeader(this.encode(values as Partial<Values<F & RequestHeader>>), this.id);
    viewOf(bytes).setInt32(8, bytes.length + tailBytes, true);
    return bytes;
  }
}

/** A response or an event: 24-byte header with a status. */
export class ResponseStruct<F extends Fields> extends Struct<F & ResponseHeader> {
  constructor(
    readonly id: number,
    name: string,
    bytes: number,
    fields: F,
    tail: { readonly name: string; readonly offset: number } | null = null,
  ) {
    super(name, bytes, { ...RESPONSE_HEADER, ...fields }, tail);
  }

  message(error: number, values: Partial<Values<F>> = {}, tail: Uint8Array = EMPTY): Uint8Array {
    const bytes = withHeader(this.encode(values as Partial<Values<F & ResponseHeader>>, tail), this.id);
    viewOf(bytes).setInt32(16, error, true);
    return bytes;
  }

  ok(values: Partial<Values<F>> = {}, tail: Uint8Array = EMPTY): Uint8Array {
    return this.message(CsError.OK, values, tail);
  }
}

function withHeader(bytes: Uint8Array, id: number): Uint8Array {
  const view = viewOf(bytes);
  view.setInt32(0, id, true);
  view.setInt32(8, bytes.length, true);
  return bytes;
}

/** A node-to-node message of the services: id = service << 16 | function (services.md 1.2). */
export function execStruct<F extends Fields>(
  service: number,
  fn: number,
  name: string,
  bytes: number,
  fields: F,
  tail: { readonly name: string; readonly offset: number } | null = null,
): RequestStruct<F> {
  return new RequestStruct((service << 16) | fn, name, bytes, fields, tail);
}

/** A response that is nothing but a status. */
export function statusResponse(id: number, error: number): Uint8Array {
  const bytes = withHeader(new Uint8Array(RESPONSE_HEADER_BYTES), id);
  viewOf(bytes).setInt32(16, error, true);
  return bytes;
}

export const messageId = (message: Uint8Array): number => viewOf(message).getInt32(0, true);
export const messageError = (message: Uint8Array): number => viewOf(message).getInt32(16, true);
