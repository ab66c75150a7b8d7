import { assert } from '../../lib/assert.ts';
import type { ExactRingId, RingId } from '../../lib/ring-id.ts';

/**
 * Members of the C structures of Corosync, by offset (services.md 0.1). Most of them sit in 8-byte slots although they
 * are narrower: only a member's own bytes are read and written, the gaps are garbage of the sender and zero from us.
 * All integers are little endian.
 */
export interface WirePart {
  /** Name of the C member, dotted for nested structures. */
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  /** Text ends at its NUL or length; the rest of the array is undefined. */
  readonly text: boolean;
}

export interface Field<T> {
  readonly parts: readonly WirePart[];
  /** `base` is where the structure starts in `view`. */
  read(view: DataView, base: number): T;
  write(view: DataView, base: number, value: T): void;
}

function part(name: string, offset: number, bytes: number, text = false): readonly WirePart[] {
  return [{ name, offset, bytes, text }];
}

export const u8 = (name: string, offset: number): Field<number> => ({
  parts: part(name, offset, 1),
  read: (view, base) => view.getUint8(base + offset),
  write: (view, base, value) => view.setUint8(base + offset, value),
});

export const u16 = (name: string, offset: number): Field<number> => ({
  parts: part(name, offset, 2),
  read: (view, base) => view.getUint16(base + offset, true),
  write: (view, base, value) => view.setUint16(base + offset, value, true),
});

export const u32 = (name: string, offset: number): Field<number> => ({
  parts: part(name, offset, 4),
  read: (view, base) => view.getUint32(base + offset, true),
  write: (view, base, value) => view.setUint32(base + offset, value, true),
});

export const i32 = (name: string, offset: number): Field<number> => ({
  parts: part(name, offset, 4),
  read: (view, base) => view.getInt32(base + offset, true),
  write: (view, base, value) => view.setInt32(base + offset, value, true),
});

/** Opaque 64-bit values: handles, cookies, contexts. */
export const u64 = (name: string, offset: number): Field<bigint> => ({
  parts: part(name, offset, 8),
  read: (view, base) => view.getBigUint64(base + offset, true),
  write: (view, base, value) => view.setBigUint64(base + offset, value, true),
});

/** 64-bit lengths and sequence numbers. A hostile value above 2^53 loses digits, so it never equals or fits anything. */
export const u64Number = (name: string, offset: number): Field<number> => ({
  parts: part(name, offset, 8),
  read: (view, base) => readU64Number(view, base + offset),
  write: (view, base, value) => writeU64Number(view, base + offset, value),
});

