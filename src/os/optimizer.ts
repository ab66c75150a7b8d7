import { setFlagsFromString } from 'node:v8';

/** Options that decide for V8 how it compiles. A process that was started with one keeps what it was told. */
const OWN_CHOICE = /--(?:no-?)?(?:jitless|opt|turbofan|maglev)\b/;

const OWN_BUDGET = /--interrupt-budget\b/;

/**
 * Whether the compiler can be held. Not where Maglev is there as well, by default in Node.js 23 and later, and in 22.0 to 22.8: what that compiles while
 * TurboFan is off would never ask for TurboFan again.
 */
export const canHoldOptimizer = hasNoMaglev() && !OWN_CHOICE.test(options());

function hasBudget(): boolean {
  return Number(process.versions.node.split('.')[0]) < 22;
}

function hasNoMaglev(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major < 22 || (major === 22 && minor >= 9);
}

function options(): string {
  return [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ').replaceAll('_', '-');
}

/** Half of V8's own; in bytes of bytecode that a function has run. */
const BUDGET_BYTES = 30_000;

/**
 * From now on V8 optimises a function after half of the work that it waits for by itself: what a daemon does twenty times a second would stay slow for
 * minutes. Not from the start on: there are functions then that run often once. Node.js 20 only: later ones count invocations and have Maglev in between.
 */
export function optimizeSooner(): void {
  if (!hasBudget() || OWN_BUDGET.test(options())) return;
  setFlagsFromString(`--interrupt-budget=${BUDGET_BYTES}`);
}

/**
 * From now on V8 does not collect the heaps of this process again and again while they do little, ten milliseconds each time, in the hope of finding
 * less in use: on an idle machine that is more than all else that a thread does. Whoever calls this collects when it is worth it.
 */
export function endMemoryReducer(): void {
  setFlagsFromString('--no-memory-reducer');
}

let held = false;

/**
 * Keeps V8 from optimising code with its last compiler, milliseconds a function, in all threads of this process, until it is called with `false`: what
 * has become hot meanwhile is optimised then, the next time that it is looked at. Takes microseconds.
 */
export function holdOptimizer(hold: boolean): void {
  if (held === hold || !canHoldOptimizer) return;
  held = hold;
  setFlagsFromString(hold ? '--no-turbofan' : '--turbofan');
}
