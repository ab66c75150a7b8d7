/**
 * The two messages of the set-up (libqb-ipc.md 1.3, 1.4):
 *
 *   request, 24 bytes      | id -1 @0 | size 24 @8 | max_msg_size @16 |
 *   response, 12328 bytes  | id @0 | size @8 | error @16 | type @24 | max_msg_size @28 | cookie @32 | 3 base names, 4096 each, @40 |
 */
export const SETUP_REQUEST_BYTES = 24;
export const SETUP_RESPONSE_BYTES = 12328;
const CONNECTION_TYPE_SHM = 1;
const MESSAGE_BYTES_LIMIT = 16 * 1024 * 1024;
const NAME_BYTES = 4096;

export interface SetupResponse {
  /** 0, or the errno of a refusal. */
  readonly errno: number;
  readonly maxMessageBytes: number;
  readonly requestRing: string;
  readonly responseRing: string;
  readonly eventRing: string;
}

export function encodeSetupRequest(maxMessageBytes: number): Uint8Array {
  const bytes = new Uint8Array(SETUP_REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, -1, true);
  view.setInt32(8, SETUP_REQUEST_BYTES, true);
  view.setUint32(16, maxMessageBytes, true);
  return bytes;
}

/** A whole response, or what is wrong with it. */
export function decodeSetupResponse(bytes: Uint8Array): SetupResponse | string {
  if (bytes.length < SETUP_RESPONSE_BYTES) return `set-up response of ${bytes.length} bytes`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const errno = -view.getInt32(16, true);
  if (errno !== 0) return { errno, maxMessageBytes: 0, requestRing: '', responseRing: '', eventRing: '' };
  if (view.getInt32(24, true) !== CONNECTION_TYPE_SHM) {
    return `connection type ${view.getInt32(24, true)}; only shared memory (1) is supported`;
  }
  const maxMessageBytes = view.getUint32(28, true);
  if (maxMessageBytes < SETUP_RESPONSE_BYTES || maxMessageBytes > MESSAGE_BYTES_LIMIT) {
    return `maximum message size ${maxMessageBytes}`;
  }
  const names = [0, 1, 2].map((index) => ringName(bytes, 40 + index * NAME_BYTES));
  const [requestRing, responseRing, eventRing] = names;
  if (!requestRing || !responseRing || !eventRing) return 'a ring name that is empty or not terminated';
  return { errno: 0, maxMessageBytes, requestRing, responseRing, eventRing };
}

function ringName(bytes: Uint8Array, offset: number): string | null {
  const field = bytes.subarray(offset, offset + NAME_BYTES);
  const end = field.indexOf(0);
  if (end <= 0) return null;
  const name = new TextDecoder().decode(field.subarray(0, end));
  return name.includes('/') ? name : `/dev/shm/qb-${name}`; // servers before libqb 1.0.4 (libqb-ipc.md 1.9)
}
