// Runs the test suite: builds if need be, runs every compiled test file in a process of its own, reads its TAP, and
// ends with one line of totals. Test files are run directly by node: tap's own runner is not needed for that, so
// nothing has to be generated or fetched first.
//
//   node scripts/test.mjs [--unit] [--list] [substring …]
//
// --unit     leaves out what takes long or needs a machine of its own: interop, security, conformance, the simulator's campaign
// substring  only files whose path contains one of them
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const PARALLEL = 2;
/** Labs mostly wait for timers of the protocol, and each has its own network. */
const LABS_PARALLEL = 3;
const LAB = /^test\/(interop|security)\//;
/** Run alone, after the others: they measure time, use much memory or build networks. */
const SERIAL = /^test\/(interop|conformance|sim|perf)\/|\.slow\.test\.ts$/;
/** Serial ones that are quick enough to be unit tests all the same. */
const QUICK = /^test\/(sim|conformance|interop)\/.*\.quick\.test\.ts$/;
const FILE_TIMEOUT_SEC = { unit: 180, serial: 900 };
const FAILURE_LINES_MAX = 40;
/** More failed files than this are not bad luck. */
const AGAIN_MAX = 8;

const args = process.argv.slice(2);
const filters = args.filter((arg) => !arg.startsWith('--'));
const unitOnly = args.includes('--unit');

