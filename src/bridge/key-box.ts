import { assert } from '../lib/assert.ts';

const FINGERPRINT_BYTES = 64;

/**
 * A key on its way to the ring thread: the record before the configuration that needs it.
 *
 *   | fingerprint, 64 hexadecimal digits | key |
 *
 * Keys never travel as JSON: strings stay in memory until a garbage collection, and their bytes after it.
 */
export function keyRecord(fingerprint: string, key: Uint8Array): Uint8Array {
  assert(fingerprint.length === FINGERPRINT_BYTES, 'a fingerprint is a SHA-256 in hexadecimal digits');
  assert(key.length > 0, 'there is a key');
  const record = new Uint8Array(FINGERPRINT_BYTES + key.length);
  for (let i = 0; i < FINGERPRINT_BYTES; i++) record[i] = fingerprint.charCodeAt(i);
  record.set(key, FINGERPRINT_BYTES);
  return record;
}

/** Where the ring thread keeps a key between its record and the configuration that uses it. */
export class KeyBox {
  private fingerprint = '';
  private key: Uint8Array | null = null;

  /** Copies the record and overwrites it where it lies. */
  take(record: Uint8Array): void {
    assert(record.length > FINGERPRINT_BYTES, 'a fingerprint and a key'); // the pair of keyRecord
    this.wipe();
    this.fingerprint = String.fromCharCode(...record.subarray(0, FINGERPRINT_BYTES));
    this.key = new Uint8Array(record.subarray(FINGERPRINT_BYTES));
    record.fill(0);
  }

  /** The key with this fingerprint, until the next `wipe`; `null` when another one or none is here. */
  find(fingerprint: string): Uint8Array | null {
    return fingerprint === this.fingerprint ? this.key : null;
  }

  wipe(): void {
    this.key?.fill(0);
    this.key = null;
    this.fingerprint = '';
  }
}
