// Runs the test suite: builds if need be, runs every compiled test file in a process of its own, reads its TAP with tap's
// parser, and ends with one line of totals. Test files are plain programs: `node dist/test/….js` runs one by hand. What
// tap's own runner does not have is the reason for this one: labs after units, few at a time, and each once more alone.
//
//   node scripts/test.mjs [--unit] [--list] [substring …]
//
// --unit     leaves out what takes long or needs a machine of its own: interop, security, conformance, the simulator's campaign
// substring  only files whose path contains one of them
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { totalLines } from './test-totals.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const PARALLEL = 2;
/** Labs mostly wait for timers of the protocol, and each has its own network. */
const LABS_PARALLEL = Number(process.env.RONDO_LABS_PARALLEL ?? 4);
const LAB = /^test\/(interop|security)\//;
/** The longest labs begin first, so that none of them runs on by itself at the end. */
const LONG_FIRST = [
  'pacemaker',
  'package-pcs',
  'upstream',
  'fast-return',
  'knet-faults',
  'spine',
  'interface-down',
  'knet-ring',
  'troubleshooting',
  'doctor-causes',
  'hostile',
  'votequorum',
  'faults.',
  'tools',
  'platform',
  'package',
  'qdevice',
];
/** They measure how soon something happens: daemons of other labs on the same processors would decide that. */
const TIMED = /^test\/interop\/(fast-detection|dashboard)\./;
/** Long, and no unit tests: left out by --unit. */
const SERIAL = /^test\/(interop|security|conformance|sim|perf)\/|\.slow\.test\.ts$/;
/** They compute, on virtual time: nothing beside them matters. The others run alone, because they measure time or start daemons. */
const VIRTUAL = /^test\/(conformance|sim)\//;
/** Serial ones that are quick enough to be unit tests all the same. */
const QUICK = /^test\/(sim|conformance|interop|security)\/.*\.quick\.test\.ts$/;
/** The whole selection (RONDO_LAB_FULL) is up to an hour in one lab; property tests take as many times longer as they try more cases. */
const FILE_TIMEOUT_SEC = process.env.RONDO_LAB_FULL ? { unit: 1800, serial: 5400 } : { unit: 180, serial: 900 };
const FAILURE_LINES_MAX = 40;
/** A lab that is stopped ends its daemons first. */
const STOP_MS = 10_000;
/** More failed files than this are not bad luck. */
const AGAIN_MAX = 8;

const args = process.argv.slice(2);
const USAGE = `node scripts/test.mjs [--unit] [--list] [substring …]
  --unit      without what takes long or needs a machine of its own
  --list      which files these are
  substring   only files whose path contains one of them
`;
const unknown = args.find((arg) => arg.startsWith('--') && arg !== '--unit' && arg !== '--list');
if (unknown !== undefined) {
  if (unknown !== '--help') process.stderr.write(`there is no option ${unknown}\n`);
  process[unknown === '--help' ? 'stdout' : 'stderr'].write(USAGE);
  process.exit(unknown === '--help' ? 0 : 2);
}
const filters = args.filter((arg) => !arg.startsWith('--'));
const unitOnly = args.includes('--unit');

function prepare() {
  if (!existsSync(join(ROOT, 'node_modules/tap')))
    runOrExit('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  runOrExit(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.json')]);
  runOrExit(process.execPath, [join(ROOT, 'scripts/commonjs.mjs')]);
  runOrExit(process.execPath, [join(ROOT, 'scripts/bundle.mjs')]);
  runOrExit(process.execPath, [join(ROOT, 'scripts/interpreter.mjs')]);
}

function runOrExit(command, commandArgs) {
  const { status } = spawnSync(command, commandArgs, { cwd: ROOT, stdio: 'inherit' });
  if (status === 0) return;
  console.log(`${command} ${commandArgs.map((arg) => relative(ROOT, arg) || arg).join(' ')} failed`);
  process.exit(1);
}

function findTests() {
  const found = [];
  for (const top of ['test', 'perf']) {
    if (!existsSync(join(ROOT, top))) continue;
    for (const entry of readdirSync(join(ROOT, top), { recursive: true })) {
      const file = join(top, entry);
      if (file.endsWith('.test.ts') && statSync(join(ROOT, file)).isFile()) found.push(file);
    }
  }
  return found
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .filter((file) => !unitOnly || !isSerial(file))
    .sort();
}

const campaignFirst = (one, other) => Number(other.includes('/campaign.')) - Number(one.includes('/campaign.'));
const isSerial = (file) => SERIAL.test(file) && !QUICK.test(file);

