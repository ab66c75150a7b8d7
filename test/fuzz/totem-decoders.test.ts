import t from 'tap';
import { frameMemory } from '../../src/lib/frame-memory.ts';
import { Random } from '../../src/sim/random.ts';
import { Assembler } from '../../src/totem/assembler.ts';
import { TotemDrop } from '../../src/totem/drop-reason.ts';
import { checkCommitToken, encodeCommitToken, readCommitToken } from '../../src/totem/wire/commit-token.ts';
import { GroupHeader, GroupTable } from '../../src/totem/wire/group-header.ts';
import { checkHeader, isLittleEndian } from '../../src/totem/wire/header.ts';
import { decodeHoldCancel, HoldCancel } from '../../src/totem/wire/hold-cancel.ts';
import { checkJoin, encodeJoin, readJoin } from '../../src/totem/wire/join.ts';
import { decodeMergeDetect, MergeDetect } from '../../src/totem/wire/merge-detect.ts';
import { decodeOrfToken, encodeOrfToken, OrfToken } from '../../src/totem/wire/orf-token.ts';
import { CAPTURES, fromHex } from '../totem/hex.ts';

/** Every decoder alone, on mutated captures and on noise. `FUZZ_FRAMES` as in totem.test.ts. */
const frames = Number(process.env['FUZZ_FRAMES'] ?? 300_000);
const captures = Object.values(CAPTURES).map(fromHex);
const GUARD = 4096;

t.setTimeout(3_600_000);
t.test(`${frames} frames through each decoder`, async (t) => {
  t.setTimeout(3_600_000);
  const random = new Random(Number(process.env['FUZZ_SEED'] ?? 1));
  const memory = frameMemory(new Uint8Array(70_000));
  const out = frameMemory(new Uint8Array(70_000));
  let delivered = 0;
  const drops = new Map<number, number>();
  const table = new GroupTable(['sync', 'a', 'ykd']);
  const assembler = new Assembler(
    memory,
    table,
    0,
    0,
    (_group, _node, from, offset, length) => {
      delivered++;
      if (offset < 0 || length < 0 || offset + length > from.bytes.length)
        throw new Error('delivered outside of memory');
    },
    (reason) => void drops.set(reason, (drops.get(reason) ?? 0) + 1),
  );
  const token = new OrfToken();
  const merge = new MergeDetect();
  const hold = new HoldCancel();
  const group = new GroupHeader();
  const accepted = { orf: 0, commit: 0, join: 0 };
  for (let i = 0; i < frames; i++) {
    const capture = random.pick(captures);
    // What lies behind the frame must never be read: noise there would show as an accepted field.
    const length = random.chance(0.8) ? capture.length : random.between(0, 1600);
    memory.bytes.set(capture, GUARD);
    for (let n = random.between(0, 6); n > 0; n--)
      memory.bytes[GUARD + random.between(0, Math.max(60, length) - 1)] = random.pick([
        0,
        1,
        2,
        255,
        random.between(0, 255),
      ]);
    const { view } = memory;
    if (checkHeader(view, GUARD, length) !== TotemDrop.NONE) continue;
    const le = isLittleEndian(view, GUARD);
    if (decodeOrfToken(view, GUARD, length, le, token) === TotemDrop.NONE) {
      accepted.orf++;
      if (encodeOrfToken(out.view, 0, 1, token) > length) throw new Error('a token grew');
    }
    if (checkCommitToken(view, GUARD, length, le) === TotemDrop.NONE) {
      accepted.commit++;
      if (encodeCommitToken(out.view, 0, 1, readCommitToken(view, GUARD, length, le)) > length)
        throw new Error('a token grew');
    }
    if (checkJoin(view, GUARD, length, le) === TotemDrop.NONE) {
      accepted.join++;
      if (encodeJoin(out.view, 0, readJoin(view, GUARD, le)) > length) throw new Error('a JOIN grew');
    }
    decodeMergeDetect(view, GUARD, length, le, merge);
    decodeHoldCancel(view, GUARD, length, le, hold);
    table.read(memory.bytes, GUARD, length, le, group);
    assembler.packet(random.between(1, 3), GUARD + 45, Math.max(0, length - 45), le);
    if (i % 1000 === 0) assembler.forget([1, 2, 3]);
  }
  t.comment(JSON.stringify({ ...accepted, delivered, drops: [...drops] }));
  t.ok(accepted.orf > 0 && accepted.commit > 0 && accepted.join > 0 && delivered > 0);
});
