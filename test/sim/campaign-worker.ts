import { type SimReport, simulate } from './world.ts';

/** With an attacker on the network as well. */
const attack = process.env['SIM_ATTACK'] !== undefined;

/** One stateless job of the campaign: a run of seeds. */
export default function runSeeds(job: { readonly first: number; readonly count: number }): readonly SimReport[] {
  const reports: SimReport[] = [];
  for (let seed = job.first; seed < job.first + job.count; seed++)
    reports.push(simulate(seed, { checkReassembly: seed % 3 === 0, attack }));
  return reports;
}
