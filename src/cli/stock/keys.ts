import { type CmapValue, cmapNumber, cmapText } from '../../lib/cmap-value.ts';
import { CsError } from '../../lib/errors.ts';
import { CMAP_CALLS } from '../../services/codec/cmap.ts';
import { nameValue } from '../../services/codec/fields.ts';
import type { Service } from './tool.ts';

/** Room for any value of the map. */
const ROOM_BYTES = 16_384;
/** libcmap refuses names that its messages cannot carry. */
const NAME_BYTES_MAX = 255;

export interface Key {
  readonly key: string;
  readonly type: number;
  readonly valueBytes: number;
}

/** A name from the command line as the bytes that a C program sends; `null`: libcmap takes none of that length. */
export function keyNameOf(text: string): ReturnType<typeof nameValue> | null {
  const bytes = Buffer.from(text).toString('latin1');
  return bytes.length > NAME_BYTES_MAX ? null : nameValue(bytes);
}

/** A key's value, or the status of a failure. */
export async function getKey(cmap: Service, text: string): Promise<CmapValue | number> {
  const key = keyNameOf(text);
  if (key === null) return CsError.NAME_TOO_LONG;
  const reply = await cmap.call(CMAP_CALLS.get, { key, valueBytes: ROOM_BYTES });
  if (typeof reply === 'number') return reply;
  const { type, valueBytes } = reply.values;
  return { type, bytes: new Uint8Array(reply.tailBytes(valueBytes)) };
}

/** The text of a string, or `null`: no such key, or another type. */
export async function getText(cmap: Service, key: string): Promise<string | null> {
  const value = await getKey(cmap, key);
  return typeof value === 'number' ? null : cmapText(value);
}

/** An unsigned number of 32 bits, or `null`: no such key, or another type. */
export async function getU32(cmap: Service, key: string): Promise<number | null> {
  const value = await getKey(cmap, key);
  return typeof value === 'number' || value.type !== 6 ? null : cmapNumber(value);
}

/** Keys that start with a prefix; a status when they cannot be listed. */
export async function listKeys(cmap: Service, prefix: string): Promise<readonly Key[] | number> {
  const name = keyNameOf(prefix);
  if (name === null) return CsError.NAME_TOO_LONG;
  const begun = await cmap.call(CMAP_CALLS.iterInit, { prefix: name });
  if (typeof begun === 'number') return begun;
  const { handle } = begun.values;
  const keys: Key[] = [];
  for (;;) {
    const reply = await cmap.call(CMAP_CALLS.iterNext, { handle });
    if (typeof reply === 'number') break;
    const { key, type, valueBytes } = reply.values;
    keys.push({ key: key.text, type, valueBytes });
  }
  await cmap.status(CMAP_CALLS.iterFinalize, { handle });
  return keys;
}
