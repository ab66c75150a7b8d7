import t from 'tap';
import { judgeFlatness, type Sample } from './flat.ts';

const MINUTE_MS = 60_000;
const samples = (count: number, of: (minute: number) => Partial<Sample>): Sample[] =>
  Array.from({ length: count }, (_, minute) => ({
    atMs: minute * MINUTE_MS,
    residentMiB: 80,
    descriptors: 40,
    threads: 12,
    sharedFiles: 18,
    stateFiles: 5,
    ...of(minute),
  }));

t.test('what grows is found', async (t) => {
  const leak = judgeFlatness(samples(120, (minute) => ({ residentMiB: 80 + minute / 2 + (minute % 3) })));
  t.ok(Math.abs(leak.slopeMiBPerHour - 30) < 0.5, `${leak.slopeMiBPerHour}`);
  t.match(leak.complaints, [/resident memory grew by 4\d\.\d MiB/]);
  const files = judgeFlatness(samples(30, (minute) => ({ descriptors: 40 + (minute >> 3) })));
  t.match(files.complaints, [/descriptors: at most 4\d in the first half, 43 in the second/]);
});

t.test('what is only noise, or the warm-up, is not', async (t) => {
  t.same(judgeFlatness(samples(60, (minute) => ({ residentMiB: 80 + ((minute * 7) % 9) }))).complaints, []);
  t.same(judgeFlatness(samples(60, (minute) => ({ residentMiB: Math.min(100, 60 + 4 * minute) }))).complaints, []);
  t.same(judgeFlatness(samples(3, (minute) => ({ descriptors: 40 + minute }))).complaints, [], 'too short to say');
});
