import t from 'tap';
import { RingIdKeeper } from '../../src/daemon/ring-id-keeper.ts';

function bench() {
  const disk = { broken: false };
  const clock = { ms: 0 };
  const lines: string[] = [];
  const reserved: number[] = [];
  const failures: unknown[] = [];
  const works = (): void => {
    if (disk.broken) throw new Error("Couldn't store the ring id in /s/ringid_1: EROFS: read-only file system");
  };
  const store = {
    reserved: 400,
    reserve: (upTo: number) => {
      works();
      store.reserved = upTo;
      return upTo;
    },
    probe: works,
  };
  const keeper = new RingIdKeeper(
    store,
    {
      log: (level, _subsystem, message) => lines.push(`${level} ${message}`),
      reserved: (upTo) => reserved.push(upTo),
      failed: (error) => failures.push(error),
    },
    () => clock.ms,
  );
  t.teardown(() => keeper.stop());
  return { disk, clock, lines, reserved, failures, store, keeper };
}

t.test(
  'a directory that cannot be written is reported at once and every minute, not when the numbers are used up',
  async (t) => {
    const { disk, clock, lines, failures, keeper } = bench();
    keeper.formed(8);
    t.same(lines, []);
    disk.broken = true;
    keeper.formed(12);
    t.equal(lines.length, 1);
    t.match(lines[0], /^error Couldn't store the ring id in .*: EROFS.*: 97 more rings can form, then this node ends/);
    for (let second = 0; second < 59; second++) {
      clock.ms += 1000;
      keeper.probe();
    }
    t.equal(lines.length, 1);
    clock.ms += 1000;
    keeper.probe();
    t.equal(lines.length, 2);
    disk.broken = false;
    keeper.probe();
    t.equal(lines.at(-1), 'notice The ring id can be stored again');
    t.same(failures, []);
  },
);

t.test(
  'the node goes on while numbers are left, takes what it gets, and ends only when a ring needs one',
  async (t) => {
    const { disk, lines, reserved, failures, store, keeper } = bench();
    disk.broken = true;
    keeper.ask(4400);
    t.same(reserved, []);
    t.equal(lines.length, 1);
    t.same(failures, [], 'nothing ends for a block that is only asked for ahead');
    disk.broken = false;
    keeper.missing();
    t.same(reserved, [4400], 'tried again at once when a ring waits for it');
    t.same(failures, []);
    keeper.missing();
    t.same(failures, [], 'without trouble a number is only on its way');
    disk.broken = true;
    store.reserved = 4400;
    await new Promise((resolve) => setTimeout(resolve, 30));
    keeper.ask(8800);
    keeper.missing();
    t.equal(failures.length, 1);
  },
);
