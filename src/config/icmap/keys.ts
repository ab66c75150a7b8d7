/** Rules of key names (services.md 5.1): 3 to 255 bytes out of `A-Z a-z 0-9 . _ - / :`. */
export const ICMAP_KEY_BYTES_MIN = 3;
export const ICMAP_KEY_BYTES_MAX = 255;

const ALLOWED = /^[A-Za-z0-9._\-/:]*$/;

export function isValidKey(key: string): boolean {
  return key.length >= ICMAP_KEY_BYTES_MIN && key.length <= ICMAP_KEY_BYTES_MAX && ALLOWED.test(key);
}

/**
 * Keys in ascending byte order. Valid keys are ASCII, so JavaScript's comparison of strings is the comparison of
 * bytes, and stock's order of iteration.
 */
export class SortedKeys {
  private readonly keys: string[] = [];

  get size(): number {
    return this.keys.length;
  }

  at(index: number): string | undefined {
    return this.keys[index];
  }

  /** Index of the first key that is not below `key`. */
  lowerBound(key: string): number {
    let low = 0;
    let high = this.keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Index of the first key above `key`. */
  upperBound(key: string): number {
    const index = this.lowerBound(key);
    return this.keys[index] === key ? index + 1 : index;
  }

  add(key: string): void {
    const index = this.lowerBound(key);
    if (this.keys[index] !== key) this.keys.splice(index, 0, key);
  }

  delete(key: string): void {
    const index = this.lowerBound(key);
    if (this.keys[index] === key) this.keys.splice(index, 1);
  }
}
