import { Random } from '../../../src/sim/random.ts';
import type { V8Coverage } from './coverage.ts';
import { Mutations } from './mutations.ts';
import { inputOf, joined, stepsOf } from './records.ts';
import type { FuzzSubject } from './target.ts';

export interface Crash {
  readonly input: Uint8Array;
  readonly error: Error;
}

/** Inputs between two looks at the counters, which cost milliseconds. */
const BATCH = 64;
const CRASHES_MAX = 5;
/** Processor time of one input, on a slow machine. */
const INPUT_MS_MAX = 3_000;
/** Most inputs of a shrinking. */
const SHRINK_RUNS_MAX = 400;

/** Looks for inputs that run what no input ran before, keeps those, and makes new ones of them. */
export class Fuzzer {
  corpus: Uint8Array[] = [];
  runs = 0;
  readonly crashes: Crash[] = [];
  private readonly seen = new Set<number>();
  private readonly mutations: Mutations;
  /** Before each input, for whoever watches for hangs. */
  beforeRun: (input: Uint8Array) => void = () => {};

  constructor(
    readonly subject: FuzzSubject,
    private readonly coverage: V8Coverage,
    seed: number,
  ) {
    const { dictionary, fields, kinds } = subject;
    this.mutations = new Mutations(new Random(seed), {
      sequence: kinds > 0,
      kinds,
      ...(dictionary === undefined ? {} : { dictionary }),
      ...(fields === undefined ? {} : { fields }),
    });
  }

  /** Blocks and states seen so far. */
  get covered(): number {
    return this.seen.size;
  }

  /** Takes in the seeds and the corpus of earlier times, each if it is worth it. */
  async begin(inputs: readonly Uint8Array[]): Promise<void> {
    this.coverage.take();
    const shortestFirst = inputs.map((input) => joined(input)).sort((a, b) => a.length - b.length);
    for (let at = 0; at < shortestFirst.length; at += BATCH) await this.sift(shortestFirst.slice(at, at + BATCH));
    if (this.corpus.length === 0) this.corpus.push(new Uint8Array(1));
  }

  /** Tries new inputs until `endMs` (performance.now) or for `runsMax` of them. */
  async search(endMs: number, runsMax = Number.POSITIVE_INFINITY): Promise<void> {
    const endRuns = this.runs + runsMax;
    while (performance.now() < endMs && this.runs < endRuns && this.crashes.length < CRASHES_MAX) {
      const batch = Array.from({ length: BATCH }, () => this.mutations.next(this.corpus));
      await this.sift(batch);
    }
  }

  /** Throws away what others of the corpus do as well; shortens what is left. */
  async minimise(endMs: number): Promise<void> {
    const inputs = [...this.corpus].sort((a, b) => a.length - b.length);
    this.corpus = [];
    this.seen.clear();
    this.coverage.take();
    for (const input of inputs) {
      const gained = (await this.features(input)).filter((feature) => !this.seen.has(feature));
      if (gained.length === 0) continue;
      const short = await this.shorten(input, endMs, async (shorter) => {
        const has = new Set(await this.features(shorter));
        return gained.every((feature) => has.has(feature));
      });
      this.corpus.push(short);
      for (const feature of await this.features(short)) this.seen.add(feature);
    }
  }

  /** Shortens the input of a crash as long as it still ends with the same words. */
  async shrinkCrash({ input, error }: Crash): Promise<Uint8Array> {
    return this.shorten(input, performance.now() + 20_000, async (shorter) => {
      try {
        await this.subject.run(shorter);
        return false;
      } catch (other) {
        return other instanceof Error && other.message === error.message;
      }
    });
  }

  /** Runs a batch, and, if something in it is new, halves of it, until those inputs are found that are worth keeping. */
  private async sift(batch: readonly Uint8Array[]): Promise<void> {
    const states: number[] = [];
    for (const input of batch) for (const state of await this.run(input)) states.push(this.coverage.number(state));
    const novel = [...this.coverage.take(), ...states].filter((feature) => !this.seen.has(feature));
    if (novel.length === 0) return;
    const [input] = batch;
    if (batch.length === 1 && input !== undefined) {
      for (const feature of novel) this.seen.add(feature);
      this.corpus.push(input);
      return;
    }
    const half = batch.length >> 1;
    await this.sift(batch.slice(0, half));
    await this.sift(batch.slice(half));
  }

  private async features(input: Uint8Array): Promise<number[]> {
    const states = await this.run(input);
    return [...this.coverage.take(), ...states.map((state) => this.coverage.number(state))];
  }

  private async run(input: Uint8Array): Promise<readonly string[]> {
    this.runs++;
    this.beforeRun(input);
    const before = process.cpuUsage();
    try {
      const states = await this.subject.run(input);
      const { user, system } = process.cpuUsage(before);
      if ((user + system) / 1000 > INPUT_MS_MAX) throw new Error(`took ${(user + system) / 1000} ms`);
      return states;
    } catch (error) {
      const known = this.crashes.some((crash) => crash.error.message === String((error as Error).message));
      if (!known) this.crashes.push({ input, error: error instanceof Error ? error : new Error(String(error)) });
      return [];
    }
  }

  /** Leaves out steps, or halves, quarters … of the bytes, as long as `good` stays true. */
  private async shorten(
    input: Uint8Array,
    endMs: number,
    good: (shorter: Uint8Array) => Promise<boolean>,
  ): Promise<Uint8Array> {
    let best = input;
    let left = SHRINK_RUNS_MAX;
    const steps = this.subject.kinds > 0;
    const size = (): number => (steps ? stepsOf(best).length : best.length);
    for (let part = size() >> 1; part >= 1 && left > 0; part >>= 1) {
      for (let at = 0; at < size() && left > 0 && performance.now() < endMs; ) {
        left--;
        const shorter = steps
          ? inputOf(stepsOf(best).toSpliced(at, part))
          : joined(best.subarray(0, at), best.subarray(at + part));
        if (shorter.length < best.length && (await good(shorter))) best = shorter;
        else at += part;
      }
    }
    return best;
  }
}
