import { assert } from '../lib/assert.ts';

/** An IP address as four big-endian words; IPv4 is mapped (`::ffff:a.b.c.d`). Ports do not take part (knet.md 3.6). */
export interface AddressWords {
  readonly family: 4 | 6;
  readonly words: readonly [number, number, number, number];
}

export const mapIpv4 = (address: number): AddressWords['words'] => [0, 0, 0xffff, address >>> 0];

/** Id of an address that is nobody's. */
export const UNKNOWN_ADDRESS = 0;

const HASH_SLOTS = 8_192;

/**
 * Small numbers for the configured peer addresses, so that packets carry one number. Only the configuration adds to it:
 * what the network sends cannot make it grow.
 */
export class AddressTable {
  private readonly slots = new Uint16Array(HASH_SLOTS);
  private readonly words: number[] = [0, 0, 0, 0];
  private count = 0;

  /** The id of a configured address, entering it when it is new. */
  intern(address: AddressWords): number {
    const [a, b, c, d] = address.words;
    const known = this.lookup(a, b, c, d);
    if (known !== UNKNOWN_ADDRESS) return known;
    assert(this.count < HASH_SLOTS / 2, 'bounded by hosts × links');
    const id = ++this.count;
    this.words.push(a >>> 0, b >>> 0, c >>> 0, d >>> 0);
    let at = hash(a, b, c, d);
    while (this.slots[at] !== 0) at = (at + 1) & (HASH_SLOTS - 1);
    this.slots[at] = id;
    return id;
  }

  /** The id of a datagram's source, or UNKNOWN_ADDRESS. */
  lookup(a: number, b: number, c: number, d: number): number {
    const words = this.words;
    for (let at = hash(a, b, c, d); ; at = (at + 1) & (HASH_SLOTS - 1)) {
      const id = this.slots[at]!;
      if (id === 0) return UNKNOWN_ADDRESS;
      const base = id * 4;
      if (
        words[base] === a >>> 0 &&
        words[base + 1] === b >>> 0 &&
        words[base + 2] === c >>> 0 &&
        words[base + 3] === d >>> 0
      ) {
        return id;
      }
    }
  }
}

function hash(a: number, b: number, c: number, d: number): number {
  let value = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35) ^ d;
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return (value ^ (value >>> 12)) & (HASH_SLOTS - 1);
}
