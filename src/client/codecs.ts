import { ArgumentError } from './errors.ts';
import { decodeMessagePack, encodeMessagePack, type MessagePackValue } from './message-pack.ts';

/** How values of a type become the bytes of a message, and back. */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  /** @throws anything: the bytes are not such a value. */
  decode(bytes: Uint8Array): T;
}

/** Bytes as they are. */
export const bytesCodec: Codec<Uint8Array> = { encode: (value) => value, decode: (bytes) => bytes };

/** Text as UTF-8. */
export const textCodec: Codec<string> = {
  encode: (value) => Buffer.from(value),
  decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
};

/** JSON. What other members send is believed to have the type; check it where members are not trusted. */
export function jsonCodec<T>(): Codec<T> {
  return {
    encode: (value) => {
      const text = JSON.stringify(value);
      if (text === undefined) throw new ArgumentError('undefined and functions have no JSON');
      return Buffer.from(text);
    },
    decode: (bytes) => JSON.parse(textCodec.decode(bytes)) as T,
  };
}

/** MessagePack: what JSON has, and bytes, 64-bit integers (as `bigint`) and all doubles. */
export function messagePackCodec<T extends MessagePackValue>(): Codec<T> {
  return { encode: encodeMessagePack, decode: (bytes) => decodeMessagePack(bytes) as T };
}
