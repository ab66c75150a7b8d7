import fc from 'fast-check';
import t from 'tap';
import { frameMemory } from '../../../src/lib/frame-memory.ts';
import { TotemDrop } from '../../../src/totem/drop-reason.ts';
import { checkHeader, guessForeignSender } from '../../../src/totem/wire/header.ts';
import { decodeHoldCancel, encodeHoldCancel, HoldCancel } from '../../../src/totem/wire/hold-cancel.ts';
import { checkJoin, encodeJoin, JOIN_BYTES_MAX, readJoin } from '../../../src/totem/wire/join.ts';
import { decodeMergeDetect, encodeMergeDetect, MergeDetect } from '../../../src/totem/wire/merge-detect.ts';
import { CAPTURES, fromHex, memoryOf, toHex } from '../hex.ts';

const JOINS = [
  ['join', { leave: false, systemFrom: 1, ringSeq: 5, proc: [1, 2], failed: [] }],
  ['joinFailed', { leave: false, systemFrom: 3, ringSeq: 0xd, proc: [1, 2, 3], failed: [1] }],
  ['leave', { leave: true, systemFrom: 2, ringSeq: 0x1e, proc: [1, 3], failed: [2] }],
] as const;

for (const [name, fields] of JOINS) {
  t.test(`the captured ${name} decodes and encodes`, async (t) => {
    const frame = memoryOf(fromHex(CAPTURES[name]));
    t.equal(checkHeader(frame.view, frame.at, frame.length), TotemDrop.NONE);
    t.equal(checkJoin(frame.view, frame.at, frame.length, true), TotemDrop.NONE);
    const join = readJoin(frame.view, frame.at, true);
    t.same(join, fields);
    const out = frameMemory(new Uint8Array(100));
    const length = encodeJoin(out.view, 9, join);
    t.equal(toHex(out.bytes.subarray(9, 9 + length)), toHex(fromHex(CAPTURES[name])));
  });
}

t.test('the captured MERGE_DETECT and HOLD_CANCEL decode and encode', async (t) => {
  const merge = memoryOf(fromHex(CAPTURES.mergeDetect));
  t.equal(merge.length, 29);
  const from = new MergeDetect();
  t.equal(decodeMergeDetect(merge.view, merge.at, merge.length, true, from), TotemDrop.NONE);
  t.match(from, { systemFrom: 1, ringRep: 1, ringSeq: 0xd });
  const out = frameMemory(new Uint8Array(64));
  encodeMergeDetect(out.view, 0, from);
  const expected = fromHex(CAPTURES.mergeDetect);
  expected.fill(0, 9, 13); // target_nodeid is not initialised by stock
  t.equal(toHex(out.bytes.subarray(0, 29)), toHex(expected));

  const cancel = memoryOf(fromHex(CAPTURES.holdCancel));
  t.equal(cancel.length, 25);
  const hold = new HoldCancel();
  t.equal(decodeHoldCancel(cancel.view, cancel.at, cancel.length, true, hold), TotemDrop.NONE);
  t.match(hold, { ringRep: 1, ringSeq: 0xd });
  encodeHoldCancel(out.view, 0, 2, hold);
  t.equal(toHex(out.bytes.subarray(0, 25)), toHex(fromHex(CAPTURES.holdCancel)));
  t.equal(decodeHoldCancel(cancel.view, cancel.at, 24, true, hold), TotemDrop.SHORT);
  t.equal(decodeMergeDetect(merge.view, merge.at, 28, true, from), TotemDrop.SHORT);
});

t.test('CVE-2026-35092: JOIN lists beyond their bounds or their bytes', async (t) => {
  const bytes = fromHex(CAPTURES.joinFailed);
  const view = new DataView(bytes.buffer);
  const check = (proc: number, failed: number, length = bytes.length) => {
    view.setUint32(17, proc, true);
    view.setUint32(21, failed, true);
    return checkJoin(view, 0, length, true);
  };
  t.equal(check(3, 1), TotemDrop.NONE);
  t.equal(check(3, 2), TotemDrop.SHORT);
  t.equal(check(385, 0, 65_536), TotemDrop.BAD_COUNT);
  t.equal(check(0, 385, 65_536), TotemDrop.BAD_COUNT);
  t.equal(check(0xffffffff, 1), TotemDrop.BAD_COUNT);
  t.equal(check(0x40000000, 0x40000000), TotemDrop.BAD_COUNT, '4 × (p + f) overflows to 0');
  t.equal(check(0, 0, 32), TotemDrop.SHORT);
});

t.test('a JOIN that names nobody, or a ring beyond all numbers, is refused', async (t) => {
  const bytes = fromHex(CAPTURES.join);
  const view = new DataView(bytes.buffer);
  view.setUint32(37, 0, true);
  t.equal(checkJoin(view, 0, bytes.length, true), TotemDrop.BAD_NODE);
  view.setUint32(37, 2, true);
  view.setUint32(13, 0, true);
  t.equal(checkJoin(view, 0, bytes.length, true), TotemDrop.BAD_NODE);
  view.setUint32(13, 1, true);
  view.setUint32(29, 0x80000000, true);
  t.equal(checkJoin(view, 0, bytes.length, true), TotemDrop.BAD_RING_SEQ);
});

t.test('property: JOINs survive the way over the wire, without repetitions', async () => {
  const nodes = fc.uniqueArray(fc.integer({ min: 1, max: 0xffffffff }), { maxLength: 384 });
  const out = frameMemory(new Uint8Array(JOIN_BYTES_MAX));
  fc.assert(
    fc.property(nodes, nodes, fc.boolean(), (proc, failed, leave) => {
      const join = { leave, systemFrom: 7, ringSeq: 2 ** 40 + 5, proc, failed };
      const length = encodeJoin(out.view, 0, join);
      if (checkJoin(out.view, 0, length, true) !== TotemDrop.NONE) return false;
      return JSON.stringify(readJoin(out.view, 0, true)) === JSON.stringify(join);
    }),
    { numRuns: 50 },
  );
});

t.test('headers of other products are told apart', async (t) => {
  const guess = (hex: string) => {
    const frame = memoryOf(fromHex(hex), 0);
    t.equal(checkHeader(frame.view, 0, frame.length), TotemDrop.BAD_MAGIC);
    return guessForeignSender(frame.view, 0);
  };
  const rest = '00'.repeat(20);
  t.equal(guess(`ffff${rest}`), 'Corosync 2.2');
  t.equal(guess(`fefe${rest}`), 'Corosync 2.3+');
  t.equal(guess(`0102${rest}`), 'unencrypted Kronosnet');
  t.equal(guess(`0302${rest}`), 'Corosync 1.x/2.0/2.1');
  t.equal(guess(`9102${rest}`), 'unknown');
  const view = memoryOf(fromHex(CAPTURES.join), 0).view;
  t.equal(checkHeader(view, 0, 12), TotemDrop.SHORT);
  view.setUint8(2, 2);
  t.equal(checkHeader(view, 0, 41), TotemDrop.BAD_VERSION);
  view.setUint8(2, 3);
  view.setUint8(3, 9);
  t.equal(checkHeader(view, 0, 41), TotemDrop.UNKNOWN_TYPE);
});
