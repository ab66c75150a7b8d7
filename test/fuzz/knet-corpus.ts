import { readFileSync } from 'node:fs';
import { data, ping, pong } from '../knet/bench-node.ts';
import { message } from '../knet/helpers.ts';

const { vectors } = JSON.parse(readFileSync(new URL('../../../test/vectors/knet.json', import.meta.url), 'utf8')) as {
  vectors: { packetHex?: string; packetsHex?: string[]; plaintextHex?: string }[];
};
/** Packets of the vectors, in the clear and encrypted, and some that a live link exchanges. */
export const corpus: readonly Uint8Array[] = vectors
  .flatMap(({ packetHex, packetsHex = [], plaintextHex }) => [packetHex, plaintextHex, ...packetsHex])
  .filter((hex) => hex !== undefined)
  .map((hex): Uint8Array => Buffer.from(hex, 'hex'))
  .concat([ping(1_000), pong(1_000), ping(1_000, 1, 3, 500, 0), data(message(100))]);
