import t from 'tap';
import { Mutator } from './mutator.ts';
import { serviceCaptures, serviceDecoders, serviceStructs } from './targets/services.ts';

/**
 * Every structure of the services, and every decoder of a variable part, on mutated captures of stock and on noise: a value or
 * `null`, never an exception. `FUZZ_FRAMES` frames in all; each goes to all decoders of variable parts and to some structures.
 */
const frames = Number(process.env['FUZZ_FRAMES'] ?? 30_000);
const STRUCTS_PER_FRAME = 4;
const FRAME_BYTES_MAX = 16_384;

t.setTimeout(3_600_000);
t.test(`${frames} mutated frames`, { timeout: 3_600_000 }, async (t) => {
  const mutator = new Mutator(serviceCaptures(), Number(process.env['FUZZ_SEED'] ?? 1), FRAME_BYTES_MAX);
  let decoded = 0;
  let refused = 0;
  for (let frame = 0; frame < frames; frame++) {
    const bytes = mutator.next();
    for (const decode of serviceDecoders) {
      if (decode(bytes) === null) refused++;
      else decoded++;
    }
    for (let i = 0; i < STRUCTS_PER_FRAME; i++) {
      if (serviceStructs[(frame * STRUCTS_PER_FRAME + i) % serviceStructs.length]!.decode(bytes) === null) refused++;
      else decoded++;
    }
  }
  t.ok(decoded > 0 && refused > 0, `${serviceStructs.length} structures; ${decoded} decoded, ${refused} refused`);
});
