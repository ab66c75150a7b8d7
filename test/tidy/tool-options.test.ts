import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const dist = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Exit status and error output of one of the project's own tools, which has to end by itself. */
async function run(path: string, args: readonly string[]): Promise<{ code: number | null; errors: string }> {
  const child = spawn(process.execPath, [dist(path), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 60_000,
  });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += String(text);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, errors };
}

const WRONG: readonly (readonly [path: string, option: string, value: string])[] = [
  ['perf/ring.js', 'seconds', '0'],
  ['perf/ring.js', 'rounds', '1.5'],
  ['perf/ring.js', 'sizes', '64,,1400'],
  ['perf/ring.js', 'measures', 'throughputs'],
  ['perf/ring.js', 'dress', 'silk'],
  ['perf/ring.js', 'losses', '101'],
  ['perf/scale.js', 'nodes', '1'],
  ['perf/loss.js', 'loss', '101'],
  ['perf/loss.js', 'rings', 'ours+theirs'],
  ['perf/watched.js', 'loads', '65'],
  ['perf/client.js', 'modes', 'send'],
  ['perf/crypto.js', 'batch', 'many'],
  ['test/sim/sim.js', 'minutes', '-1'],
  ['test/model/model.js', 'depth', '0x'],
  ['test/fuzz/engine/main.js', 'minutes', ''],
];

t.test('tools refuse what they could not measure or would never end with', { timeout: 120_000 }, async (t) => {
  for (const [path, option, value] of WRONG) {
    const { code, errors } = await run(path, [`--${option}=${value}`]);
    t.equal(code, 2, `${path} --${option}=${value}`);
    t.match(errors, new RegExp(`^--${option} `), 'says which option');
  }
});
