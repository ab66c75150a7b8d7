import { corrupt } from './corrupt.ts';

/** The LZMA coder inside of LZMA2 chunks: an adaptive binary range coder and the models that it is asked with. */
const TOP = 1 << 24;
const MODEL_BITS = 11;
const MOVE_BITS = 5;
const PROBABILITY_START = 1 << (MODEL_BITS - 1);
const STATES = 12;
const POS_STATES_MAX = 16;
const LEN_TO_POS_STATES = 4;
const ALIGN_BITS = 4;
const MATCH_MIN = 2;
const END_POS_MODEL = 14;
const LITERAL_SIZE = 0x300;

/** Layout of one length coder: choice, choice 2, low and mid by position state, high. */
const LEN_LOW = 2;
const LEN_MID = LEN_LOW + (POS_STATES_MAX << 3);
const LEN_HIGH = LEN_MID + (POS_STATES_MAX << 3);
const LEN_SIZE = LEN_HIGH + 256;

/** Layout of all models in one array. */
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POS_STATES_MAX;
const IS_REP_G0 = IS_REP + STATES;
const IS_REP_G1 = IS_REP_G0 + STATES;
const IS_REP_G2 = IS_REP_G1 + STATES;
const IS_REP0_LONG = IS_REP_G2 + STATES;
const POS_SLOT = IS_REP0_LONG + STATES * POS_STATES_MAX;
const POS_SPECIAL = POS_SLOT + LEN_TO_POS_STATES * 64;
const ALIGN = POS_SPECIAL + 128;
const MATCH_LEN = ALIGN + (1 << ALIGN_BITS);
const REP_LEN = MATCH_LEN + LEN_SIZE;
const LITERALS = REP_LEN + LEN_SIZE;

export class LzmaDecoder {
  private readonly models = new Uint16Array(LITERALS + (LITERAL_SIZE << 4));
  private range = 0;
  private code = 0;
  private at = 0;
  private end = 0;
  private lc = 0;
  private lp = 0;
  private pb = 0;
  private state = 0;
  private rep0 = 0;
  private rep1 = 0;
  private rep2 = 0;
  private rep3 = 0;

  constructor(private readonly bytes: Uint8Array) {}

  /** `properties` = (pb · 5 + lp) · 9 + lc; LZMA2 allows lc + lp ≤ 4. */
  setProperties(properties: number): void {
    if (properties >= 9 * 5 * 5) corrupt();
    this.lc = properties % 9;
    const rest = Math.floor(properties / 9);
    this.lp = rest % 5;
    this.pb = Math.floor(rest / 5);
    if (this.lc + this.lp > 4) corrupt();
  }

  resetState(): void {
    this.models.fill(PROBABILITY_START);
    this.state = 0;
    this.rep0 = 0;
    this.rep1 = 0;
    this.rep2 = 0;
    this.rep3 = 0;
  }

  /** Decodes `size` bytes to `to`; history reaches back to `start`. */
  chunk(offset: number, length: number, start: number, to: number, size: number): void {
    this.at = offset;
    this.end = offset + length;
    if (length < 5 || this.bytes[this.at++] !== 0) corrupt();
    this.range = 0xffffffff;
    this.code = 0;
    for (let i = 0; i < 4; i++) this.code = ((this.code << 8) | this.bytes[this.at++]!) >>> 0;
    const stop = to + size;
    let position = to;
    while (position < stop) position = this.next(start, position, stop);
    if (this.range < TOP) this.normalise();
    if (this.at !== this.end || this.code !== 0) corrupt();
  }

  private next(start: number, to: number, stop: number): number {
    const posState = (to - start) & ((1 << this.pb) - 1);
    if (this.bit(IS_MATCH + (this.state << 4) + posState) === 0) {
      this.literal(start, to);
      return to + 1;
    }
    const length = this.bit(IS_REP + this.state) === 0 ? this.simpleMatch(posState) : this.repeated(posState);
    if (this.rep0 >= to - start || to + length > stop) corrupt();
    const { bytes } = this;
    for (let i = 0, from = to - this.rep0 - 1; i < length; i++) bytes[to + i] = bytes[from + i]!;
    return to + length;
  }

