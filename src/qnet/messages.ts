import { QnetMessageType, TieBreakerMode } from './ids.ts';

/** A message is a header of 6 bytes, type u16 and length u32 of what follows, and options: type u16, length u16, value (qnet.md 1). */
export const QNET_HEADER_BYTES = 6;
const OPTION_HEADER_BYTES = 4;
const OPTION_BYTES_MAX = 0xffff;
/** No ring has more. */
export const CLUSTER_NODES_MAX = 384;

export interface QnetRingId {
  readonly nodeId: number;
  readonly seq: bigint;
}

export interface QnetTieBreaker {
  readonly mode: number;
  /** 0 unless the mode is NODE_ID. */
  readonly nodeId: number;
}

export interface QnetNode {
  readonly nodeId: number;
  /** 0: not set. */
  readonly dataCenterId: number;
  /** 0 not set, 1 member, 2 dead, 3 leaving. */
  readonly state: number;
}

/** The options of a message; those that are absent were not sent. */
export interface QnetOptions {
  readonly sequence?: number;
  readonly clusterName?: Uint8Array;
  readonly tlsSupported?: number;
  readonly clientCertificateRequired?: number;
  readonly supportedMessages?: readonly number[];
  readonly supportedOptions?: readonly number[];
  readonly error?: number;
  readonly requestBytesMax?: number;
  readonly replyBytesMax?: number;
  readonly nodeId?: number;
  readonly supportedAlgorithms?: readonly number[];
  readonly algorithm?: number;
  readonly heartbeatMs?: number;
  readonly ringId?: QnetRingId;
  readonly configVersion?: bigint;
  readonly dataCenterId?: number;
  readonly nodeState?: number;
  /** One option for each node. */
  readonly nodes?: readonly QnetNode[];
  readonly listType?: number;
  readonly vote?: number;
  readonly quorate?: number;
  readonly tieBreaker?: QnetTieBreaker;
  readonly heuristics?: number;
  readonly keepActivePartition?: number;
}
type Name = keyof QnetOptions;

export interface QnetMessage extends QnetOptions {
  readonly type: number;
}

interface Codec<T> {
  encode(value: T): Uint8Array;
  /** `null`: no value of this option. */
  decode(value: DataView): T | null;
}

interface AnyCodec {
  encode(value: never): Uint8Array;
  decode(value: DataView): unknown;
}

