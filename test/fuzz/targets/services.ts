import { readFileSync } from 'node:fs';
import * as base from '../../../src/services/codec/base.ts';
import * as cfg from '../../../src/services/codec/cfg.ts';
import * as cmap from '../../../src/services/codec/cmap.ts';
import * as cpg from '../../../src/services/codec/cpg.ts';
import * as evs from '../../../src/services/codec/evs.ts';
import * as pload from '../../../src/services/codec/pload.ts';
import * as quorum from '../../../src/services/codec/quorum.ts';
import { type Fields, Struct } from '../../../src/services/codec/struct.ts';
import * as sync from '../../../src/services/codec/sync.ts';
import * as votequorum from '../../../src/services/codec/votequorum.ts';
import { decodeYkd } from '../../../src/services/codec/ykd.ts';
import { decodeSync } from '../../../src/services/sync/sync-messages.ts';
import type { FuzzSubject } from '../engine/target.ts';

interface Capture {
  readonly hex: string;
  readonly zero_tail?: number;
}

/** Messages and requests of stock. */
export function serviceCaptures(): Uint8Array[] {
  const vectors = JSON.parse(
    readFileSync(new URL('../../../../test/vectors/services.json', import.meta.url), 'utf8'),
  ) as {
    node_to_node: Capture[];
    ipc: { request?: Capture; response?: Capture; event?: Capture }[];
  };
  return [...vectors.node_to_node, ...vectors.ipc.flatMap(({ request, response, event }) => [request, response, event])]
    .filter((capture) => capture !== undefined)
    .map(({ hex, zero_tail: zeroes }) => Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(zeroes ?? 0)]));
}

/** Every structure that the services have. */
export const serviceStructs: readonly Struct<Fields>[] = [
  base,
  cfg,
  cmap,
  cpg,
  evs,
  pload,
  quorum,
  sync,
  votequorum,
].flatMap((module) =>
  (Object.values(module) as unknown[]).filter((value): value is Struct<Fields> => value instanceof Struct),
);

/** Every decoder of a variable part: a value or `null`. */
export const serviceDecoders: readonly ((bytes: Uint8Array) => unknown)[] = [
  cmap.decodeCmapMcast,
  cpg.decodeCpgConfigurationChange,
  cpg.decodeJoinList,
  evs.decodeEvsConfiguration,
  quorum.decodeQuorumChangeV0,
  quorum.decodeQuorumChangeV1,
  quorum.decodeNodeListChange,
  votequorum.decodeVotequorumQuorum,
  votequorum.decodeVotequorumNodeList,
  decodeYkd,
  (bytes) => decodeSync(bytes, 0, bytes.length),
];

export const SERVICES_SUBJECT: FuzzSubject = {
  name: 'services',
  what: 'every structure and every decoder of the services: a value or null',
  kinds: 0,
  seeds: serviceCaptures,
  run: (input) => {
    const read = serviceDecoders.flatMap((decode, at) => (decode(input) === null ? [] : [`decoder ${at}`]));
    for (const struct of serviceStructs) struct.decode(input);
    return read;
  },
};
