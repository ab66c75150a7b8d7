import { type SimOptions, type SimReport, simulate } from './world.ts';

/** A failing run and what it takes at least, as far as was tried. */
export interface Story {
  readonly report: SimReport;
  readonly options: SimOptions;
  readonly skip: readonly number[];
  readonly tried: number;
}

const fails = (report: SimReport): boolean => report.violations.length > 0;

/**
 * Looks for a shorter story of a failing seed: an earlier end of the faults, no applications, fewer faults. Every attempt is a run of its own, in which
 * all dice fall differently after the first thing that is left out; what still fails is kept. Ends when nothing can be left out, or after `maxMs` of real time.
 */
export function shrink(seed: number, options: SimOptions, maxMs: number): Story {
  const endMs = performance.now() + maxMs;
  let best = { report: simulate(seed, options), options, skip: [] as readonly number[] };
  let tried = 1;
  const attempt = (changes: SimOptions, skip: readonly number[]): boolean => {
    if (performance.now() > endMs) return false;
    tried++;
    const next = { ...best.options, ...changes };
    const report = simulate(seed, { ...next, skip: new Set(skip) });
    if (!fails(report)) return false;
    best = { report, options: next, skip };
    return true;
  };
  if (!fails(best.report)) return { ...best, tried };
  const violatedMs = Number.parseFloat(best.report.violations[0]!);
  const faultsMs = options.faultsMs ?? 4000;
  if (violatedMs < faultsMs) attempt({ faultsMs: Math.ceil(violatedMs) + 1 }, []);
  for (let ms = (best.options.faultsMs ?? 4000) / 2; ms >= 50; ms /= 2)
    if (!attempt({ faultsMs: ms }, best.skip)) break;
  attempt({ quiet: true }, best.skip);
  attempt({ witnesses: false }, best.skip);
  for (let size = Math.ceil(best.report.faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.report.faults.length; ) {
      const some = best.report.faults.slice(at, at + size).map(({ number }) => number);
      if (!attempt({}, [...best.skip, ...some])) at += size;
      if (performance.now() > endMs) return { ...best, tried };
    }
  }
  return { ...best, tried };
}

/** The story in the language of test/scenarios: what it cannot say (loss, load) stands as a comment. */
export function asScenario({ report, options }: Story, nodeIds: readonly number[]): string {
  const lines = [`# Seed ${report.seed}: ${report.violations[0] ?? 'nothing wrong'}`, '', `boot ${nodeIds.join(' ')}`];
  let nowMs = 0;
  for (const { atMs, text, command } of report.faults) {
    const ms = Math.round(atMs - nowMs);
    if (ms > 0) lines.push(`run ${ms}`);
    nowMs += Math.max(0, ms);
    if (command === null) lines.push(`# ${text}`);
    else lines.push(...command.split('; '));
  }
  const restMs = Math.round((options.faultsMs ?? 4000) - nowMs);
  lines.push(`run ${Math.max(0, restMs)}`, 'heal', 'run 10000', `status ${nodeIds.join(' ')}`);
  return `${lines.join('\n')}\n`;
}
