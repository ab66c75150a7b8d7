import type { AddressWords } from '../../knet/address.ts';
import { mapIpv4 } from '../../knet/address.ts';
import { assert } from '../../lib/assert.ts';
import type { Arena } from '../../os/arena.ts';
import { AF_INET, AF_INET6, parseIp } from '../../os/sockaddr.ts';

/** A numeric address in the form in which the core compares them. */
export function addressWords(text: string): AddressWords {
  const bytes = parseIp(text);
  assert(bytes !== null, `not an IP address: ${text}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 4) return { family: 4, words: mapIpv4(view.getUint32(0)) };
  return { family: 6, words: [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)] };
}

/** Calls back with the address of the socket address at `at`; 0 for other families. No garbage. */
export function lookUpSource(
  arena: Arena,
  at: number,
  table: { lookup(a: number, b: number, c: number, d: number): number },
): number {
  const view = arena.data;
  const family = view.getUint16(at, true);
  if (family === AF_INET) return table.lookup(0, 0, 0xffff, view.getUint32(at + 4));
  if (family !== AF_INET6) return 0;
  return table.lookup(
    view.getUint32(at + 8),
    view.getUint32(at + 12),
    view.getUint32(at + 16),
    view.getUint32(at + 20),
  );
}
