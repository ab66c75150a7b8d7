import t from 'tap';
import { simulate } from './world.ts';

t.setTimeout(600_000); // the machine may be busy

/**
 * Faults as everywhere, and an attacker on the network: whatever he records and repeats or forges, no rule of extended virtual synchrony is
 * broken, and when he stops the ring forms, wherever on the circle its numbers are. `SIM_SEED=n` replays one.
 */
const replay = process.env['SIM_SEED'];
const first = Number(replay ?? process.env['SIM_FIRST'] ?? 1);
/**
 * Seeds that once broke a rule: a number beyond the end of the circle was asked of the disk by a node in the middle of it, which then waited
 * for ever (286, 310, 360, 465, 521); a ring id came back after a lap (13). They are older than
 * the witnesses of deaths, and run without.
 */
const REGRESSIONS = replay === undefined && process.env['SIM_FIRST'] === undefined ? [286, 310, 360, 465, 521] : [];
const count = replay === undefined ? Number(process.env['SIM_SEEDS'] ?? 20) : 1;

t.test('no seed with an attacker breaks a rule', async (t) => {
  let messages = 0;
  const seeds = [...Array.from({ length: count }, (_, i) => first + i), ...REGRESSIONS];
  for (const [at, seed] of seeds.entries()) {
    const trace = replay === undefined ? {} : { trace: (line: string) => t.comment(line) };
    const report = simulate(seed, { attack: true, ...(at < count ? {} : { witnesses: false }), ...trace });
    messages += report.messages;
    if (report.violations.length > 0)
      t.fail(`replay with SIM_SEED=${seed} node dist/test/sim/attack.test.js`, { violations: report.violations });
  }
  t.ok(messages > 0, `${messages} messages in ${seeds.length} seeds`);
});
