const ROUNDS = 9;
const ROUND_US = 40_000;
/** Runs between two looks at the clock. */
const RUNS = 20;

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** Microseconds of this process's CPU for one run: the best of several rounds, because what disturbs one only makes it dearer. */
export function cpuCost(run: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = cpuUs();
    let runs = 0;
    let spent = 0;
    for (; spent < ROUND_US; spent = cpuUs() - start) {
      for (let i = 0; i < RUNS; i++) run();
      runs += RUNS;
    }
    best = Math.min(best, spent / runs);
  }
  return best;
}
