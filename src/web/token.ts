import { createHash, timingSafeEqual } from 'node:crypto';
import { WEB_LIMITS } from './limits.ts';

const SCHEME = /^Bearer +([\x21-\x7e]+) *$/i;

/** What a request must bring in its header `Authorization: Bearer`. Only the digest of the token is kept. */
export class BearerToken {
  private constructor(private readonly digest: Uint8Array) {}

  /** From the bytes of its file, a line break at the end left out; a string says why it cannot serve. The bytes are the caller's to wipe. */
  static from(bytes: Uint8Array): BearerToken | string {
    let length = bytes.length;
    while (length > 0 && (bytes[length - 1] === 10 || bytes[length - 1] === 13)) length--;
    const token = bytes.subarray(0, length);
    if (length < WEB_LIMITS.tokenBytesMin) return `it has ${length} bytes, and ${WEB_LIMITS.tokenBytesMin} are needed`;
    if (length > WEB_LIMITS.tokenBytesMax) return `it has more than ${WEB_LIMITS.tokenBytesMax} bytes`;
    if (token.some((byte) => byte < 0x21 || byte > 0x7e)) return 'it has a byte that is no printable ASCII character';
    return new BearerToken(digestOf(token));
  }

  /** Compared by digests of the same length, in a time that says nothing. */
  matches(authorization: string | undefined): boolean {
    const given = SCHEME.exec(authorization ?? '')?.[1] ?? '';
    return timingSafeEqual(digestOf(Buffer.from(given, 'latin1')), this.digest);
  }
}

const digestOf = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
