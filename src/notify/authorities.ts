import { X509Certificate } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** All the authorities of a system take less. */
const BYTES_MAX = 1 << 20;
const BEGIN = '-----BEGIN CERTIFICATE-----';

/**
 * Certificates of the authorities, PEM, that the servers of webhooks are checked against instead of those that Node.js knows. Throws an error
 * that names the file; opening it never waits.
 */
export function readAuthorities(path: string): Buffer {
  const bytes = bytesOf(path);
  const text = bytes.toString('latin1');
  const starts = text.split(BEGIN).slice(1);
  if (starts.length === 0) throw new TypeError(`${path} holds no certificates in PEM`);
  for (const [at, rest] of starts.entries()) {
    try {
      new X509Certificate(BEGIN + rest);
    } catch {
      throw new TypeError(`${path}: certificate ${at + 1} cannot be read`);
    }
  }
  return bytes;
}

function bytesOf(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new TypeError(`${path} is not a regular file`);
    if (stat.size > BYTES_MAX) throw new TypeError(`${path} has more than ${BYTES_MAX} bytes`);
    const bytes = Buffer.alloc(stat.size);
    return bytes.subarray(0, readSync(fd, bytes, 0, stat.size, 0));
  } finally {
    closeSync(fd);
  }
}
