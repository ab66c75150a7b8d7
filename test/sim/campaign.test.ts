import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import t from 'tap';
import type { SimReport } from './world.ts';

/**
 * The campaign: 2,000 seeds over all cores. It stops early, and prints that, when its time is over; `SIM_CAMPAIGN_SEEDS`,
 * `SIM_CAMPAIGN_FIRST` and `SIM_CAMPAIGN_SECONDS` change it; `SIM_ATTACK=1` puts an attacker on the network. A failing seed is replayed by the command it prints.
 */
const seeds = Number(process.env['SIM_CAMPAIGN_SEEDS'] ?? 2000);
const first = Number(process.env['SIM_CAMPAIGN_FIRST'] ?? 1);
const seconds = Number(process.env['SIM_CAMPAIGN_SECONDS'] ?? 150);
const SEEDS_PER_JOB = 10;

t.setTimeout((seconds + 120) * 1000);

t.test(`${seeds} seeds break no rule`, async (t) => {
  t.setTimeout((seconds + 120) * 1000);
  const threads = availableParallelism();
  const pool = new Piscina({
    filename: new URL('./campaign-worker.js', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    resourceLimits: { maxYoungGenerationSizeMb: 192 }, // nearly all garbage dies young
  });
  const deadline = performance.now() + seconds * 1000;
  const sums = { seeds: 0, virtualMs: 0, events: 0, packets: 0, messages: 0, configurations: 0 };
  let next = first;
  let slowest = { seed: 0, healTokens: 0 };
  const failed: SimReport[] = [];

  const work = async () => {
    while (next < first + seeds && performance.now() < deadline) {
      const job = { first: next, count: Math.min(SEEDS_PER_JOB, first + seeds - next) };
      next += job.count;
      for (const report of (await pool.run(job)) as readonly SimReport[]) {
        sums.seeds++;
        if (report.healTokens > slowest.healTokens) slowest = { seed: report.seed, healTokens: report.healTokens };
        sums.virtualMs += report.virtualMs;
        sums.events += report.events;
        sums.packets += report.packets;
        sums.messages += report.messages;
        sums.configurations += report.configurations;
        if (report.violations.length > 0) {
          failed.push(report);
          t.fail(`replay with SIM_SEED=${report.seed} node dist/test/sim/sim.test.js`, {
            violations: report.violations,
          });
        }
        if (sums.seeds % 250 === 0) t.comment(`${sums.seeds} seeds, ${failed.length} failed`);
      }
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  await pool.destroy();

  t.comment(JSON.stringify(sums));
  t.comment(`longest healing: ${slowest.healTokens.toFixed(1)} token timeouts, seed ${slowest.seed}`);
  if (sums.seeds < seeds) t.comment(`time is over after ${sums.seeds} of ${seeds} seeds`);
  t.ok(sums.seeds > 0, `${sums.seeds} seeds, ${(sums.virtualMs / 3_600_000).toFixed(1)} h of virtual time`);
});