  private literal(start: number, to: number): void {
    const { bytes, models } = this;
    const previous = to > start ? bytes[to - 1]! : 0;
    const context = (((to - start) & ((1 << this.lp) - 1)) << this.lc) + (previous >> (8 - this.lc));
    const base = LITERALS + LITERAL_SIZE * context;
    if (base + LITERAL_SIZE > models.length) corrupt();
    let symbol = 1;
    if (this.state >= 7) {
      if (this.rep0 >= to - start) corrupt();
      let match = bytes[to - this.rep0 - 1]!;
      do {
        const matchBit = (match >> 7) & 1;
        match <<= 1;
        const bit = this.bit(base + ((1 + matchBit) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (matchBit !== bit) break;
      } while (symbol < 0x100);
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.bit(base + symbol);
    bytes[to] = symbol & 0xff;
    this.state = this.state < 4 ? 0 : this.state < 10 ? this.state - 3 : this.state - 6;
  }

  private simpleMatch(posState: number): number {
    this.rep3 = this.rep2;
    this.rep2 = this.rep1;
    this.rep1 = this.rep0;
    const length = this.length(MATCH_LEN, posState);
    this.state = this.state < 7 ? 7 : 10;
    this.rep0 = this.distance(length);
    return length + MATCH_MIN;
  }

  private repeated(posState: number): number {
    if (this.bit(IS_REP_G0 + this.state) === 0) {
      if (this.bit(IS_REP0_LONG + (this.state << 4) + posState) === 0) {
        this.state = this.state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      let distance: number;
      if (this.bit(IS_REP_G1 + this.state) === 0) {
        distance = this.rep1;
      } else {
        if (this.bit(IS_REP_G2 + this.state) === 0) {
          distance = this.rep2;
        } else {
          distance = this.rep3;
          this.rep3 = this.rep2;
        }
        this.rep2 = this.rep1;
      }
      this.rep1 = this.rep0;
      this.rep0 = distance;
    }
    const length = this.length(REP_LEN, posState);
    this.state = this.state < 7 ? 8 : 11;
    return length + MATCH_MIN;
  }

  private length(base: number, posState: number): number {
    if (this.bit(base) === 0) return this.tree(base + LEN_LOW + (posState << 3), 3);
    if (this.bit(base + 1) === 0) return 8 + this.tree(base + LEN_MID + (posState << 3), 3);
    return 16 + this.tree(base + LEN_HIGH, 8);
  }

  private distance(length: number): number {
    const slot = this.tree(POS_SLOT + (Math.min(length, LEN_TO_POS_STATES - 1) << 6), 6);
    if (slot < 4) return slot;
    const directBits = (slot >> 1) - 1;
    let distance = ((2 | (slot & 1)) << directBits) >>> 0;
    if (slot < END_POS_MODEL) {
      distance += this.reverseTree(POS_SPECIAL + distance - slot, directBits);
    } else {
      distance += this.direct(directBits - ALIGN_BITS) * (1 << ALIGN_BITS);
      distance += this.reverseTree(ALIGN, ALIGN_BITS);
    }
    return distance;
  }

  private tree(base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.bit(base + symbol);
    return symbol - (1 << bits);
  }

  private reverseTree(base: number, bits: number): number {
    let node = 1;
    let symbol = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(base + node);
      node = (node << 1) | bit;
      symbol |= bit << i;
    }
    return symbol;
  }

  private direct(bits: number): number {
    let value = 0;
    for (let i = 0; i < bits; i++) {
      if (this.range < TOP) this.normalise();
      this.range >>>= 1;
      const bit = this.code >= this.range ? 1 : 0;
      if (bit === 1) this.code = (this.code - this.range) >>> 0;
      value = value * 2 + bit;
    }
    return value;
  }

  private bit(model: number): number {
    if (this.range < TOP) this.normalise();
    const probability = this.models[model]!;
    const bound = (this.range >>> MODEL_BITS) * probability;
    if (this.code < bound) {
      this.range = bound;
      this.models[model] = probability + (((1 << MODEL_BITS) - probability) >> MOVE_BITS);
      return 0;
    }
    this.range = (this.range - bound) >>> 0;
    this.code = (this.code - bound) >>> 0;
    this.models[model] = probability - (probability >> MOVE_BITS);
    return 1;
  }

  private normalise(): void {
    if (this.at >= this.end) corrupt();
    this.range = (this.range << 8) >>> 0;
    this.code = ((this.code << 8) | this.bytes[this.at++]!) >>> 0;
  }
}
