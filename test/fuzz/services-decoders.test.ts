import { readFileSync } from 'node:fs';
import t from 'tap';
import * as base from '../../src/services/codec/base.ts';
import * as cfg from '../../src/services/codec/cfg.ts';
import * as cmap from '../../src/services/codec/cmap.ts';
import * as cpg from '../../src/services/codec/cpg.ts';
import * as evs from '../../src/services/codec/evs.ts';
import * as pload from '../../src/services/codec/pload.ts';
import * as quorum from '../../src/services/codec/quorum.ts';
import { type Fields, Struct } from '../../src/services/codec/struct.ts';
import * as sync from '../../src/services/codec/sync.ts';
import * as votequorum from '../../src/services/codec/votequorum.ts';
import { decodeYkd } from '../../src/services/codec/ykd.ts';
import { decodeSync } from '../../src/services/sync/sync-messages.ts';
import { Mutator } from './mutator.ts';

/**
 * Every structure of the services, and every decoder of a variable part, on mutated captures of stock and on noise: a value or
 * `null`, never an exception. `FUZZ_FRAMES` frames in all; each goes to all decoders of variable parts and to some structures.
 */
const frames = Number(process.env['FUZZ_FRAMES'] ?? 30_000);
const STRUCTS_PER_FRAME = 4;
const FRAME_BYTES_MAX = 16_384;

interface Capture {
  readonly hex: string;
  readonly zero_tail?: number;
}
const vectors = JSON.parse(readFileSync(new URL('../../../test/vectors/services.json', import.meta.url), 'utf8')) as {
  node_to_node: Capture[];
  ipc: { request?: Capture; response?: Capture; event?: Capture }[];
};
const corpus = [
  ...vectors.node_to_node,
  ...vectors.ipc.flatMap(({ request, response, event }) => [request, response, event]),
]
  .filter((capture) => capture !== undefined)
  .map(({ hex, zero_tail: zeroes }): Uint8Array => Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(zeroes ?? 0)]));

const structs: Struct<Fields>[] = [];
for (const module of [base, cfg, cmap, cpg, evs, pload, quorum, sync, votequorum])
  for (const value of Object.values(module) as unknown[])
    if (value instanceof Struct) structs.push(value as Struct<Fields>);

const decoders: readonly ((bytes: Uint8Array) => unknown)[] = [
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

t.setTimeout(3_600_000);
t.test(`${frames} mutated frames`, { timeout: 3_600_000 }, async (t) => {
  const mutator = new Mutator(corpus, Number(process.env['FUZZ_SEED'] ?? 1), FRAME_BYTES_MAX);
  let decoded = 0;
  let refused = 0;
  for (let frame = 0; frame < frames; frame++) {
    const bytes = mutator.next();
    for (const decode of decoders) {
      if (decode(bytes) === null) refused++;
      else decoded++;
    }
    for (let i = 0; i < STRUCTS_PER_FRAME; i++) {
      if (structs[(frame * STRUCTS_PER_FRAME + i) % structs.length]!.decode(bytes) === null) refused++;
      else decoded++;
    }
  }
  t.ok(decoded > 0 && refused > 0, `${structs.length} structures; ${decoded} decoded, ${refused} refused`);
});
