/**
 * Messages of the setup socket and the headers of all others (libqb-ipc.md 1.2-1.4). Each 32-bit field has an 8-byte slot; the upper
 * half is garbage in what stock sends and zero in what we send.
 *
 *   request header (16)     0 id i32 | 8 size i32
 *   response header (24)    0 id i32 | 8 size i32 | 16 error i32               events have it too
 *   connection request      0 id = -1 | 8 size = 24 | 16 max_msg_size u32                                        24 bytes
 *   connection response     0 id = -1 | 8 size | 16 error | 24 type | 28 max_msg_size | 32 cookie | 40, 4136, 8232 names of 4096    12328
 */
export const REQUEST_HEADER_BYTES = 16;
export const RESPONSE_HEADER_BYTES = 24;
export const CONNECTION_REQUEST_BYTES = 24;
export const CONNECTION_RESPONSE_BYTES = 12328;

export const MessageId = { AUTHENTICATE: -1, DISCONNECT: -3 } as const;
export const ConnectionType = { SOCKET: 0, SHARED_MEMORY: 1 } as const;

const NAME_BYTES = 4096;
const RING_NAME_OFFSETS = [40, 4136, 8232] as const;

/** Sizes and counts that a peer may ask for. */
export const IPC_LIMITS = {
  /** What every stock library asks for. */
  messageBytesDefault: 1_048_576,
  /** libqb never agrees on less than its own connection response. */
  messageBytesMin: CONNECTION_RESPONSE_BYTES,
  /** libqb has no bound (trap 6); more than this is refused with EMSGSIZE. */
  messageBytesMax: 4 * 1_048_576,
  /** libqb's listen backlog. */
  backlog: 128,
} as const;

/** `max_msg_size` that a client asks for, raised to the minimum; null if this is not a connection request. */
export function decodeConnectionRequest(data: DataView, offset: number): number | null {
  if (data.getInt32(offset, true) !== MessageId.AUTHENTICATE) return null;
  return Math.max(data.getUint32(offset + 16, true), IPC_LIMITS.messageBytesMin);
}

export function encodeConnectionRequest(data: DataView, offset: number, maxMessageBytes: number): void {
  for (let at = 0; at < CONNECTION_REQUEST_BYTES; at += 8) data.setBigUint64(offset + at, 0n);
  data.setInt32(offset, MessageId.AUTHENTICATE, true);
  data.setInt32(offset + 8, CONNECTION_REQUEST_BYTES, true);
  data.setUint32(offset + 16, maxMessageBytes, true);
}

export type RingNames = readonly [request: string, response: string, event: string];

export type ConnectionResponse =
  | { readonly error: 0; readonly type: number; readonly maxMessageBytes: number; readonly rings: RingNames }
  /** Positive errno. */
  | { readonly error: number };

const isAccepted = (response: ConnectionResponse): response is Extract<ConnectionResponse, { error: 0 }> =>
  response.error === 0;

/** Writes all 12328 bytes at `offset`; a refusal has the same length. `cookie` is any number. */
export function encodeConnectionResponse(
  u8: Uint8Array,
  offset: number,
  response: ConnectionResponse,
  cookie: number,
): void {
  u8.fill(0, offset, offset + CONNECTION_RESPONSE_BYTES);
  const data = new DataView(u8.buffer, u8.byteOffset);
  data.setInt32(offset, MessageId.AUTHENTICATE, true);
  data.setInt32(offset + 8, CONNECTION_RESPONSE_BYTES, true);
  data.setInt32(offset + 16, -response.error, true);
  if (!isAccepted(response)) return;
  data.setInt32(offset + 24, response.type, true);
  data.setUint32(offset + 28, response.maxMessageBytes, true);
  data.setUint32(offset + 32, cookie, true);
  RING_NAME_OFFSETS.forEach((at, i) => {
    u8.set(Buffer.from(response.rings[i]!), offset + at);
  });
}

/** What a server answered; null if a name is not terminated. Only what stock clients check is checked. */
export function decodeConnectionResponse(u8: Uint8Array, offset: number): ConnectionResponse | null {
  const data = new DataView(u8.buffer, u8.byteOffset);
  const error = data.getInt32(offset + 16, true);
  if (error !== 0) return { error: Math.abs(error) };
  const names = RING_NAME_OFFSETS.map((at) => {
    const field = u8.subarray(offset + at, offset + at + NAME_BYTES);
    const end = field.indexOf(0);
    return end < 0 ? null : Buffer.from(field.subarray(0, end)).toString();
  });
  const [request, response, event] = names;
  if (typeof request !== 'string' || typeof response !== 'string' || typeof event !== 'string') return null;
  return {
    error: 0,
    type: data.getInt32(offset + 24, true),
    maxMessageBytes: data.getUint32(offset + 28, true),
    rings: [request, response, event],
  };
}

/** The bare 24-byte response with which the daemon rejects a request (services.md 2.2). */
export function encodeErrorResponse(id: number, error: number): Uint8Array {
  const message = new Uint8Array(RESPONSE_HEADER_BYTES);
  const data = new DataView(message.buffer);
  data.setInt32(0, id, true);
  data.setInt32(8, RESPONSE_HEADER_BYTES, true);
  data.setInt32(16, error, true);
  return message;
}
