import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import t from 'tap';
import { describe, FULL, mixtures, skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind, LabNode } from './lab/node.ts';
import { sleep } from './lab/process.ts';
import { program } from './lab/programs.ts';

/**
 * How long a node that died takes to come back: from the start of its daemon until a program that waits for it is served, and until that program sees
 * the ring of all; idle and while two members of other nodes send without a pause. Defaults of stock. `RONDO_LAB_RUNS` rounds.
 */
const ROUNDS = Number(process.env['RONDO_LAB_RUNS'] ?? (FULL ? 10 : 3));
const NODES = 3;
const DEFAULTS = { transport: 'knet', tokenMs: 3000, totem: ['token_coefficient: 650'] } as const;
const SENT_BYTES = 1400;
const BENCH_SECONDS = 300;
const RETURN_MS_MAX = 30_000;
/** Other things run beside a test; the figures of a quiet machine are in docs/reliability.md. */
const IDLE_MS_MAX = 2_000;
const BUSY_MS_MAX = 4_000;

const CRYPTO = process.env['RONDO_LAB_CRYPTO'] === undefined ? {} : { crypto: { cipher: 'aes256', hash: 'sha256' } };

/** Lines of the log by which the parts of a start are told, in their order. */
const MARKS: readonly (readonly [string, RegExp])[] = [
  ['code', /starting up/],
  ['transport', /Initializing transport/],
  ['view', /A new membership/],
  ['ready', /Completed service synchronization/],
];

const median = (values: readonly number[]): number =>
  Math.round([...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN);

/** Milliseconds since midnight, local time, of a line of the log with `timestamp: hires`. */
function timeOf(line: string): number {
  const [, hours, minutes, seconds] = /(\d\d):(\d\d):(\d\d\.\d+)/.exec(line) ?? [];
  return (Number(hours) * 60 + Number(minutes)) * 60_000 + Number(seconds) * 1000;
}

interface Return {
  readonly servedMs: number;
  readonly completeMs: number;
  /** When the lines of `MARKS` were logged, all of them, since the start. */
  readonly marks: readonly string[];
}

/** Hosts have processors of their own: the others and their senders share the first one here. */
function pin(pid: number | undefined): void {
  if (pid !== undefined && availableParallelism() > 1) execFileSync('taskset', ['-a', '-p', '-c', '0', String(pid)]);
}

async function comeBack(node: LabNode): Promise<Return> {
  const client = node.space.start(await program('first-client'), ['fast-return', String(NODES)]);
  await client.waitFor(/waiting/);
  const startMs = performance.timeOrigin + performance.now();
  node.startDaemon();
  const [, complete] = await client.waitFor(/^complete ([\d.]+)$/m, RETURN_MS_MAX);
  const [, served] = await client.waitFor(/^served ([\d.]+)$/m);
  await sleep(100);
  const start = new Date(startMs);
  const startOfDayMs = new Date(start).setHours(0, 0, 0, 0);
  const marks = node
    .log()
    .split('\n')
    .flatMap((line) =>
      MARKS.filter(([, pattern]) => pattern.test(line)).map(
        ([name]) => `${name} ${Math.round(timeOf(line) - (startMs - startOfDayMs))}`,
      ),
    );
  return { servedMs: Number(served) - startMs, completeMs: Number(complete) - startMs, marks };
}

const kinds = mixtures([
  ['ours', 'ours', 'ours'],
  ['stock', 'stock', 'stock'],
  ...(FULL ? [['stock', 'stock', 'ours'] as const, ['ours', 'ours', 'stock'] as const] : []),
]);

for (const mix of kinds) {
  t.test(`a node comes back: ${describe(mix)}, the last is ${mix.at(-1)}`, { skip: skipReason(mix) }, async (t) => {
    const lab = await Lab.up({ ...DEFAULTS, ...CRYPTO }, mix as readonly DaemonKind[]);
    t.teardown(() => lab.close());
    const victim = lab.node(NODES);
    const others = lab.nodes.filter((node) => node !== victim);
    for (const loaded of [false, true]) {
      const bench = loaded ? await program('cpgbench') : '';
      const senders = loaded
        ? others.map((node) => node.space.start(bench, ['load', `${SENT_BYTES}`, `${BENCH_SECONDS}`]))
        : [];
      if (loaded) for (const { daemon } of others) pin(daemon?.pid);
      for (const sender of senders) pin(sender.pid);
      const returns: Return[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        await sleep(1_000);
        await victim.killDaemon();
        await lab.waitRing(others, 60_000);
        await sleep(1_000);
        returns.push(await comeBack(victim));
      }
      for (const sender of senders) await sender.stop('SIGKILL');
      const served = returns.map(({ servedMs }) => Math.round(servedMs));
      const complete = returns.map(({ completeMs }) => Math.round(completeMs));
      const name = loaded ? 'loaded' : 'idle';
      t.comment(`${name}: served after ${served.join(' ')} ms, median ${median(served)}`);
      t.comment(`${name}: sees all nodes after ${complete.join(' ')} ms, median ${median(complete)}`);
      for (const { marks } of returns) t.comment(`${name}: ${marks.join(', ')}`);
      // A stock node takes a PONG an interval before it hears the one that comes back.
      if (mix.every((kind) => kind === 'ours'))
        t.ok(median(complete) < (loaded ? BUSY_MS_MAX : IDLE_MS_MAX), `${name}: median ${median(complete)} ms`);
    }
  });
}