/** The programs that run, each with its file and what it has printed so far. */
const children = new Map();
/** The exit status, once somebody has stopped the run. */
let stopped = null;
process.on('SIGINT', () => stopAll(130));
process.on('SIGTERM', () => stopAll(143));
/** Nothing begins any more, and the totals follow when what runs has ended. */
function stopAll(status) {
  if (stopped !== null) return;
  stopped = status;
  for (const [child, { file, reader }] of children) {
    broken.push({ file, passed: reader.passed, failed: reader.failed });
    print(reader.failures);
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), STOP_MS).unref();
  }
}

function runFile(file) {
  return new Promise((resolve) => {
    const timeoutSec = isSerial(file) ? FILE_TIMEOUT_SEC.serial : FILE_TIMEOUT_SEC.unit;
    const started = Date.now();
    const child = spawn(process.execPath, ['--enable-source-maps', join(ROOT, 'dist', file.replace(/\.ts$/, '.js'))], {
      cwd: ROOT,
      env: { ...process.env, TAP_TIMEOUT: String(timeoutSec), TAP_DIAG: '1', NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const reader = new TapTally();
    children.set(child, { file, reader });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 10_000).unref();
    }, timeoutSec * 1000);
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (chunk) => reader.write(chunk));
    let errors = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (chunk) => {
      if (errors.length < 20_000) errors += chunk;
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      children.delete(child);
      reader.finish(code, signal, timedOut);
      resolve({ file, reader, errors, seconds: (Date.now() - started) / 1000 });
    });
  });
}

/** The last run of each file that has ended by itself. */
const results = new Map();
/** What was under way when somebody stopped the run. */
const broken = [];

function print(failures) {
  for (const lines of failures) console.log(lines.map((line) => `    | ${line}`).join('\n'));
}

function report(result) {
  const { file, reader, errors, seconds } = result;
  if (broken.some((one) => one.file === file)) return;
  results.set(file, result);
  const counts = `${reader.passed} passed${reader.skipped.length > 0 ? `, ${reader.skipped.length} skipped` : ''}`;
  console.log(
    `${reader.failed === 0 ? 'ok  ' : 'FAIL'} ${seconds.toFixed(1).padStart(6)} s  ${file}: ${counts}${
      reader.failed > 0 ? `, ${reader.failed} FAILED` : ''
    }`,
  );
  print(reader.failures);
  if (reader.failed > 0 && errors.trim() !== '') {
    const shown = errors.trimEnd().split('\n').slice(-FAILURE_LINES_MAX);
    console.log(shown.map((line) => `    ! ${line}`).join('\n'));
  }
}

async function runAll(files, parallel) {
  const queue = [...files];
  const work = async () => {
    for (let file = queue.shift(); file !== undefined && stopped === null; file = queue.shift())
      report(await runFile(file));
  };
  await Promise.all(Array.from({ length: parallel }, work));
}

const files = findTests();
if (args.includes('--list')) {
  for (const file of files) console.log(`${isSerial(file) ? 'serial' : 'unit  '} ${file}`);
  process.exit(0);
}
const startedMs = performance.now();
prepare();
// Only now is it certain that dependencies are installed.
const { TapTally } = await import('./tap-tally.mjs');
await runAll(
  [
    ...files.filter((file) => !isSerial(file)),
    ...files.filter((file) => isSerial(file) && VIRTUAL.test(file)).sort(campaignFirst),
  ],
  PARALLEL,
);
await runAll(
  files.filter((file) => isSerial(file) && !LAB.test(file) && !VIRTUAL.test(file)),
  1,
);
const rank = (file) => {
  const at = LONG_FIRST.findIndex((name) => file.includes(`/${name}`));
  return at < 0 ? LONG_FIRST.length : at;
};
await runAll(
  files
    .filter((file) => isSerial(file) && LAB.test(file) && !TIMED.test(file))
    .sort((one, other) => rank(one) - rank(other)),
  LABS_PARALLEL,
);
await runAll(
  files.filter((file) => TIMED.test(file)),
  1,
);
// Real daemons meet real time here: what failed is run once more, alone, and reported as unstable if it passes then.
const hasFailed = (file) => (results.get(file)?.reader.failed ?? 0) > 0;
const failedFiles = files.filter(hasFailed);
const unstable = [];
if (stopped === null && failedFiles.length > 0 && failedFiles.length <= AGAIN_MAX) {
  console.log(`once more, alone: ${failedFiles.join(', ')}`);
  await runAll(failedFiles, 1);
  unstable.push(...failedFiles.filter((file) => !hasFailed(file)));
}

const lines = totalLines([...results.values()], {
  unstable,
  seconds: (performance.now() - startedMs) / 1000,
  stopped: stopped === null ? null : { broken, files: files.length },
});
for (const line of lines) console.log(line);
const passed = [...results.values()].some(({ reader }) => reader.passed > 0);
process.exitCode = stopped ?? (passed && !files.some(hasFailed) ? 0 : 1);
