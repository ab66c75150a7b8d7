import t from 'tap';
import { Arena } from '../../src/os/arena.ts';
import { CollectionWatch } from '../../src/os/collection-watch.ts';
import { lockRange } from '../../src/os/schedule.ts';
import { Reclaim } from '../../src/ring/reclaim.ts';
import { FRAME_PAGE_BYTES, FramePool } from '../../src/totem/frame-pool.ts';

const PAGES = 12;

for (const locked of [false, true]) {
  t.test(`frames of a load that is over are given back${locked ? ', locked ones, too' : ''}`, async (t) => {
    const arena = Arena.map(4 << 20);
    const start = arena.allocate(PAGES * FRAME_PAGE_BYTES, 64);
    if (locked && !lockRange(arena.address, arena.byteLength).ok) t.comment('memory cannot be locked here');
    const pool = new FramePool(start, PAGES * FRAME_PAGE_BYTES);
    const given = { values: new Float64Array(1), slot: 0 };
    const reclaim = new Reclaim(arena, pool, given);
    const held = Array.from({ length: PAGES }, () => pool.alloc(FRAME_PAGE_BYTES));
    for (const offset of held) arena.u8.fill(7, offset, offset + FRAME_PAGE_BYTES);
    for (const offset of held.slice(1)) pool.free(offset);
    for (let ms = 1; ms < 1000; ms += 10) reclaim.beforeSleep(ms, 1);
    t.equal(given.values[0], 0, 'used since the last look');
    reclaim.beforeSleep(1001, 1);
    reclaim.beforeSleep(2002, 1);
    if (given.values[0] === 0) {
      t.comment('the kernel does not take this back');
      return;
    }
    t.ok(given.values[0]! > (PAGES - 2) * (FRAME_PAGE_BYTES - 8192), `${given.values[0]} bytes`);
    const middle = FRAME_PAGE_BYTES / 2;
    t.same(
      held.map((offset) => arena.u8[offset + middle]),
      [7, ...new Array(PAGES - 1).fill(0)],
      'what is in use stays',
    );
    t.same([arena.u8[held[0]!], arena.u8[held[0]! + FRAME_PAGE_BYTES - 1]], [7, 7], 'to its last byte');
    arena.u8[held[5]! + middle] = 9;
    t.equal(arena.u8[held[5]! + middle], 9, 'the address is there');
  });
}

t.test('a quiet loop collects its heap when it has grown', async (t) => {
  const arena = Arena.map(1 << 20);
  const pool = new FramePool(arena.allocate(8 * FRAME_PAGE_BYTES, 64), 8 * FRAME_PAGE_BYTES);
  const reclaim = new Reclaim(arena, pool, { values: new Float64Array(1), slot: 0 });
  let waste: Uint8Array[] = Array.from({ length: 64 }, () => new Uint8Array(1 << 20));
  t.ok(process.memoryUsage().arrayBuffers > 60 << 20);
  reclaim.beforeSleep(1000, waste.length);
  waste = [];
  reclaim.beforeSleep(5000, 64);
  reclaim.beforeSleep(6500, 64);
  t.ok(process.memoryUsage().arrayBuffers < 30 << 20, `${process.memoryUsage().arrayBuffers}`);
});

t.test('the first look is the beginning of the quiet, however long the machine has been up', async (t) => {
  const arena = Arena.map(1 << 20);
  const pool = new FramePool(arena.allocate(8 * FRAME_PAGE_BYTES, 64), 8 * FRAME_PAGE_BYTES);
  const reclaim = new Reclaim(arena, pool, { values: new Float64Array(1), slot: 0 });
  const watch = new CollectionWatch();
  const collections = (): number => watch.take().find(({ kind }) => kind === 'major')?.count ?? 0;
  watch.start();
  reclaim.beforeSleep(1_000_000, 0);
  reclaim.beforeSleep(1_004_000, 0);
  t.equal(collections(), 0);
  reclaim.beforeSleep(1_006_000, 0);
  t.ok(collections() > 0);
  watch.stop();
});
