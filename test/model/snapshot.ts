/** Of a buffer larger than this only the beginning is kept: tables by sequence number, of which a short path uses the first places. */
const LARGE_BYTES = 32_768;
const KEPT_BYTES = 8_192;

/** Copies that were put back are used again: fresh memory costs more than the copy. */
const spare = new Map<number, Uint8Array[]>();

function keep(source: Uint8Array): Uint8Array {
  const copy = spare.get(source.length)?.pop() ?? new Uint8Array(source.length);
  copy.set(source);
  return copy;
}

function giveBack(copy: Uint8Array): void {
  const copies = spare.get(copy.length);
  if (copies === undefined) spare.set(copy.length, [copy]);
  else copies.push(copy);
}

type Fields = Record<string, unknown>;
type Saved =
  | { readonly kind: 'buffer'; readonly buffer: ArrayBufferLike; readonly bytes: Uint8Array }
  | { readonly kind: 'array'; readonly array: unknown[]; readonly items: readonly unknown[] }
  | { readonly kind: 'map'; readonly map: Map<unknown, unknown>; readonly entries: readonly [unknown, unknown][] }
  | { readonly kind: 'set'; readonly set: Set<unknown>; readonly items: readonly unknown[] }
  | {
      readonly kind: 'object';
      readonly object: Fields;
      readonly keys: readonly string[];
      readonly values: readonly unknown[];
    };

/**
 * All variables of a core at one moment, to be put back into the same objects: whoever tries every continuation of a state returns to it without running
 * the way there again. It follows what is reachable by properties; closures hold the objects, which stay the same.
 */
export class Snapshot {
  private readonly saved: Saved[] = [];
  private readonly seen = new Set<object>();

  /** `whole`: a buffer of which all is kept, from `from` on. */
  constructor(
    root: object,
    private readonly whole: ArrayBufferLike,
    private readonly from: number,
  ) {
    const open: object[] = [root];
    for (let next = open.pop(); next !== undefined; next = open.pop()) this.visit(next, open);
    this.seen.clear();
  }

  /** Once only: the copies belong to others afterwards. */
  restore(): void {
    for (const saved of this.saved) put(saved, this.whole, this.from);
  }

  private visit(value: object, open: object[]): void {
    if (this.seen.has(value)) return;
    this.seen.add(value);
    if (ArrayBuffer.isView(value)) {
      if (this.seen.has(value.buffer)) return;
      this.seen.add(value.buffer);
      this.saved.push({ kind: 'buffer', buffer: value.buffer, bytes: this.copy(value.buffer) });
      return;
    }
    const push = (item: unknown): void => {
      if (typeof item === 'object' && item !== null) open.push(item);
    };
    if (Array.isArray(value)) {
      this.saved.push({ kind: 'array', array: value, items: [...value] });
      value.forEach(push);
    } else if (value instanceof Map) {
      this.saved.push({ kind: 'map', map: value, entries: [...value] });
      for (const item of value.values()) push(item);
    } else if (value instanceof Set) {
      this.saved.push({ kind: 'set', set: value, items: [...value] });
    } else if (!Object.isFrozen(value)) {
      const object = value as Fields;
      const keys = Object.keys(object);
      const values = keys.map((key) => object[key]);
      this.saved.push({ kind: 'object', object, keys, values });
      values.forEach(push);
    }
  }

  private copy(buffer: ArrayBufferLike): Uint8Array {
    if (buffer === this.whole) return keep(new Uint8Array(buffer, this.from));
    return keep(new Uint8Array(buffer, 0, buffer.byteLength > LARGE_BYTES ? KEPT_BYTES : buffer.byteLength));
  }
}

function put(saved: Saved, whole: ArrayBufferLike, from: number): void {
  switch (saved.kind) {
    case 'buffer':
      new Uint8Array(saved.buffer).set(saved.bytes, saved.buffer === whole ? from : 0);
      giveBack(saved.bytes);
      return;
    case 'array':
      saved.array.length = 0;
      for (const item of saved.items) saved.array.push(item);
      return;
    case 'map':
      saved.map.clear();
      for (const [key, value] of saved.entries) saved.map.set(key, value);
      return;
    case 'set':
      saved.set.clear();
      for (const item of saved.items) saved.set.add(item);
      return;
    case 'object': {
      const { object, keys, values } = saved;
      keys.forEach((key, i) => {
        if (object[key] !== values[i]) object[key] = values[i];
      });
    }
  }
}
