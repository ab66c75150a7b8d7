// Builds if need be and runs the performance suite: see perf/suite.ts for its options.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(join(ROOT, 'node_modules/typescript'))) run('npm', ['ci', '--no-audit', '--no-fund']);
run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.json')]);
run(process.execPath, ['--enable-source-maps', join(ROOT, 'dist/perf/suite.js'), ...process.argv.slice(2)]);