const bytes = (size: number, fill: (view: DataView) => void): Uint8Array => {
  const value = new Uint8Array(size);
  fill(new DataView(value.buffer));
  return value;
};
const U16: Codec<number> = {
  encode: (value) => bytes(2, (view) => view.setUint16(0, value)),
  decode: (view) => (view.byteLength === 2 ? view.getUint16(0) : null),
};
const U32: Codec<number> = {
  encode: (value) => bytes(4, (view) => view.setUint32(0, value)),
  decode: (view) => (view.byteLength === 4 ? view.getUint32(0) : null),
};
const U64: Codec<bigint> = {
  encode: (value) => bytes(8, (view) => view.setBigUint64(0, value)),
  decode: (view) => (view.byteLength === 8 ? view.getBigUint64(0) : null),
};
/** A number of one or two bytes within bounds. */
const choice = (min: number, max: number, size: 1 | 2 = 1): Codec<number> => ({
  encode: (value) => (size === 1 ? Uint8Array.of(value) : U16.encode(value)),
  decode: (view) => {
    if (view.byteLength !== size) return null;
    const value = size === 1 ? view.getUint8(0) : view.getUint16(0);
    return value < min || value > max ? null : value;
  },
});
const U16_LIST: Codec<readonly number[]> = {
  encode: (values) =>
    bytes(2 * values.length, (view) => {
      for (const [at, value] of values.entries()) view.setUint16(2 * at, value);
    }),
  decode: (view) =>
    view.byteLength % 2 === 0 ? Array.from({ length: view.byteLength / 2 }, (_, at) => view.getUint16(2 * at)) : null,
};
const TEXT: Codec<Uint8Array> = {
  encode: (value) => value,
  decode: (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice(),
};
const RING_ID: Codec<QnetRingId> = {
  encode: ({ nodeId, seq }) =>
    bytes(12, (view) => {
      view.setUint32(0, nodeId);
      view.setBigUint64(4, seq);
    }),
  decode: (view) => (view.byteLength === 12 ? { nodeId: view.getUint32(0), seq: view.getBigUint64(4) } : null),
};
const TIE_BREAKER: Codec<QnetTieBreaker> = {
  encode: ({ mode, nodeId }) =>
    bytes(5, (view) => {
      view.setUint8(0, mode);
      view.setUint32(1, mode === TieBreakerMode.NODE_ID ? nodeId : 0);
    }),
  decode: (view) => {
    if (view.byteLength !== 5) return null;
    const mode = view.getUint8(0);
    if (mode < TieBreakerMode.LOWEST || mode > TieBreakerMode.NODE_ID) return null;
    return { mode, nodeId: mode === TieBreakerMode.NODE_ID ? view.getUint32(1) : 0 };
  },
};
const NODE: Codec<QnetNode> = {
  encode: ({ nodeId, dataCenterId, state }) =>
    encodeOptions({
      nodeId,
      ...(dataCenterId === 0 ? {} : { dataCenterId }),
      ...(state === 0 ? {} : { nodeState: state }),
    }),
  decode: (view) => {
    const { nodeId, dataCenterId = 0, nodeState = 0 } = decodeOptions(view, NODE_PARTS) ?? {};
    return nodeId === undefined ? null : { nodeId, dataCenterId, state: nodeState };
  },
};

/** In the order of their numbers. `nodes` stands for one option a node. */
const OPTIONS = [
  ['sequence', U32],
  ['clusterName', TEXT],
  ['tlsSupported', choice(0, 2)],
  ['clientCertificateRequired', choice(0, 255)],
  ['supportedMessages', U16_LIST],
  ['supportedOptions', U16_LIST],
  ['error', U16],
  ['requestBytesMax', U32],
  ['replyBytesMax', U32],
  ['nodeId', U32],
  ['supportedAlgorithms', U16_LIST],
  ['algorithm', U16],
  ['heartbeatMs', U32],
  ['ringId', RING_ID],
  ['configVersion', U64],
  ['dataCenterId', U32],
  ['nodeState', choice(0, 3)],
  ['nodes', NODE],
  ['listType', choice(0, 3)],
  ['vote', choice(0, 5)],
  ['quorate', choice(0, 1)],
  ['tieBreaker', TIE_BREAKER],
  ['heuristics', choice(0, 2)],
  ['keepActivePartition', choice(0, 1)],
] as const satisfies readonly (readonly [Name, AnyCodec])[];
const NUMBERS = Object.fromEntries(OPTIONS.map(([name], number) => [name, number])) as Readonly<Record<Name, number>>;
export const QNET_OPTION_NUMBERS: readonly number[] = OPTIONS.map((_, number) => number);
export const HEURISTICS_OPTION: number = NUMBERS.heuristics;
export const KEEP_ACTIVE_PARTITION_OPTION: number = NUMBERS.keepActivePartition;
const NODE_PARTS: ReadonlySet<number> = new Set([NUMBERS.nodeId, NUMBERS.dataCenterId, NUMBERS.nodeState]);

/** A message, its options in the order of the object's fields. */
export function encodeQnet(type: number, options: QnetOptions): Uint8Array {
  const body = encodeOptions(options);
  const message = new Uint8Array(QNET_HEADER_BYTES + body.length);
  const view = new DataView(message.buffer);
  view.setUint16(0, type);
  view.setUint32(2, body.length);
  message.set(body, QNET_HEADER_BYTES);
  return message;
}

function encodeOptions(options: QnetOptions): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, value] of Object.entries(options) as [Name, never][]) {
    if (value === undefined) continue;
    const number = NUMBERS[name];
    const codec: AnyCodec = OPTIONS[number]![1];
    const values: readonly never[] = name === 'nodes' ? value : [value];
    for (const one of values) parts.push(encodeOption(number, codec.encode(one)));
  }
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function encodeOption(number: number, value: Uint8Array): Uint8Array {
  if (value.length > OPTION_BYTES_MAX) throw new RangeError(`option ${number} of ${value.length} bytes`);
  const option = new Uint8Array(OPTION_HEADER_BYTES + value.length);
  const view = new DataView(option.buffer);
  view.setUint16(0, number);
  view.setUint16(2, value.length);
  option.set(value, OPTION_HEADER_BYTES);
  return option;
}

/** The reply to an ECHO_REQUEST: the same bytes with another type. */
export function echoReply(request: Uint8Array): Uint8Array {
  const reply = request.slice();
  new DataView(reply.buffer).setUint16(0, QnetMessageType.ECHO_REPLY);
  return reply;
}

/** A whole message, or `null`: its options do not fit it, or one has a value that it cannot have. Unknown options are skipped. */
export function decodeQnet(message: Uint8Array): QnetMessage | null {
  if (message.length < QNET_HEADER_BYTES) return null;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const body = new DataView(message.buffer, message.byteOffset + QNET_HEADER_BYTES, message.length - QNET_HEADER_BYTES);
  const options = decodeOptions(body);
  return options === null ? null : { type: view.getUint16(0), ...options };
}

/** `only`: numbers of the options that are read; the others are skipped. */
function decodeOptions(view: DataView, only: ReadonlySet<number> | null = null): QnetOptions | null {
  const options: Partial<Record<Name, unknown>> = {};
  const nodes: unknown[] = [];
  for (let at = 0; at < view.byteLength; ) {
    if (view.byteLength - at < OPTION_HEADER_BYTES) return null;
    const number = view.getUint16(at);
    const length = view.getUint16(at + 2);
    at += OPTION_HEADER_BYTES;
    if (view.byteLength - at < length) return null;
    const row = OPTIONS[number];
    if (row !== undefined && (only === null || only.has(number))) {
      const value: unknown = row[1].decode(new DataView(view.buffer, view.byteOffset + at, length));
      if (value === null) return null;
      if (row[0] !== 'nodes') options[row[0]] = value;
      else if (nodes.push(value) > CLUSTER_NODES_MAX) return null;
    }
    at += length;
  }
  if (nodes.length > 0) options.nodes = nodes;
  return options as QnetOptions;
}

export const sameQnetRing = (one: QnetRingId, other: QnetRingId): boolean =>
  one.nodeId === other.nodeId && one.seq === other.seq;

/** As the tools show it: both parts in hexadecimal. */
export const qnetRingText = ({ nodeId, seq }: QnetRingId): string => `${nodeId.toString(16)}.${seq.toString(16)}`;
