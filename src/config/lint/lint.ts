import type { ConfigWarning } from '../errors.ts';
import type { ProgramLists } from '../options/option.ts';
import type { ConfigBuilder } from '../parser/builder.ts';
import type { TotemConfig } from '../totem-config.ts';
import { lintCluster, lintQuorum } from './cluster.ts';
import { Findings } from './findings.ts';
import { lintKeys } from './keys.ts';
import { lintNozzle } from './nozzle.ts';
import { lintValues } from './values.ts';
import { lintWeb } from './web.ts';

/**
 * Everything that is accepted, as stock accepts it, but is probably not what was meant: in the order of the file.
 * `totem` is `null` when the file cannot be used, `lists` when nobody knows them.
 */
export function lintConfiguration(
  parsed: ConfigBuilder,
  totem: TotemConfig | null,
  lists: ProgramLists | null,
): readonly ConfigWarning[] {
  const findings = new Findings();
  lintKeys(parsed, findings);
  lintValues(parsed, findings);
  if (totem !== null) {
    lintCluster(parsed.map, totem, parsed.positions, findings);
    lintQuorum(parsed.map, parsed.positions, lists, findings);
    lintWeb(parsed.map, parsed.positions, findings);
    lintNozzle(parsed.map, totem, parsed.positions, findings);
  }
  return findings.warnings.toSorted((a, b) => {
    const [left, right] = [a.position, b.position];
    if (left === undefined || right === undefined) return left === right ? 0 : left === undefined ? 1 : -1;
    if (left.file !== right.file) return 0;
    return left.line - right.line || left.column - right.column;
  });
}
