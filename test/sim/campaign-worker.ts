import { Coverage } from './coverage.ts';
import { optionsOf } from './seed-options.ts';
import { type SimReport, simulate } from './world.ts';

/** With an attacker on the network as well. */
const attack = process.env['SIM_ATTACK'] !== undefined;
const churn = process.env['SIM_CHURN'] !== undefined;

export interface CampaignResult {
  readonly reports: readonly SimReport[];
  readonly cells: readonly (readonly [string, number])[];
}

/** One stateless job of the campaign: a run of seeds. */
export default function runSeeds(job: { readonly first: number; readonly count: number }): CampaignResult {
  const reports: SimReport[] = [];
  const coverage = new Coverage();
  for (let seed = job.first; seed < job.first + job.count; seed++)
    reports.push(simulate(seed, { ...optionsOf(seed, { attack, churn }), coverage }));
  return { reports, cells: [...coverage.close().cells] };
}
