import type { Fields, ResponseStruct, Values } from '../services/codec/struct.ts';
import { ConnectionError } from './errors.ts';

/** Decodes a response or event; what is shorter than its structure is a broken daemon, not a value. */
export function decodeOrFail<F extends Fields>(struct: ResponseStruct<F>, message: Uint8Array): Values<F> {
  const values = struct.decode(message);
  if (values === null) throw malformed(`${struct.name} of ${message.length} bytes`);
  return values;
}

/** For decoders that return `null` to what they cannot read. */
export function orFail<T>(value: T | null, what: string): T {
  if (value === null) throw malformed(what);
  return value;
}

const malformed = (what: string): ConnectionError =>
  new ConnectionError('RONDO_PROTOCOL', `the daemon sent something malformed: ${what}`);
