import { RESPONSE_HEADER_BYTES } from '../lib/ipc-header.ts';
/**
 * Messages of the setup socket and the headers of all others (libqb-ipc.md 1.2-1.4). Each 32-bit field has an 8-byte slot; the upper
 * half is garbage in what stock sends and zero in what we send.
 *
 *   request header (16)     0 id i32 | 8 size i32
 *   response header (24)    0 id i32 | 8 size i32 | 16 error i32               events have it too
 *   connection request      0 id = -1 | 8 size = 24 | 16 max_msg_size u32                                        24 bytes
 *   connection response     0 id = -1 | 8 size | 16 error | 24 type | 28 max_msg_size | 32 cookie | 40, 4136, 8232 names of 4096    12328
 */
export const CONNECTION_REQUEST_BYTES = 24;
export const CONNECTION_RESPONSE_BYTES = 12328;

export const MessageId = { AUTHENTICATE: -1, DISCONNECT: -3 } as const;
export const ConnectionType = { SOCKET: 0, SHARED_MEMORY: 1 } as const;

/** Ends of the datagram sockets' names, behind the name that the response has in the place of the response ring's (libqb-ipc.md 3.9). */
export const DatagramName = {
  /** The daemon's: requests come in, responses go out. */
  REQUESTS_IN: '-request',
  EVENTS_OUT: '-event-tx',
  /** The client's: requests go out, responses come in. */
  RESPONSES_IN: '-response',
  EVENTS_IN: '-event',
} as const;
/** The control file: { sent i32, flow control i32 } of requests, responses and events. Only the word of the requests means something. */
export const CONTROL_BYTES = 24;
export const CONTROL_FLOW_AT = 4;

const NAME_BYTES = 4096;
const RING_NAME_OFFSETS = [40, 4136, 8232] as const;

/** Sizes and counts that a peer may ask for. */
export const IPC_LIMITS = {
  /** What every stock library asks for. */
  messageBytesDefault: 1_048_576,
  /** libqb never agrees on less than its own connection response. */
  messageBytesMin: CONNECTION_RESPONSE_BYTES,
  /** libqb has no bound (libqb-ipc.md trap 6); more than this is refused with EMSGSIZE. */
  messageBytesMax: 4 * 1_048_576,
  /**
   * Clients that wait to be accepted; the kernel takes less if net.core.somaxconn says so. libqb: 128, which a flood fills in a moment of
   * other work, and then root is refused, too. To accept and to judge one takes some 10 µs, so that root waits for 40 ms behind all of these.
   */
  backlog: 4096,
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

/** The connection is made. */
export interface Accepted {
  readonly error: 0;
  readonly type: number;
  readonly maxMessageBytes: number;
  /** Paths without `-header`/`-data`; with datagrams the control file, the base of the sockets' names, and nothing. */
  readonly rings: RingNames;
}
/** `error` is a positive errno. */
export interface Refused {
  readonly error: number;
}
export type ConnectionResponse = Accepted | Refused;

export const isAccepted = (response: ConnectionResponse): response is Accepted => response.error === 0;

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

/** The response of a server, or what is wrong with it: only what stock clients check, and that sizes and names can be used. */
export function decodeConnectionResponse(bytes: Uint8Array): ConnectionResponse | string {
  if (bytes.length < CONNECTION_RESPONSE_BYTES) return `connection response of ${bytes.length} bytes`;
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const error = data.getInt32(16, true);
  if (error !== 0) return { error: Math.abs(error) };
  const type = data.getInt32(24, true);
  const maxMessageBytes = data.getUint32(28, true);
  if (maxMessageBytes < IPC_LIMITS.messageBytesMin || maxMessageBytes > IPC_LIMITS.messageBytesMax) {
    return `maximum message size ${maxMessageBytes}`;
  }
  const [request, response, named] = RING_NAME_OFFSETS.map((at) => decodeName(bytes, at));
  const event = type === ConnectionType.SOCKET ? '' : named;
  if (!request || !response || event == null) return 'a ring name that is empty or not terminated';
  return { error: 0, type, maxMessageBytes, rings: [request, response, event] };
}

function decodeName(bytes: Uint8Array, at: number): string | null {
  const field = bytes.subarray(at, at + NAME_BYTES);
  const end = field.indexOf(0);
  if (end <= 0) return null;
  const name = new TextDecoder().decode(field.subarray(0, end));
  return name.includes('/') ? name : `/dev/shm/qb-${name}`; // servers before libqb 1.0.4 (libqb-ipc.md 1.9)
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
