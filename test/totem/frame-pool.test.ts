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
  t.equal(pool.missCount, 1);
  t.equal(pool.canServe(2, FRAME_PAGE_BYTES, 0), true);
  t.equal(pool.canServe(3, FRAME_PAGE_BYTES, 0), false);
  const offset = pool.alloc(600);
  t.not(offset, -1);
  pool.free(offset + 300);
  t.throws(() => pool.free(offset), { message: /freed twice/ });
  t.throws(() => pool.free(9 * FRAME_PAGE_BYTES), { message: /not an address/ });
});
