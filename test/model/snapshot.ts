/** Of a buffer larger than this only the beginning is kept: tables by sequence number, of which a short path uses the first places. */
const LARGE_BYTES = 2_048;
const KEPT_BYTES = 1_024;

/** A part of a buffer: of one that is given by parts the rest does not matter. */
export interface Part {
  readonly at: number;
  readonly bytes: number;
}

type Fields = Record<string, unknown>;
type Saved =
  | { readonly kind: 'buffer'; readonly buffer: ArrayBufferLike; readonly at: number; readonly bytes: Uint8Array }
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
 * All variables of a core at one moment, to be put back into the same objects, as often as that moment is continued in another way. It follows what is reachable
 * by properties; closures hold the objects, which stay the same.
 */
export class Snapshot {
  private readonly saved: Saved[] = [];
  private readonly seen = new Set<object>();

  /** `parts`: what is kept of `memory`; `without`: objects that decide nothing, such as statistics. */
  constructor(
    root: object,
    private readonly memory: ArrayBufferLike,
    private readonly parts: readonly Part[],
    without: readonly object[],
  ) {
    for (const object of without) this.seen.add(object);
    const open: object[] = [root];
    for (let next = open.pop(); next !== undefined; next = open.pop()) this.visit(next, open);
    this.seen.clear();
  }

  restore(): void {
    for (const saved of this.saved) put(saved);
  }

  private visit(value: object, open: object[]): void {
    if (this.seen.has(value)) return;
    this.seen.add(value);
    if (ArrayBuffer.isView(value)) {
      if (!this.seen.has(value.buffer)) this.keep(value.buffer);
      this.seen.add(value.buffer);
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

  private keep(buffer: ArrayBufferLike): void {
    const whole = { at: 0, bytes: buffer.byteLength > LARGE_BYTES ? KEPT_BYTES : buffer.byteLength };
    for (const { at, bytes } of buffer === this.memory ? this.parts : [whole])
      this.saved.push({ kind: 'buffer', buffer, at, bytes: new Uint8Array(buffer.slice(at, at + bytes)) });
  }
}

function put(saved: Saved): void {
  switch (saved.kind) {
    case 'buffer':
      new Uint8Array(saved.buffer).set(saved.bytes, saved.at);
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
