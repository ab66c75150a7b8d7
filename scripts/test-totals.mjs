// What scripts/test.mjs prints in the end: what was skipped and why, what took longest, and the totals.

const LONGEST = 10;
const NAMES_MAX = 5;

/** Minutes and seconds for people; below two minutes seconds alone. */
function duration(seconds) {
  const whole = Math.round(seconds);
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** The reasons for skipping, each with how many tests and the first of them. */
function skippedLines(results) {
  const byReason = new Map();
  for (const { file, reader } of results) {
    for (const { name, reason } of reader.skipped) {
      const names = byReason.get(reason) ?? [];
      names.push(`${file}: ${name}`);
      byReason.set(reason, names);
    }
  }
  return [...byReason].flatMap(([reason, names]) => [
    `skipped, ${reason}: ${names.length} test${names.length === 1 ? '' : 's'}`,
    ...names.slice(0, NAMES_MAX).map((name) => `    ${name}`),
    ...(names.length > NAMES_MAX ? [`    … and ${names.length - NAMES_MAX} more`] : []),
  ]);
}

/**
 * The last lines of a run. `results` has, for each file that ended by itself, its name, its tally and its seconds;
 * `seconds` is how long the whole run took. `stopped`, if somebody stopped it, has the files that were under way then,
 * with what had passed and failed in them (`broken`), and how many there were to run (`files`). The last line is the totals alone:
 * continuous integration reads it.
 */
export function totalLines(results, { unstable, seconds, stopped }) {
  const sum = (count) => results.reduce((total, { reader }) => total + count(reader), 0);
  const counts = [
    `${sum(({ passed }) => passed)} passed`,
    `${sum(({ failed }) => failed)} failed`,
    `${sum(({ skipped }) => skipped.length)} skipped`,
  ].join(', ');
  const longest = [...results].sort((one, other) => other.seconds - one.seconds).slice(0, LONGEST);
  const lines = [
    ...skippedLines(results),
    ...unstable.map((file) => `unstable: ${file} failed first and passed when run again (test/unstable.md)`),
    ...(results.length > 1 ? ['longest:'] : []),
    ...(results.length > 1 ? longest.map((one) => `${one.seconds.toFixed(1).padStart(10)} s  ${one.file}`) : []),
  ];
  if (stopped !== null) {
    lines.push(
      `stopped after ${results.length} of ${stopped.files} files${stopped.broken.length > 0 ? ', inside' : ''}`,
    );
    for (const { file, passed, failed } of stopped.broken)
      lines.push(`    ${file}: ${passed} passed, ${failed} failed until then`);
  }
  return [...lines, `all of it took ${duration(seconds)}`, counts];
}
