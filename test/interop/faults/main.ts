import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { labUnavailable, oursUnavailable } from '../lab/host.ts';
import type { DaemonKind } from '../lab/node.ts';
import { FAULTS } from './faults.ts';
import { resultsPage } from './page.ts';
import { type FaultResult, runFault } from './run.ts';

const USAGE = `npm run lab -- [options]      faults at the first node of a loaded ring of real daemons, as root, in namespaces of their own
  --list              the faults
  --only A,B          only these faults (names or beginnings of names)
  --kinds LIST        mixtures, e.g. ours,ours,ours/stock,stock,stock (default: ours alone, two ours and one stock, stock alone)
  --minutes N         begins no more after so long (60)
  --parallel N        so many rings at once (2)
  --results FILE      adds the results to this file (JSON), and the page has those that were there, too
  --page FILE         writes the page (Markdown) there
`;
const MIXES = 'ours,ours,ours/ours,ours,stock/stock,stock,stock';

const { values } = parseArgs({
  options: {
    list: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    kinds: { type: 'string', default: MIXES },
    minutes: { type: 'string', default: '60' },
    parallel: { type: 'string', default: '2' },
    results: { type: 'string' },
    page: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const out = (text: string): void => void process.stdout.write(`${text}\n`);
const kindOf = (word: string): DaemonKind => (word === 'ours' || word === 'newer' ? word : 'stock');

function report({ fault, mix, verdict, seconds, healMs, memberships, complaints, notes }: FaultResult): void {
  const healed = healMs === null ? 'no ring' : `ring after ${healMs} ms, ${memberships} views`;
  out(`${verdict.padEnd(7)} ${fault.padEnd(18)} ${mix.padEnd(18)} ${seconds} s, ${healed} ${notes.join('; ')}`);
  for (const complaint of complaints.slice(0, 5)) out(`        ${complaint.slice(0, 300)}`);
}

async function runMatrix(): Promise<boolean> {
  const words = values.only.split(',').filter(Boolean);
  const chosen = FAULTS.filter(({ name }) => words.length === 0 || words.some((word) => name.startsWith(word)));
  const mixes = values.kinds.split('/').map((mix) => mix.split(',').map(kindOf));
  const queue = chosen.flatMap((fault) => mixes.map((mix) => ({ fault, mix })));
  const endMs = performance.now() + Number(values.minutes) * 60_000;
  const { results: file } = values;
  const earlier =
    file !== undefined && existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as FaultResult[]) : [];
  const fresh: FaultResult[] = [];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (performance.now() > endMs) {
        out(`not run: ${next.fault.name} ${next.mix.join()}`);
        continue;
      }
      const result = await runFault(next.fault, next.mix);
      fresh.push(result);
      report(result);
    }
  };
  await Promise.all(Array.from({ length: Number(values.parallel) }, work));
  const all = [...earlier, ...fresh];
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(all, null, 1)}\n`);
  if (values.page !== undefined) writeFileSync(values.page, resultsPage(all, 'npm run lab'));
  const failed = fresh.filter(({ verdict }) => verdict === 'failed');
  const ours = failed.filter(({ mix }) => mix.includes('ours'));
  out(`${fresh.length} run, ${failed.length} failed, ${ours.length} of them with daemons of ours`);
  return ours.length === 0;
}

if (values.help) out(USAGE);
else if (values.list) for (const { name, what, ring } of FAULTS) out(`${name.padEnd(18)} ${what} (${ring})`);
else {
  const reason = labUnavailable() || oursUnavailable();
  if (reason !== false) out(reason);
  process.exitCode = reason === false && (await runMatrix()) ? 0 : 1;
}
