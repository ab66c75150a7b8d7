import fc from 'fast-check';
import t from 'tap';
import { FRAME_PAGE_BYTES, FramePool } from '../../src/totem/frame-pool.ts';

t.test('slots never overlap, whatever is taken and given back', async () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('alloc' as const), bytes: fc.integer({ min: 1, max: FRAME_PAGE_BYTES }) }),
    fc.record({ kind: fc.constant('alloc' as const), bytes: fc.integer({ min: 1, max: 2176 }) }),
    fc.record({ kind: fc.constant('free' as const), bytes: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
      const start = 128;
      const pool = new FramePool(start, 10 * FRAME_PAGE_BYTES);
      const taken: { offset: number; bytes: number }[] = [];
      for (const { kind, bytes } of actions) {
        if (kind === 'alloc') {
          const offset = pool.alloc(bytes);
          if (offset < 0) continue;
          const inside = offset >= start && offset + FramePool.slotBytes(bytes) <= start + 10 * FRAME_PAGE_BYTES;
          const clash = taken.some((other) => offset < other.offset + other.bytes && other.offset < offset + bytes);
          if (!inside || clash || FramePool.slotBytes(bytes) < bytes) return false;
          taken.push({ offset, bytes });
        } else if (taken.length > 0) {
          const [gone] = taken.splice(bytes % taken.length, 1);
          pool.free(gone!.offset + (bytes % gone!.bytes)); // any address inside
        }
      }
      for (const { offset } of taken) pool.free(offset);
      return pool.pagesFree === 10;
    }),
  );
});

t.test('a page kept in reserve is not begun; freeing twice is a bug', async (t) => {
  const pool = new FramePool(0, 8 * FRAME_PAGE_BYTES);
  for (let i = 0; i < 6; i++) t.not(pool.alloc(FRAME_PAGE_BYTES, 2), -1);
  t.equal(pool.alloc(FRAME_PAGE_BYTES, 2), -1);
  t.equal(pool.canServe(2, FRAME_PAGE_BYTES, 0), true);
  t.equal(pool.canServe(3, FRAME_PAGE_BYTES, 0), false);
  const offset = pool.alloc(600);
  t.not(offset, -1);
  pool.free(offset + 300);
  t.throws(() => pool.free(offset), { message: /freed twice/ });
  t.throws(() => pool.free(9 * FRAME_PAGE_BYTES), { message: /not an address/ });
});

t.test('pages that stay free between two looks are cold, once, and never those in use or never used', async (t) => {
  const pool = new FramePool(0, 20 * FRAME_PAGE_BYTES);
  const found = new Int32Array(4);
  t.equal(pool.takeCold(found), 0, 'nothing was used yet');
  const held = Array.from({ length: 12 }, () => pool.alloc(FRAME_PAGE_BYTES));
  for (const offset of held.slice(2)) pool.free(offset);
  t.equal(pool.takeCold(found), 0, 'they were in use since the last look');
  const again = Array.from({ length: 3 }, () => pool.alloc(FRAME_PAGE_BYTES));
  for (const offset of again) pool.free(offset);
  const cold: number[] = [];
  for (let count = pool.takeCold(found); count > 0; count = pool.takeCold(found))
    cold.push(...found.subarray(0, count));
  t.same(cold.length, 10, 'what was taken meanwhile is cold at the next look');
  t.same(new Set(cold), new Set(held.slice(2)));
  t.notOk(
    cold.slice(0, 4).some((offset) => again.includes(offset)),
    'the warm end comes last',
  );
  t.equal(pool.takeCold(found), 0, 'once');
});
