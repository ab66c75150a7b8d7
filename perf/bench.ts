import { Bench, type FnReturnedObject } from 'tinybench';

/** A sample takes so long at least: the clock of the processor's time has steps. */
const SAMPLE_US = 2_000;
const TASK_MS = 250;
const WARMUP_MS = 150;
const SAMPLES_MIN = 20;

/** Microseconds of this process's CPU for one run. */
export interface Cost {
  /** What disturbs a sample only makes it dearer, so this one says most. */
  readonly bestUs: number;
  readonly medianUs: number;
}

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** What each of these costs: CPU time, not time that passed, because the machine has other things to do. */
export function costs(tasks: Readonly<Record<string, () => void>>): ReadonlyMap<string, Cost> {
  const bench = new Bench({
    time: TASK_MS,
    iterations: SAMPLES_MIN,
    warmupTime: WARMUP_MS,
    warmupIterations: 2,
    throws: true,
  });
  for (const [name, run] of Object.entries(tasks)) bench.add(name, sampler(run), { async: false });
  const found = new Map<string, Cost>();
  for (const { name, result } of bench.runSync()) {
    if (result.state !== 'completed') throw new Error(`${name}: ${result.state}`);
    found.set(name, { bestUs: result.latency.min * 1000, medianUs: result.latency.p50 * 1000 });
  }
  return found;
}

/** As many runs as make a sample; tinybench gets the processor's time of one. */
function sampler(run: () => void): () => FnReturnedObject {
  let runs = 1;
  return () => {
    for (;;) {
      const start = cpuUs();
      for (let i = 0; i < runs; i++) run();
      const spentUs = cpuUs() - start;
      if (spentUs >= SAMPLE_US)
        return { overriddenDuration: spentUs / runs / 1000, overriddenIterationCost: spentUs / 1000 };
      runs *= 2;
    }
  };
}
