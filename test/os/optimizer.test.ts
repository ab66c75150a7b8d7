import { execFileSync } from 'node:child_process';
import t from 'tap';
import { canHoldOptimizer } from '../../src/os/optimizer.ts';

/** Says of a function that runs hot whether V8 has optimised it: while it is held, and after that. */
const PROGRAM = `
  import { holdOptimizer } from ${JSON.stringify(new URL('../../src/os/optimizer.js', import.meta.url).href)};
  const add = (a, b) => a + b.value;
  const isLast = () => %ActiveTierIsTurbofan(add);
  const run = () => {
    const untilMs = performance.now() + 5000;
    for (let turn = 0; turn < 200 || (performance.now() < untilMs && !held && !isLast()); turn++)
      for (let i = 0; i < 1000; i++) add(i, { value: turn });
    return isLast();
  };
  %NeverOptimizeFunction(run);
  let held = true;
  holdOptimizer(true);
  holdOptimizer(true);
  const first = run();
  held = false;
  holdOptimizer(false);
  console.log(JSON.stringify([first, run()]));
`;

function statesWith(...options: readonly string[]): unknown {
  const args = ['--single-threaded', '--allow-natives-syntax', ...options, '--input-type=module', '-e', PROGRAM];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', env: {} }));
}

const skip = canHoldOptimizer ? false : 'not with this V8';
t.test('hot code is optimised after it was held, not before', { skip }, async (t) => {
  t.same(statesWith(), [false, true]);
});

t.test('an option of the process stands', async (t) => {
  t.same(statesWith('--no-opt'), [false, false]);
  t.same(statesWith('--jitless'), [false, false]);
});
