import { cpus } from 'node:os';
import { FAULTS } from './faults.ts';
import type { FaultResult } from './run.ts';

const FATE = {
  stays: 'the ring stays, nothing is lost',
  'stays among ours': 'the ring stays, nothing is lost, where no daemon is stock’s',
  'may change': 'the membership may change',
} as const;

/** What came of a fault in a mixture, in a few characters. */
function cell(result: FaultResult | undefined): string {
  if (result === undefined) return '';
  if (result.verdict === 'skipped') return 'skipped';
  const heal = result.healMs === null ? 'no ring' : `${(result.healMs / 1000).toFixed(1)} s`;
  const text = `${heal}, ${result.memberships} ${result.memberships === 1 ? 'view' : 'views'}`;
  return result.verdict === 'passed' ? text : `**failed** (${text})`;
}

const mixName = (mix: string): string => {
  const kinds = mix.split(',');
  return [...new Set(kinds)].map((kind) => `${kinds.filter((other) => other === kind).length} ${kind}`).join(' + ');
};

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** The page of a run, as Markdown. */
export function resultsPage(results: readonly FaultResult[], command: string): string {
  const mixes = [...new Set(results.map(({ mix }) => mix))];
  const of = (fault: string, mix: string): FaultResult | undefined =>
    results.findLast((result) => result.fault === fault && result.mix === mix);
  const rows = FAULTS.filter(({ name }) => results.some(({ fault }) => fault === name)).map((fault) => [
    `\`${fault.name}\``,
    fault.what,
    FATE[fault.ring],
    ...mixes.map((mix) => cell(of(fault.name, mix))),
  ]);
  const latest = FAULTS.flatMap(({ name }) => mixes.flatMap((mix) => of(name, mix) ?? []));
  const figures = latest.map((result) => [
    `\`${result.fault}\``,
    mixName(result.mix),
    String(result.messages),
    result.digest === '' ? '' : `\`${result.digest}\``,
    result.growthMiB === null ? '' : `${result.growthMiB} MiB`,
    result.notes.join('; '),
  ]);
  const failed = latest.filter(({ verdict }) => verdict === 'failed');
  const complaints = failed.map(
    (result) =>
      `* \`${result.fault}\`, ${mixName(result.mix)}: ${result.complaints.slice(0, 4).join('; ').slice(0, 500)}`,
  );
  const dates = latest.map(({ date }) => date).sort();
  return [
    '# The fault laboratory: results',
    '',
    `Written by \`${command}\`, ${dates[0] ?? ''} to ${dates.at(-1) ?? ''} UTC, ${cpus().length} processors. Each fault happens to the first node of a ring of three`,
    'under load; what is checked, and how to run it: [reliability](reliability.md#the-fault-laboratory).',
    '',
    'A field has the time from the end of the fault to one ring of all as all nodes report it, and how many new views a node has logged at most from',
    'the beginning of the fault on.',
    '',
    table(['Fault', 'What happens', 'Expected', ...mixes.map(mixName)], rows),
    '',
    failed.length === 0 ? 'Nothing failed.' : '## What failed',
    ...(failed.length === 0 ? [] : ['', ...complaints]),
    '',
    '## Messages',
    '',
    'How many the busiest member had delivered, and the digest (SHA-256, its beginning) of the last batch, which is the same at every member.',
    '',
    table(['Fault', 'Ring', 'Messages', 'Sequence', 'Memory of the first node', 'Notes'], figures),
    '',
  ].join('\n');
}
