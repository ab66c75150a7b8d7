import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import type { CampaignResult } from './campaign-worker.ts';
import { Coverage } from './coverage.ts';
import type { SimReport } from './world.ts';

const SEEDS_PER_JOB = 5;

export interface CampaignOptions {
  readonly first: number;
  readonly seeds: number;
  readonly seconds: number;
  readonly threads?: number;
  /** After each job. */
  readonly progress?: (campaign: Campaign) => void;
  readonly failed?: (report: SimReport) => void;
}

/** Seeds over all cores, until all are done or the time is over. */
export class Campaign {
  readonly sums = { seeds: 0, virtualMs: 0, events: 0, packets: 0, messages: 0, viewChanges: 0, rings: 0, faults: 0 };
  readonly coverage = new Coverage();
  readonly failed: SimReport[] = [];
  /** The seeds that took longest, in token timeouts: until the ring of all had formed, and until all had been delivered. */
  readonly slowest = { formSeed: 0, formTokens: 0, healSeed: 0, healTokens: 0 };
  realSeconds = 0;
  /** Of all threads. */
  cpuSeconds = 0;

  async run(options: CampaignOptions): Promise<void> {
    const threads = options.threads ?? availableParallelism();
    const pool = new Piscina({
      filename: new URL('./campaign-worker.js', import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
      resourceLimits: { maxYoungGenerationSizeMb: 192 }, // nearly all garbage dies young
    });
    const startMs = performance.now();
    const startCpu = process.cpuUsage();
    const deadline = startMs + options.seconds * 1000;
    const end = options.first + options.seeds;
    let next = options.first;
    const work = async (): Promise<void> => {
      while (next < end && performance.now() < deadline) {
        const job = { first: next, count: Math.min(SEEDS_PER_JOB, end - next) };
        next += job.count;
        const { reports, cells } = (await pool.run(job)) as CampaignResult;
        this.coverage.merge(cells);
        for (const report of reports) this.add(report, options);
        this.realSeconds = (performance.now() - startMs) / 1000;
        const { user, system } = process.cpuUsage(startCpu);
        this.cpuSeconds = (user + system) / 1e6;
        options.progress?.(this);
      }
    };
    await Promise.all(Array.from({ length: threads }, work));
    await pool.destroy();
  }

  private add(report: SimReport, { failed }: CampaignOptions): void {
    const { sums, slowest } = this;
    sums.seeds++;
    sums.virtualMs += report.virtualMs;
    sums.events += report.events;
    sums.packets += report.packets;
    sums.messages += report.messages;
    sums.viewChanges += report.viewChanges;
    sums.rings += report.rings;
    sums.faults += report.faults.length;
    if (report.formTokens > slowest.formTokens)
      Object.assign(slowest, { formSeed: report.seed, formTokens: report.formTokens });
    if (report.healTokens > slowest.healTokens)
      Object.assign(slowest, { healSeed: report.seed, healTokens: report.healTokens });
    if (report.violations.length === 0) return;
    this.failed.push(report);
    failed?.(report);
  }

  /** In one line. */
  get summary(): string {
    const { sums, slowest, realSeconds, cpuSeconds } = this;
    const hours = sums.virtualMs / 3_600_000;
    const speed = sums.virtualMs / 1000 / Math.max(realSeconds, 0.001);
    return [
      `${sums.seeds} seeds, ${this.failed.length} failed`,
      `${hours.toFixed(2)} h of virtual time, ${speed.toFixed(1)} times real time, ${cpuSeconds.toFixed(0)} s of processor time`,
      `${sums.faults} faults, ${sums.rings} rings, ${sums.viewChanges} view changes at nodes, ${sums.messages} messages, ${sums.events} events`,
      `slowest ring ${slowest.formTokens.toFixed(1)} token timeouts (seed ${slowest.formSeed}), slowest delivery ${slowest.healTokens.toFixed(1)} (seed ${slowest.healSeed})`,
    ].join('; ');
  }
}
