import fc from 'fast-check';
import t from 'tap';
import { frameMemory } from '../../../src/lib/frame-memory.ts';
import { TotemDrop } from '../../../src/totem/drop-reason.ts';
import {
  checkCommitToken,
  commitTokenBytes,
  encodeCommitToken,
  readCommitToken,
} from '../../../src/totem/wire/commit-token.ts';
import { checkHeader, isLittleEndian } from '../../../src/totem/wire/header.ts';
import { decodeOrfToken, encodeOrfToken, OrfToken, orfTokenBytes } from '../../../src/totem/wire/orf-token.ts';
import { CAPTURES, fromHex, memoryOf, toHex } from '../hex.ts';

t.test('the captured ORF tokens decode to the captured fields', async (t) => {
  const initial = memoryOf(fromHex(CAPTURES.orfInitial));
  const token = new OrfToken();
  t.equal(initial.length, 57);
  t.equal(checkHeader(initial.view, initial.at, initial.length), TotemDrop.NONE);
  t.equal(decodeOrfToken(initial.view, initial.at, initial.length, true, token), TotemDrop.NONE);
  t.match(token, { seq: 0, tokenSeq: 0, aru: 0xffffffff, aruAddr: 1, ringRep: 1, ringSeq: 9, rtrCount: 0 });

  const request = memoryOf(fromHex(CAPTURES.orfRequest));
  t.equal(request.length, 73);
  t.equal(decodeOrfToken(request.view, request.at, request.length, true, token), TotemDrop.NONE);
  t.match(token, { seq: 98, tokenSeq: 6748, aru: 96, aruAddr: 2, ringSeq: 0xd, backlog: 0, fcc: 0, rtrCount: 1 });
  t.same([token.rtrRep[0], token.rtrRingSeq[0], token.rtrSeq[0]], [1, 0xd, 97]);
});

t.test('an encoded ORF token has the captured bytes', async (t) => {
  const request = memoryOf(fromHex(CAPTURES.orfRequest));
  const token = new OrfToken();
  decodeOrfToken(request.view, request.at, request.length, true, token);
  const out = frameMemory(new Uint8Array(600));
  const length = encodeOrfToken(out.view, 7, 2, token);
  const expected = fromHex(CAPTURES.orfRequest);
  expected.fill(0, 9, 13); // stock leaves memory there, we send 0 (totem.md 1.1)
  t.equal(toHex(out.bytes.subarray(7, 7 + length)), toHex(expected));
});

t.test('the captured commit token decodes and encodes', async (t) => {
  const first = memoryOf(fromHex(CAPTURES.commitFirst));
  t.equal(first.length, 97);
  t.equal(checkCommitToken(first.view, first.at, first.length, true), TotemDrop.NONE);
  const token = readCommitToken(first.view, first.at, first.length, true);
  t.same(token, {
    tokenSeq: 1,
    ringId: { rep: 1, seq: 9 },
    retransFlg: 0,
    membIndex: 1,
    addr: [1, 2],
    entries: [
      { ringId: { rep: 1, seq: 5 }, aru: 8, highDelivered: 8, receivedFlg: 1 },
      { ringId: { rep: 0, seq: 0 }, aru: 0, highDelivered: 0, receivedFlg: 0 },
    ],
    trailerMembers: 0,
    capabilities: 0,
  });
  const out = frameMemory(new Uint8Array(200));
  const length = encodeCommitToken(out.view, 1, 1, token);
  t.equal(toHex(out.bytes.subarray(1, 1 + length)), toHex(fromHex(CAPTURES.commitFirst)));
});

const u32 = fc.nat({ max: 0xffffffff });
const ringSeq = fc.maxSafeNat().map((seq) => seq % 2 ** 52);

