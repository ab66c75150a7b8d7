/** One look at a process when nothing is under way. */
export interface Sample {
  readonly atMs: number;
  readonly residentMiB: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly sharedFiles: number;
  readonly stateFiles: number;
}

export interface Flatness {
  /** Of the resident memory, by least squares, after the warm-up. */
  readonly slopeMiBPerHour: number;
  /** What that comes to in the time that was looked at. */
  readonly grownMiB: number;
  readonly complaints: readonly string[];
}

/** V8's heap and the allocator reach their sizes in the first part of a run. */
const WARM_UP_SHARE = 0.3;
export const SAMPLES_MIN = 6;
/** A short run has noise: pages that are kept for a while. A long one may not have more of it. */
const GROWN_MIB_MAX = 12;
const GROWN_MIB_PER_HOUR_MAX = 4;
const HOUR_MS = 3_600_000;
const COUNTS = ['descriptors', 'threads', 'sharedFiles', 'stateFiles'] as const;

/** Judges the samples of one process: does anything grow with time? */
export function judgeFlatness(samples: readonly Sample[]): Flatness {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP_SHARE));
  const first = warm[0];
  const last = warm.at(-1);
  if (samples.length < SAMPLES_MIN || first === undefined || last === undefined)
    return { slopeMiBPerHour: 0, grownMiB: 0, complaints: [] };
  const hours = (last.atMs - first.atMs) / HOUR_MS;
  const slopeMiBPerHour = slope(warm.map(({ atMs, residentMiB }) => [atMs / HOUR_MS, residentMiB] as const));
  const grownMiB = slopeMiBPerHour * hours;
  const boundMiB = GROWN_MIB_MAX + GROWN_MIB_PER_HOUR_MAX * hours;
  const complaints = grownMiB > boundMiB ? [`resident memory grew by ${grownMiB.toFixed(1)} MiB`] : [];
  const half = warm.length >> 1;
  for (const name of COUNTS) {
    const [early, late] = [warm.slice(0, half), warm.slice(half)].map((part) =>
      Math.max(...part.map((sample) => sample[name])),
    ) as [number, number];
    if (late > early) complaints.push(`${name}: at most ${early} in the first half, ${late} in the second`);
  }
  return { slopeMiBPerHour, grownMiB, complaints };
}

function slope(points: readonly (readonly [number, number])[]): number {
  const n = points.length;
  const mean = (at: 0 | 1): number => points.reduce((sum, point) => sum + point[at], 0) / n;
  const [meanX, meanY] = [mean(0), mean(1)];
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const below = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return below === 0 ? 0 : above / below;
}
