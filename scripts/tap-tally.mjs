// Counts the tests of one file from its TAP, by tap's own parser. A test is a `t.test()` block without blocks inside
// it, or a skipped one; bare assertions at the top level of a file count as one test together.
import { inspect } from 'node:util';
import { Parser } from 'tap-parser';

const FAILURE_LINES_MAX = 40;
/** What explains a failed assertion; the quoted source is not needed beside the place. */
const SHOWN = ['diff', 'found', 'wanted', 'compare', 'doNotWant', 'pattern', 'message', 'code', 'signal', 'expired'];

export class TapTally {
  passed = 0;
  failed = 0;
  /** `{ name, reason }` of each test that was left out. */
  skipped = [];
  /** One array of lines for each failed assertion. */
  failures = [];
  #parser = new Parser();
  #file = this.#watch(this.#parser, []);
  /** The names of the blocks that are open. */
  #open = [];

  write(text) {
    this.#parser.write(text);
  }

  /** Counts the file itself: assertions outside of any block, and an end that its tests do not explain. */
  finish(exitCode, signal, timedOut) {
    const inside = this.#open.join(' › ');
    this.#parser.end();
    const { ownFailure, points } = this.#file;
    if (ownFailure) this.failed++;
    else if (points > 0) this.passed++;
    if (exitCode === 0 || (this.failed > 0 && !timedOut)) return;
    this.failed++;
    const why = timedOut ? 'timed out' : signal ? `died of ${signal}` : `exit status ${exitCode}`;
    this.failures.push([`the file ${why}${inside === '' ? '' : ` inside ${inside}`}`]);
  }

  #watch(parser, path) {
    const block = { path, blocks: 0, points: 0, skip: null, ownFailure: false, failureBelow: false };
    let inner = null;
    parser.on('child', (child) => {
      block.blocks++;
      this.#open.push(child.name);
      inner = this.#watch(child, [...path, child.name]);
    });
    parser.on('assert', (point) => {
      if (point.closingTestPoint && inner !== null) {
        this.#close(block, inner, point);
        inner = null;
      } else this.#point(block, point);
    });
    return block;
  }

  #point(block, point) {
    const { ok, name, skip, todo } = point;
    if (typeof skip === 'string' && skip !== '') {
      block.blocks++;
      this.skipped.push({ name: [...block.path, name].join(' › '), reason: skip });
    } else if (skip || todo) block.skip = name;
    else block.points++;
    if (ok || todo) return;
    block.ownFailure = true;
    this.failures.push([[...block.path, name].join(' › '), ...details(point.diag)].slice(0, FAILURE_LINES_MAX));
  }

  /** The end of a block: only innermost ones are counted, and outer ones with an assertion of their own that failed. */
  #close(outer, block, { ok, diag }) {
    this.#open.pop();
    if (!ok) {
      if (!block.ownFailure && !block.failureBelow) this.failures.push([block.path.join(' › '), ...details(diag)]);
      if (block.ownFailure || !block.failureBelow) this.failed++;
      outer.failureBelow = true;
    } else if (block.blocks > 0) return;
    else if (block.points === 0 && block.skip !== null) {
      this.skipped.push({ name: block.path.join(' › '), reason: block.skip });
    } else this.passed++;
  }
}

function details(diag) {
  if (diag === null || typeof diag !== 'object') return [];
  const { at, stack } = diag;
  const lines = at?.fileName === undefined ? [] : [`at ${at.fileName}:${at.lineNumber}`];
  for (const key of SHOWN) {
    if (diag[key] === undefined) continue;
    const text = typeof diag[key] === 'string' ? diag[key] : inspect(diag[key], { depth: 6 });
    lines.push(...`${key === 'diff' ? '' : `${key}: `}${text}`.trimEnd().split('\n'));
  }
  if (typeof stack === 'string')
    lines.push(
      ...stack
        .trimEnd()
        .split('\n')
        .filter((line) => !line.includes('node_modules/')),
    );
  return lines;
}