function prepare() {
  if (!existsSync(join(ROOT, 'node_modules/tap'))) runOrExit('npm', ['ci', '--no-audit', '--no-fund']);
  runOrExit(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.json')]);
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

const isSerial = (file) => SERIAL.test(file) && !QUICK.test(file);

/**
 * Counts the tests of a TAP stream. A test is a `t.test()` block without blocks inside it, or a skipped one; bare
 * assertions at the top level of a file count as one test together.
 */
class TapReader {
  passed = 0;
  failed = 0;
  skipped = [];
  /** One array of lines for each failed assertion. */
  failures = [];
  #open = [{ name: '', indent: -1, blocks: 0, points: 0, skip: null, failed: false, failedBelow: false }];
  #failure = null;

  line(text) {
    const indent = text.length - text.trimStart().length;
    const body = text.trim();
    if (this.#failure?.yaml && indent > this.#failure.indent) return this.#detail(text, body);
    const block = /^# Subtest: (.*)$/.exec(body);
    if (block) {
      this.#top.blocks++;
      this.#open.push({ name: block[1], indent, blocks: 0, points: 0, skip: null, failed: false, failedBelow: false });
      return;
    }
    const point = /^(not )?ok \d+(?: - )?(.*?)(?:\s# (SKIP|TODO)(.*?))?(?: # time=[\d.]+m?s)?$/.exec(body);
    if (point === null) {
      if (this.#failure !== null && body === '---') this.#failure.yaml = true;
      return;
    }
    this.#failure = null;
    const [, not, name, directive, reason = ''] = point;
    if (this.#top.indent === indent) this.#close(not === undefined);
    else this.#point(indent, not === undefined || directive === 'TODO', name.trim(), directive, reason.trim());
  }

  get #top() {
    return this.#open.at(-1);
  }

  #path(name) {
    return [...this.#open.slice(1).map((block) => block.name), ...(name ? [name] : [])].join(' › ');
  }

  #point(indent, ok, name, directive, reason) {
    if (directive === 'SKIP' && reason !== '') {
      this.#top.blocks++;
      this.skipped.push({ name: this.#path(name), reason });
    } else if (directive !== undefined) this.#top.skip = name;
    else this.#top.points++;
    if (!ok) this.#fail(indent, name);
  }

  #fail(indent, name) {
    this.#top.failed = true;
    this.#failure = { indent, yaml: false, lines: [this.#path(name)] };
    this.failures.push(this.#failure.lines);
  }

  /** Keeps what explains the failure; the quoted source and frames of libraries do not. */
  #detail(text, body) {
    const level = text.length - text.trimStart().length;
    if (body === '...') this.#failure = null;
    else if (/^source: [|>]/.test(body)) this.#failure.skipBelow = level;
    else if (this.#failure.skipBelow !== undefined && (level > this.#failure.skipBelow || body === '')) return;
    else if (/node_modules\//.test(body)) return;
    else if (this.#failure.lines.length < FAILURE_LINES_MAX) this.#failure.lines.push(text.slice(this.#failure.indent));
  }

  /** The end of a block: only innermost ones are counted, and outer ones with an assertion of their own that failed. */
  #close(ok) {
    const block = this.#top;
    if (!ok && !block.failed && !block.failedBelow) this.failures.push([this.#path('')]);
    const failed = !ok && !block.failedBelow;
    if (failed) this.failed++;
    else if (ok && block.blocks === 0 && block.points === 0 && block.skip !== null) {
      this.skipped.push({ name: this.#path(''), reason: block.skip });
    } else if (ok && block.blocks === 0) this.passed++;
    this.#open.pop();
    this.#top.failedBelow ||= !ok;
  }

  finish(exitCode, signal, timedOut) {
    const bare = this.#open[0];
    if (bare.failed) this.failed++;
    else if (bare.points > 0) this.passed++;
    if (exitCode === 0 || (this.failed > 0 && !timedOut)) return;
    this.failed++;
    const why = timedOut ? 'timed out' : signal ? `died of ${signal}` : `exit status ${exitCode}`;
    this.failures.push([`the file ${why}${this.#open.length > 1 ? ` inside ${this.#path('')}` : ''}`]);
  }
}

const children = new Set();
process.on('SIGINT', () => stopAll(130));
process.on('SIGTERM', () => stopAll(143));
function stopAll(status) {
  for (const child of children) child.kill('SIGTERM');
  setTimeout(() => process.exit(status), 2000);
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
    children.add(child);
    const reader = new TapReader();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 10_000).unref();
    }, timeoutSec * 1000);
    let rest = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) reader.line(line);
    });
    let errors = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (chunk) => {
      if (errors.length < 20_000) errors += chunk;
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      children.delete(child);
      reader.line(rest);
      reader.finish(code, signal, timedOut);
      resolve({ file, reader, errors, seconds: (Date.now() - started) / 1000 });
    });
  });
}

/** The last run of each file. */
const results = new Map();

function report({ file, reader, errors, seconds }) {
  results.set(file, reader);
  const counts = `${reader.passed} passed${reader.skipped.length > 0 ? `, ${reader.skipped.length} skipped` : ''}`;
  console.log(
    `${reader.failed === 0 ? 'ok  ' : 'FAIL'} ${seconds.toFixed(1).padStart(6)} s  ${file}: ${counts}${
      reader.failed > 0 ? `, ${reader.failed} FAILED` : ''
    }`,
  );
  for (const lines of reader.failures) console.log(lines.map((line) => `    | ${line}`).join('\n'));
  if (reader.failed > 0 && errors.trim() !== '') {
    const shown = errors.trimEnd().split('\n').slice(-FAILURE_LINES_MAX);
    console.log(shown.map((line) => `    ! ${line}`).join('\n'));
  }
}

async function runAll(files, parallel) {
  const queue = [...files];
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) report(await runFile(file));
  };
  await Promise.all(Array.from({ length: parallel }, work));
}

const files = findTests();
if (args.includes('--list')) {
  for (const file of files) console.log(`${isSerial(file) ? 'serial' : 'unit  '} ${file}`);
  process.exit(0);
}
prepare();
await runAll(
  files.filter((file) => !isSerial(file)),
  PARALLEL,
);
await runAll(
  files.filter((file) => isSerial(file) && !LAB.test(file)),
  1,
);
await runAll(
  files.filter((file) => isSerial(file) && LAB.test(file)),
  LABS_PARALLEL,
);
// Real daemons meet real time here: what failed is run once more, alone, and said to be unstable if it passes then.
const failedFiles = files.filter((file) => results.get(file).failed > 0);
const unstable = [];
if (failedFiles.length > 0 && failedFiles.length <= AGAIN_MAX) {
  console.log(`once more, alone: ${failedFiles.join(', ')}`);
  await runAll(failedFiles, 1);
  unstable.push(...failedFiles.filter((file) => results.get(file).failed === 0));
}

const total = { passed: 0, failed: 0, skipped: 0 };
const skippedByReason = new Map();
for (const [file, reader] of results) {
  total.passed += reader.passed;
  total.failed += reader.failed;
  total.skipped += reader.skipped.length;
  for (const { name, reason } of reader.skipped) {
    const names = skippedByReason.get(reason) ?? [];
    names.push(`${file}: ${name}`);
    skippedByReason.set(reason, names);
  }
}
for (const [reason, names] of skippedByReason) {
  console.log(`skipped, ${reason}: ${names.length} test${names.length === 1 ? '' : 's'}`);
  for (const name of names.slice(0, 5)) console.log(`    ${name}`);
  if (names.length > 5) console.log(`    … and ${names.length - 5} more`);
}
for (const file of unstable) console.log(`unstable: ${file} failed first and passed when run again`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
