import t from 'tap';
import { labUnavailable, newerUnavailable, oursUnavailable } from './host.ts';
import type { DaemonKind } from './node.ts';

// Test files of the lab take as long as they take; each story has a limit of its own.
t.setTimeout(0);

/** `RONDO_LAB_FULL=1` runs every combination; otherwise a selection that keeps the suite short. */
export const FULL = process.env['RONDO_LAB_FULL'] !== undefined;

/** `RONDO_LAB_KINDS=stock,stock,ours` overrides the mixtures, to try a scenario with one. */
export function mixtures(defaults: readonly (readonly DaemonKind[])[]): readonly (readonly DaemonKind[])[] {
  const wanted = process.env['RONDO_LAB_KINDS'];
  if (wanted === undefined) return defaults;
  return [wanted.split(',').map((kind) => (kind === 'ours' || kind === 'newer' ? kind : 'stock'))];
}

/** `RONDO_LAB_STORY=expression` runs the stories whose names match, rare ones too, and no others. */
const STORY = process.env['RONDO_LAB_STORY'];

/** Reason to skip a case with these daemons. `rare` ones run only in the full programme. */
export function skipReason(kinds: readonly DaemonKind[], rare = false, name = ''): string | false {
  if (STORY !== undefined && !new RegExp(STORY).test(name)) return 'RONDO_LAB_STORY wants others';
  if (rare && !FULL && STORY === undefined && process.env['RONDO_LAB_KINDS'] === undefined)
    return 'only with RONDO_LAB_FULL=1';
  if (kinds.includes('newer') && newerUnavailable()) return newerUnavailable();
  return kinds.includes('ours') ? oursUnavailable() : labUnavailable();
}

export function describe(kinds: readonly DaemonKind[]): string {
  const parts = (['ours', 'stock', 'newer'] as const).map((kind) => {
    const count = kinds.filter((other) => other === kind).length;
    return count > 0 ? `${count} ${kind}` : '';
  });
  return parts.filter(Boolean).join(' + ');
}
