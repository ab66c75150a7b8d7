import t from 'tap';
import { Campaign } from './campaign.ts';

/**
 * The campaign: 2,000 seeds over all cores. It stops early, and prints that, when its time is over; `SIM_CAMPAIGN_SEEDS`,
 * `SIM_CAMPAIGN_FIRST` and `SIM_CAMPAIGN_SECONDS` change it; `SIM_ATTACK=1` puts an attacker on the network. `npm run sim` is the same for hours, and makes
 * short stories of failing seeds.
 */
const seeds = Number(process.env['SIM_CAMPAIGN_SEEDS'] ?? 2000);
const first = Number(process.env['SIM_CAMPAIGN_FIRST'] ?? 1);
const seconds = Number(process.env['SIM_CAMPAIGN_SECONDS'] ?? 150);

t.setTimeout((seconds + 120) * 1000);

t.test(`${seeds} seeds break no rule`, async (t) => {
  t.setTimeout((seconds + 120) * 1000);
  const campaign = new Campaign();
  let reported = 0;
  await campaign.run({
    first,
    seeds,
    seconds,
    progress: ({ sums, failed }) => {
      if (sums.seeds < reported + 250) return;
      reported = sums.seeds;
      t.comment(`${sums.seeds} seeds, ${failed.length} failed`);
    },
    failed: ({ seed, violations }) => t.fail(`look into it with npm run sim -- --seed ${seed}`, { violations }),
  });
  const { sums, summary } = campaign;
  t.comment(summary);
  if (sums.seeds < seeds) t.comment(`time is over after ${sums.seeds} of ${seeds} seeds`);
  t.same(campaign.coverage.impossible, [], 'no cell was visited that a rule calls unreachable');
  t.ok(sums.seeds > 0, `${sums.seeds} seeds, ${(sums.virtualMs / 3_600_000).toFixed(1)} h of virtual time`);
});
