import { CAPTURES, fromHex } from '../../totem/hex.ts';
import { inputOf, type Step, step, stepsOf } from '../engine/records.ts';
import type { FuzzSubject } from '../engine/target.ts';
import { FuzzTarget } from '../totem-harness.ts';

/** Steps of a story: bytes as they are; time; a frame that a living node has just sent, with fields changed. */
const RAW = 0;
const LIVE = 1;
const PATCHED = 2;
const KINDS = 3;
const TYPES = 6;
/** Two living nodes that form a ring before the story begins. */
const FORMING_TURNS = 30;
const PATCH_BYTES = 6;
const TURNS_MAX = 20;
/** Header, ring id, counts, first entries of lists: what tokens, JOINs and messages have at fixed places. */
const FIELDS = [13, 17, 21, 25, 29, 33, 37, 41, 45, 49, 53, 57, 61, 65, 69, 73, 77, 81, 85, 89, 93, 97, 101, 105];
const FRAME_FIELDS = [3, 5, 9, ...FIELDS];

/** [type, how long ago, then patches: offset u16, value u32], all big-endian: where to patch is known by the fields above. */
function patched(target: FuzzTarget, bytes: Uint8Array): Uint8Array | null {
  if (bytes.length < 2) return null;
  const material = target.material.filter((frame) => frame[3] === bytes[0]! % TYPES);
  const frame = material.at(-1 - (bytes[1]! % Math.max(1, material.length)))?.slice();
  if (frame === undefined) return null;
  const view = new DataView(frame.buffer);
  const patches = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 2; at + PATCH_BYTES <= bytes.length; at += PATCH_BYTES) {
    const where = patches.getUint16(at) % frame.length;
    const value = patches.getUint32(at + 2);
    if (where + 4 <= frame.length) view.setUint32(where, value, true);
    else return frame.slice(0, where);
  }
  return frame;
}

const patch = (type: number, ago: number, ...changes: readonly (readonly [number, number])[]): Step => {
  const bytes = new Uint8Array(2 + PATCH_BYTES * changes.length);
  const view = new DataView(bytes.buffer);
  bytes.set([type, ago]);
  changes.forEach(([where, value], i) => {
    view.setUint16(2 + i * PATCH_BYTES, where);
    view.setUint32(4 + i * PATCH_BYTES, value);
  });
  return step(PATCHED, bytes);
};

function seeds(): Uint8Array[] {
  const live = (turns: number, ms: number): Step => step(LIVE, [turns, ms]);
  const raw = Object.values(CAPTURES).map((hex) => [step(RAW, fromHex(hex)), live(2, 1)]);
  const changed = Array.from({ length: TYPES }, (_, type) =>
    FIELDS.slice(0, 12).map((field) => [patch(type, 0, [field, 0xffff_ffff]), live(1, 1), patch(type, 1), live(3, 50)]),
  ).flat();
  return [...raw, ...changed].map(inputOf);
}

export const TOTEM_SUBJECT: FuzzSubject = {
  name: 'totem',
  what: 'stories of frames, own and changed ones, for a living node in a ring of two; its invariants hold after each',
  kinds: KINDS,
  fields: (kind) => (kind === RAW ? FRAME_FIELDS : []),
  dictionary: FIELDS.map((field) => Uint8Array.of(0, field, 0xff, 0xff, 0xff, 0xff)),
  seeds,
  run: (input) => {
    const target = new FuzzTarget();
    for (let i = 0; i < FORMING_TURNS; i++) target.live(1);
    const victim = target.nodes[0]!;
    const states: string[] = [];
    for (const { kind, bytes } of stepsOf(input)) {
      const before = victim.groups.srp.phase;
      if (kind % KINDS === LIVE) {
        for (let turns = (bytes[0] ?? 0) % TURNS_MAX; turns > 0; turns--) target.live(bytes[1] ?? 1);
      } else {
        const frame = kind % KINDS === RAW ? bytes : patched(target, bytes);
        if (frame === null || frame.length === 0) continue;
        victim.receive(frame);
        states.push(`${before}, frame of type ${(frame[3] ?? 0) % 8}: ${victim.groups.srp.phase}`);
      }
    }
    return states;
  },
};
