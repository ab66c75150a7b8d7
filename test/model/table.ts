const ROWS_AT_FIRST = 1 << 12;
/** A table is at most half full. */
const FREE = -1;
const HASH_PRIME = 0x0100_0193;
const HASH_START = 0x811c_9dc5;

/**
 * Rows of whole numbers, each of which is there once, in the order in which they came. The first `keys` columns tell rows apart, compared number by number: no two states are taken
 * for one because a hash says so. The columns behind them belong to the row that came first.
 */
export class Table {
  length = 0;
  private rows: Int32Array;
  private places = new Int32Array(2 * ROWS_AT_FIRST).fill(FREE);

  constructor(
    private readonly columns: number,
    private readonly keys: number,
  ) {
    this.rows = new Int32Array(ROWS_AT_FIRST * columns);
  }

  /** Returns whether the row is new. */
  add(row: Int32Array): boolean {
    const place = this.placeOf(row, 0);
    if (this.places[place] !== FREE) return false;
    if ((this.length + 1) * this.columns > this.rows.length) this.grow();
    this.rows.set(row, this.length * this.columns);
    this.places[this.placeOf(row, 0)] = this.length++;
    return true;
  }

  /** Copies a row. */
  read(index: number, row: Int32Array): void {
    const at = index * this.columns;
    for (let i = 0; i < this.columns; i++) row[i] = this.rows[at + i]!;
  }

  private placeOf(row: Int32Array, from: number): number {
    const { columns, keys, places } = this;
    let hash = HASH_START;
    for (let i = 0; i < keys; i++) hash = Math.imul(hash ^ row[from + i]!, HASH_PRIME) ^ (hash >>> 15);
    let place = (Math.imul(hash, 0x9e37_79b1) ^ (hash >>> 13)) & (places.length - 1);
    for (; places[place] !== FREE; place = (place + 1) & (places.length - 1)) {
      const at = places[place]! * columns;
      let same = 0;
      while (same < keys && this.rows[at + same] === row[from + same]) same++;
      if (same === keys) break;
    }
    return place;
  }

  private grow(): void {
    const rows = new Int32Array(2 * this.rows.length);
    rows.set(this.rows);
    this.rows = rows;
    this.places = new Int32Array(2 * this.places.length).fill(FREE);
    for (let index = 0; index < this.length; index++) this.places[this.placeOf(rows, index * this.columns)] = index;
  }
}