t.test('property: ORF tokens survive the way over the wire', async () => {
  const out = frameMemory(new Uint8Array(600));
  fc.assert(
    fc.property(u32, u32, u32, ringSeq, fc.array(fc.tuple(u32, ringSeq, u32), { maxLength: 30 }), (a, b, c, d, rtr) => {
      const token = new OrfToken();
      Object.assign(token, { seq: a, tokenSeq: b, aru: c, aruAddr: b, ringRep: a, ringSeq: d, backlog: c, fcc: a });
      token.rtrCount = rtr.length;
      rtr.forEach(([rep, seq, missing], i) => {
        token.rtrRep[i] = rep;
        token.rtrRingSeq[i] = seq;
        token.rtrSeq[i] = missing;
      });
      const length = encodeOrfToken(out.view, 5, 1, token);
      const back = new OrfToken();
      if (decodeOrfToken(out.view, 5, length, true, back) !== TotemDrop.NONE) return false;
      if (decodeOrfToken(out.view, 5, length - 1, true, new OrfToken()) !== TotemDrop.SHORT) return false;
      return JSON.stringify(back) === JSON.stringify(token) && length === orfTokenBytes(rtr.length);
    }),
  );
});

t.test('the other byte order is understood', async (t) => {
  const bytes = new Uint8Array(73);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xc070);
  bytes[2] = 3;
  view.setUint32(13, 98);
  view.setUint32(29, 1);
  view.setUint32(37, 0xd); // low word of a big-endian u64
  view.setUint32(53, 1);
  view.setUint32(69, 97);
  t.equal(checkHeader(view, 0, 73), TotemDrop.NONE);
  t.equal(isLittleEndian(view, 0), false);
  const token = new OrfToken();
  t.equal(decodeOrfToken(view, 0, 73, false, token), TotemDrop.NONE);
  t.match(token, { seq: 98, ringRep: 1, ringSeq: 0xd, rtrCount: 1 });
  t.equal(token.rtrSeq[0], 97);
});

t.test('CVE-2025-30472: an ORF token with more requests than its bytes or than the protocol allows', async (t) => {
  const bytes = fromHex(CAPTURES.orfRequest);
  const view = new DataView(bytes.buffer);
  const token = new OrfToken();
  for (const [count, reason] of [
    [2, TotemDrop.SHORT],
    [30, TotemDrop.SHORT],
    [31, TotemDrop.BAD_COUNT],
    [0x7fffffff, TotemDrop.BAD_COUNT],
    [0xffffffff, TotemDrop.BAD_COUNT],
    [0x10000001, TotemDrop.BAD_COUNT], // 16 × count overflows 32 bits
  ] as const) {
    view.setUint32(53, count, true);
    t.equal(decodeOrfToken(view, 0, bytes.length, true, token), reason, `count ${count}`);
  }
  const long = new Uint8Array(57 + 16 * 100);
  long.set(bytes.subarray(0, 57));
  new DataView(long.buffer).setUint32(53, 100, true);
  t.equal(decodeOrfToken(new DataView(long.buffer), 0, long.length, true, token), TotemDrop.TOO_LONG);
});

t.test('CVE-2026-35091: a commit token that is shorter than its count says', async (t) => {
  const bytes = fromHex(CAPTURES.commitFirst);
  const view = new DataView(bytes.buffer);
  for (let length = 0; length < commitTokenBytes(2); length++)
    t.not(checkCommitToken(view, 0, length, true), TotemDrop.NONE, `length ${length}`);
  view.setInt32(37, 0, true);
  t.equal(checkCommitToken(view, 0, bytes.length, true), TotemDrop.BAD_COUNT, 'no members');
  view.setInt32(37, -1, true);
  t.equal(checkCommitToken(view, 0, bytes.length, true), TotemDrop.BAD_COUNT, 'negative count');
  view.setInt32(37, 385, true);
  t.equal(checkCommitToken(view, 0, 65_536, true), TotemDrop.BAD_COUNT, 'above PROCESSOR_COUNT_MAX');
  view.setInt32(37, 2, true);
  view.setInt32(33, 3, true);
  t.equal(checkCommitToken(view, 0, bytes.length, true), TotemDrop.BAD_COUNT, 'index behind the members');
  view.setInt32(33, -1, true);
  t.equal(checkCommitToken(view, 0, bytes.length, true), TotemDrop.BAD_COUNT, 'negative index');
});
