import t from 'tap';
import { Random } from '../../src/sim/random.ts';
import { FuzzTarget } from './totem-harness.ts';

/**
 * Mutated frames into `TotemSrp.receive`, which runs every decoder, in every state that two living nodes bring the core
 * into. Nothing may throw. `FUZZ_FRAMES` sets how many (the long run: 10 million), `FUZZ_SEED` where it begins.
 */
const frames = Number(process.env['FUZZ_FRAMES'] ?? 60_000);
const firstSeed = Number(process.env['FUZZ_SEED'] ?? 1);
const FRAMES_PER_TARGET = 30_000;
const INTERESTING = [0, 1, 2, 30, 31, 44, 45, 384, 385, 16_384, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

function mutate(random: Random, material: readonly Uint8Array[]): Uint8Array {
  const frame = random.pick(material).slice();
  const view = new DataView(frame.buffer);
  for (let i = random.between(0, 3); i >= 0; i--) {
    const at = random.between(0, Math.max(0, frame.length - 4));
    switch (random.between(0, 6)) {
      case 0:
        frame[random.between(0, frame.length - 1)] = random.between(0, 255);
        break;
      case 1:
        if (frame.length >= 4) view.setUint32(at, random.pick(INTERESTING), true);
        break;
      case 2:
        // Fields of the tokens and lists: counts, sequence numbers, ring ids.
        if (frame.length >= 61) view.setUint32(13 + 4 * random.between(0, 11), random.pick(INTERESTING), true);
        break;
      case 3:
        if (frame.length >= 4) view.setUint32(at, view.getUint32(at, true) + random.between(-20, 20), true);
        break;
      case 4:
        frame[3] = random.between(0, 6);
        break;
      case 5:
        return frame.slice(0, random.between(0, frame.length));
      default: {
        const other = random.pick(material);
        const cut = random.between(0, Math.min(frame.length, other.length));
        return Buffer.concat([frame.subarray(0, cut), other.subarray(cut)]);
      }
    }
  }
  // Sometimes the other byte order.
  if (random.chance(0.05) && frame.length > 2) [frame[0], frame[1]] = [frame[1]!, frame[0]!];
  return frame;
}

/** A burst of frames of some types, then a rest in which the ring may form again: so every state is under fire. */
function burst(random: Random, target: FuzzTarget, onFrame: (frame: Uint8Array) => void): void {
  const types = random.pick([[0, 1, 5], [0, 1, 2, 5], [1], [0], [0, 1, 2, 3, 4, 5], [3, 4]]);
  const material = target.material.filter((frame) => types.includes(frame[3]!));
  if (material.length > 0)
    for (let i = random.between(1, 60); i > 0; i--) {
      onFrame(mutate(random, material));
      if (random.chance(0.2)) target.live(random.pick([0, 0.2, 1]));
    }
  for (let i = random.between(0, 40); i > 0; i--) target.live(random.pick([0.2, 0.2, 10]));
}

t.setTimeout(3_600_000);
t.test(`${frames} mutated frames`, async (t) => {
  t.setTimeout(3_600_000);
  let done = 0;
  const states = new Map<string, number>();
  for (let seed = firstSeed; done < frames; seed++) {
    const random = new Random(seed);
    const target = new FuzzTarget();
    for (let i = 0; i < 50; i++) target.live(1);
    const victim = target.nodes[0]!;
    let last: Uint8Array = new Uint8Array();
    try {
      const end = Math.min(frames, done + FRAMES_PER_TARGET);
      while (done < end)
        burst(random, target, (frame) => {
          last = frame;
          done++;
          const { phase } = victim.groups.srp;
          states.set(phase, (states.get(phase) ?? 0) + 1);
          victim.receive(frame);
        });
      // When the fire stops, the two find each other again, whatever they received.
      const together = () =>
        target.nodes.every(({ groups }) => groups.srp.phase === 'operational' && groups.srp.members.join() === '1,2');
      for (let i = 0; i < 5000 && !together(); i++) target.live(1);
      if (!together())
        throw new Error(`no ring: ${target.nodes.map(({ groups }) => `${groups.srp.phase} {${groups.srp.members}}`)}`);
    } catch (error) {
      const story = error instanceof Error ? error.stack : String(error);
      t.fail(`FUZZ_SEED=${seed}: ${story}`, { frame: Buffer.from(last).toString('hex') });
      break;
    }
  }
  t.comment(JSON.stringify([...states]));
  t.ok(done >= frames, `${done} frames`);
  for (const state of ['operational', 'gather', 'commit', 'recovery']) t.ok(states.has(state), `met in ${state}`);
});
