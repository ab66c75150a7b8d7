import { assert } from '../lib/assert.ts';
import { DROP_REASON_COUNT, dropName } from './drops.ts';

/**
 * Statistics keys of stock (knet.md 7.7) but for the sums, which whoever shows them adds up, as slots of one Float64Array that other threads read. Doubles are exact up to
 * 2^53. "Unset minimum" is −1 here; whoever publishes the value turns it into the type's largest number.
 */
export const LINK_KEYS = [
  'enabled',
  'connected',
  'mtu',
  'tx_data_packets',
  'tx_data_bytes',
  'rx_data_packets',
  'rx_data_bytes',
  'tx_ping_packets',
  'tx_ping_bytes',
  'rx_ping_packets',
  'rx_ping_bytes',
  'tx_pong_packets',
  'tx_pong_bytes',
  'rx_pong_packets',
  'rx_pong_bytes',
  'tx_pmtu_packets',
  'tx_pmtu_bytes',
  'rx_pmtu_packets',
  'rx_pmtu_bytes',
  'tx_data_errors',
  'tx_data_retries',
  'tx_ping_errors',
  'tx_ping_retries',
  'tx_pong_errors',
  'tx_pong_retries',
  'tx_pmtu_errors',
  'tx_pmtu_retries',
  'latency_min',
  'latency_max',
  'latency_ave',
  'latency_samples',
  'up_count',
  'down_count',
  /** Our own: monotonic time of the last packet. */
  'heard_ms',
] as const;
export type LinkKey = (typeof LINK_KEYS)[number];

export const HANDLE_KEYS = [
  'tx_uncompressed_packets',
  'tx_compressed_packets',
  'tx_compressed_original_bytes',
  'tx_compressed_size_bytes',
  'tx_compress_time_min',
  'tx_compress_time_max',
  'tx_compress_time_ave',
  'rx_compressed_packets',
  'rx_compressed_original_bytes',
  'rx_compressed_size_bytes',
  'rx_compress_time_min',
  'rx_compress_time_max',
  'rx_compress_time_ave',
  'tx_crypt_packets',
  'tx_crypt_byte_overhead',
  'tx_crypt_time_min',
  'tx_crypt_time_max',
  'tx_crypt_time_ave',
  'rx_crypt_packets',
  'rx_crypt_time_min',
  'rx_crypt_time_max',
  'rx_crypt_time_ave',
] as const;

export const UNSET_MINIMUM = -1;

const indexes = <K extends string>(keys: readonly K[]): Readonly<Record<K, number>> => {
  const table: Partial<Record<K, number>> = {};
  keys.forEach((key, index) => {
    table[key] = index;
  });
  return table as Readonly<Record<K, number>>;
};

/** Position of a key inside of its block. */
export const LinkStat = indexes(LINK_KEYS);
export const HandleStat = indexes(HANDLE_KEYS);

/** Gives out slots by name; the same name gives the same slot again. */
export interface StatAllocator {
  readonly values: Float64Array;
  slot(name: string): number;
}

/** A block of slots: `values[slots[LinkStat.mtu]]`. */
export class StatBlock {
  readonly values: Float64Array;
  private readonly slots: Uint32Array;

  constructor(allocator: StatAllocator, prefix: string, keys: readonly string[]) {
    this.values = allocator.values;
    this.slots = Uint32Array.from(keys, (key) => allocator.slot(`${prefix}.${key}`));
    assert(keys.length > 0 && this.slots.length === keys.length, 'a slot for every key');
  }

  add(key: number, amount: number): void {
    const slot = this.slots[key]!;
    this.values[slot] = this.values[slot]! + amount;
  }

  set(key: number, value: number): void {
    this.values[this.slots[key]!] = value;
  }

  get(key: number): number {
    return this.values[this.slots[key]!]!;
  }

  /** Lowers a minimum that starts unset. */
  lower(key: number, value: number): void {
    const slot = this.slots[key]!;
    const now = this.values[slot]!;
    if (now === UNSET_MINIMUM || value < now) this.values[slot] = value;
  }

  raise(key: number, value: number): void {
    const slot = this.slots[key]!;
    if (value > this.values[slot]!) this.values[slot] = value;
  }

  /** Minimum, maximum and average stand in this order: `count` more of `value`, of which there were `before`. */
  sample(minimum: number, value: number, count: number, before: number): void {
    this.lower(minimum, value);
    this.raise(minimum + 1, value);
    this.set(minimum + 2, Math.round((this.get(minimum + 2) * before + value * count) / (before + count)));
  }

  clear(): void {
    for (const slot of this.slots) this.values[slot] = 0;
  }
}

/** Own counters beside stock's, `rondo.dropped.knet.<reason>`: what was dropped and why. */
export const dropKeys = (): string[] => {
  const keys: string[] = [];
  for (let reason = 0; reason < DROP_REASON_COUNT; reason++) keys.push(dropName(reason));
  return keys;
};

/** A self-contained allocator, for tests and for callers without shared memory. */
export class LocalStats implements StatAllocator {
  readonly values: Float64Array;
  readonly names = new Map<string, number>();
  constructor(capacity = 65_536) {
    this.values = new Float64Array(capacity);
  }
  slot(name: string): number {
    let slot = this.names.get(name);
    if (slot === undefined) {
      slot = this.names.size;
      assert(slot < this.values.length, 'room for the statistics');
      this.names.set(name, slot);
    }
    return slot;
  }
  read(name: string): number {
    const slot = this.names.get(name);
    return slot === undefined ? Number.NaN : this.values[slot]!;
  }
}
