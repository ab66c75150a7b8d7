import { call, execStruct, fields, RequestStruct, ResponseStruct } from '../../api.ts';

/**
 * Messages of the example engine "kv". Keys and values travel as UTF-8 after the fixed part:
 *
 *   | header | … | u32 keyBytes | u32 valueBytes | key … value … |
 */
export const KV_SERVICE_ID = 32;
export const KV_NAME = 'kv';

const sizes = (at: number) => ({
  keyBytes: fields.u32('keyBytes', at),
  valueBytes: fields.u32('valueBytes', at + 4),
});
const request = (id: number, name: string) => new RequestStruct(id, name, 24, sizes(16), { name: 'text', offset: 24 });

export const KvRequest = { PUT: 0, GET: 1, DELETE: 2, LIST: 3, WATCH: 4 } as const;
export const KV_PUT = request(KvRequest.PUT, 'kv put');
export const KV_GET = request(KvRequest.GET, 'kv get');
export const KV_DELETE = request(KvRequest.DELETE, 'kv delete');
export const KV_LIST = request(KvRequest.LIST, 'kv list');
export const KV_WATCH = request(KvRequest.WATCH, 'kv watch');

const response = (id: number, name: string) =>
  new ResponseStruct(id, name, 32, sizes(24), { name: 'text', offset: 32 });
export const KV_RESPONSE = response(0, 'kv response');
export const KV_CHANGED = response(100, 'kv changed');

export const KV_CALLS = {
  put: call(KV_PUT, KV_RESPONSE, { flowControl: true }),
  get: call(KV_GET, KV_RESPONSE),
  delete: call(KV_DELETE, KV_RESPONSE, { flowControl: true }),
  list: call(KV_LIST, KV_RESPONSE),
  watch: call(KV_WATCH, KV_RESPONSE),
} as const;

/** To all nodes. `ticket` finds the waiting client on the sending node. */
export const KV_EXEC_CHANGE = execStruct(
  KV_SERVICE_ID,
  0,
  'kv change',
  32,
  { ticket: fields.u32('ticket', 16), isDelete: fields.u32('isDelete', 20), ...sizes(24) },
  { name: 'text', offset: 32 },
);
/**
 * One entry of a map that is sent during sync, or (isEnd) the end of it. The ring id tells for which round: messages of
 * an aborted one arrive in the next.
 */
export const KV_EXEC_STATE = execStruct(
  KV_SERVICE_ID,
  1,
  'kv state',
  56,
  {
    ringId: fields.ringId('ring_id.', 16, 8),
    version: fields.u64Number('version', 32),
    isQuorate: fields.u32('isQuorate', 40),
    isEnd: fields.u32('isEnd', 44),
    ...sizes(48),
  },
  { name: 'text', offset: 56 },
);
export const KV_MESSAGES = { change: KV_EXEC_CHANGE, state: KV_EXEC_STATE } as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface Text {
  readonly sizes: { readonly keyBytes: number; readonly valueBytes: number };
  readonly tail: Uint8Array;
}

export function encodeText(key: string, value: string): Text {
  const keyBytes = encoder.encode(key);
  const valueBytes = encoder.encode(value);
  const tail = new Uint8Array(keyBytes.length + valueBytes.length);
  tail.set(keyBytes);
  tail.set(valueBytes, keyBytes.length);
  return { sizes: { keyBytes: keyBytes.length, valueBytes: valueBytes.length }, tail };
}

/** `null`: the lengths go beyond the message. */
export function decodeText(
  message: Uint8Array,
  at: number,
  { keyBytes, valueBytes }: { readonly keyBytes: number; readonly valueBytes: number },
): { readonly key: string; readonly value: string } | null {
  if (keyBytes + valueBytes > message.length - at) return null;
  const text = message.slice(at, at + keyBytes + valueBytes);
  return { key: decoder.decode(text.subarray(0, keyBytes)), value: decoder.decode(text.subarray(keyBytes)) };
}

export const kvResponse = (status: number, key = '', value = ''): Uint8Array => {
  const text = encodeText(key, value);
  return KV_RESPONSE.message(status, text.sizes, text.tail);
};