function readU64Number(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

function writeU64Number(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

/** Text of one byte a character, up to a NUL or the end of its array. */
export function readChars(view: DataView, at: number, bytes: number): string {
  let text = '';
  for (let i = 0; i < bytes; i++) {
    const code = view.getUint8(at + i);
    if (code === 0) break;
    text += String.fromCharCode(code);
  }
  return text;
}

export function writeChars(view: DataView, at: number, bytes: number, text: string): void {
  assert(text.length <= bytes, 'text longer than its array');
  for (let i = 0; i < text.length; i++) view.setUint8(at + i, text.charCodeAt(i));
}

/** `char name[bytes]`, NUL terminated or full. */
export const chars = (name: string, offset: number, bytes: number): Field<string> => ({
  parts: part(name, offset, bytes, true),
  read: (view, base) => readChars(view, base + offset, bytes),
  write: (view, base, value) => writeChars(view, base + offset, bytes, value),
});

/** `length` as sent, which a reader may have to ignore (services.md 0.3), and the text up to its NUL. */
export interface NameValue {
  readonly length: number;
  readonly text: string;
}
export const nameValue = (text: string): NameValue => ({ length: text.length, text });

function name(wire: string, offset: number, textOffset: number, bytes: number): Field<NameValue> {
  return {
    parts: [...part(`${wire}length`, offset, 2), ...part(`${wire}value`, offset + textOffset, bytes, true)],
    read: (view, base) => ({
      length: view.getUint16(base + offset, true),
      text: readChars(view, base + offset + textOffset, bytes),
    }),
    write: (view, base, value) => {
      view.setUint16(base + offset, value.length, true);
      writeChars(view, base + offset + textOffset, bytes, value.text);
    },
  };
}

/** `mar_name_t`: u16 length, 256 bytes at 8. */
export const marName = (wire: string, offset: number): Field<NameValue> => name(wire, offset, 8, 256);
/** `cs_name_t`: u16 length, 256 bytes at 2. */
export const csName = (wire: string, offset: number): Field<NameValue> => name(wire, offset, 2, 256);

/** A CPG group name: octets, `length` as sent (it may exceed 128) and the bytes that it covers (services.md 0.3). */
export interface GroupNameValue {
  readonly length: number;
  readonly bytes: Uint8Array;
}
export const GROUP_NAME_BYTES_MAX = 128;
export const groupNameValue = (bytes: Uint8Array): GroupNameValue => ({ length: bytes.length, bytes });

/** `valueOffset` is 8 in messages (`mar_cpg_name_t`) and 4 in the C interface (`struct cpg_name`). */
export function groupName(wire: string, offset: number, valueOffset = 8): Field<GroupNameValue> {
  return {
    parts: [
      ...part(`${wire}length`, offset, 4),
      ...part(`${wire}value`, offset + valueOffset, GROUP_NAME_BYTES_MAX, true),
    ],
    read: (view, base) => {
      const length = view.getUint32(base + offset, true);
      const start = view.byteOffset + base + offset + valueOffset;
      return {
        length,
        bytes: new Uint8Array(view.buffer.slice(start, start + Math.min(length, GROUP_NAME_BYTES_MAX))),
      };
    },
    write: (view, base, value) => {
      assert(value.bytes.length <= GROUP_NAME_BYTES_MAX, 'group name too long');
      view.setUint32(base + offset, value.length, true);
      for (let i = 0; i < value.bytes.length; i++) view.setUint8(base + offset + valueOffset + i, value.bytes[i]!);
    },
  };
}

/** A ring id; `seqOffset` is 8 in IPC structures and 4 on the wire (services.md 0.2). */
export function ringId(wire: string, offset: number, seqOffset: 4 | 8): Field<RingId> {
  return {
    parts: [...part(`${wire}nodeid`, offset, 4), ...part(`${wire}seq`, offset + seqOffset, 8)],
    read: (view, base) => ({
      rep: view.getUint32(base + offset, true),
      seq: readU64Number(view, base + offset + seqOffset),
    }),
    write: (view, base, value) => {
      view.setUint32(base + offset, value.rep, true);
      writeU64Number(view, base + offset + seqOffset, value.seq);
    },
  };
}

/** As `ringId` in IPC structures, exact: what programs see is never rounded. */
export function libraryRingId(wire: string, offset: number): Field<ExactRingId> {
  return {
    parts: [...part(`${wire}nodeid`, offset, 4), ...part(`${wire}seq`, offset + 8, 8)],
    read: (view, base) => ({
      rep: view.getUint32(base + offset, true),
      seq: view.getBigUint64(base + offset + 8, true),
    }),
    write: (view, base, value) => {
      view.setUint32(base + offset, value.rep, true);
      view.setBigUint64(base + offset + 8, value.seq, true);
    },
  };
}

/** Where a multicast comes from; `conn` means something on the sending node only. */
export interface MessageSource {
  readonly nodeId: number;
  readonly conn: bigint;
}
export const messageSource = (wire: string, offset: number): Field<MessageSource> => ({
  parts: [...part(`${wire}nodeid`, offset, 4), ...part(`${wire}conn`, offset + 8, 8)],
  read: (view, base) => ({
    nodeId: view.getUint32(base + offset, true),
    conn: view.getBigUint64(base + offset + 8, true),
  }),
  write: (view, base, value) => {
    view.setUint32(base + offset, value.nodeId, true);
    view.setBigUint64(base + offset + 8, value.conn, true);
  },
});

/** How one element of an array is read and written. */
export interface Element<T> {
  readonly bytes: number;
  read(view: DataView, at: number): T;
  write(view: DataView, at: number, value: T): void;
}

/** A fixed array. Reading gives every element; a shorter list may be written. */
export const array = <T>(wire: string, offset: number, count: number, element: Element<T>): Field<readonly T[]> => ({
  parts: part(wire, offset, count * element.bytes),
  read: (view, base) => readList(view, base + offset, count, element),
  write: (view, base, values) => {
    assert(values.length <= count, `${wire} holds ${count} elements`);
    writeList(view, base + offset, values, element);
  },
});

export function readList<T>(view: DataView, at: number, count: number, element: Element<T>): T[] {
  const list: T[] = [];
  for (let i = 0; i < count; i++) list.push(element.read(view, at + i * element.bytes));
  return list;
}

export function writeList<T>(view: DataView, at: number, values: readonly T[], element: Element<T>): void {
  for (let i = 0; i < values.length; i++) element.write(view, at + i * element.bytes, values[i]!);
}

export const U32_ELEMENT: Element<number> = {
  bytes: 4,
  read: (view, at) => view.getUint32(at, true),
  write: (view, at, value) => view.setUint32(at, value, true),
};

export const I32_ELEMENT: Element<number> = {
  bytes: 4,
  read: (view, at) => view.getInt32(at, true),
  write: (view, at, value) => view.setInt32(at, value, true),
};

export const charsElement = (bytes: number): Element<string> => ({
  bytes,
  read: (view, at) => readChars(view, at, bytes),
  write: (view, at, value) => writeChars(view, at, bytes, value),
});
