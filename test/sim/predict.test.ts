import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { CliExit } from '../../src/cli/exit-codes.ts';
import { runCli } from '../../src/cli/main.ts';
import type { Prediction } from '../../src/sim/predict.ts';
import { capturedIo } from '../cli/captured-io.ts';

t.setTimeout(300_000); // the machine may be busy
const directory = mkdtempSync(join(tmpdir(), 'rondo-simulate-'));
t.teardown(() => rmSync(directory, { recursive: true }));

function conf(name: string, transport: string, tokenMs: number, nodes = 3): string {
  const list = Array.from(
    { length: nodes },
    (_, i) => `node {\n nodeid: ${i + 1}\n name: n${i + 1}\n ring0_addr: 127.0.0.${i + 1}\n }`,
  );
  const file = join(directory, name);
  writeFileSync(
    file,
    `totem {\n version: 2\n transport: ${transport}\n token: ${tokenMs}\n token_coefficient: 0\n}\nnodelist {\n${list.join('\n')}\n}\n`,
  );
  return file;
}

interface Said {
  readonly status: number;
  readonly text: string;
}

async function simulate(...args: readonly string[]): Promise<Said> {
  const io = capturedIo({ RONDO_IPC_INSTANCE: `rondo-simulate-${process.pid}` });
  const status = await runCli(['simulate', ...args, '--node', 'n1'], io);
  return { status, text: io.text };
}

async function predicted(...args: readonly string[]): Promise<Prediction> {
  const { status, text } = await simulate(...args, '--json');
  t.equal(status, 0, text.slice(0, 200));
  return JSON.parse(text) as Prediction;
}

const knet = conf('knet', 'knet', 3000);
const udpu = conf('udpu', 'udpu', 1000);

t.test('a process that ends, and a host that fails: what the daemon needs for them', async (t) => {
  const killed = await predicted(knet, '--kill', '3@3s', '--seeds', '4');
  const { failover, missed } = killed.failovers[0]!;
  t.equal(missed, 0);
  t.ok(failover !== null && failover.most < 1_500, `noticed at once: ${JSON.stringify(failover)}`);
  const failed = await predicted(knet, '--power', '3@3s', '--seeds', '4');
  const silence = failed.failovers[0]!.failover!;
  t.ok(silence.least > 1_800 && silence.most < 4_000, `2/3 of the token timeout and more: ${JSON.stringify(silence)}`);
  t.equal(killed.falseRuns + failed.falseRuns, 0);
  const plain = await predicted(udpu, '--power', '3@3s', '--seeds', '4');
  const both = plain.failovers[0]!.failover!;
  t.ok(both.median > 1_900 && both.median < 2_600, `token and consensus timeout: ${JSON.stringify(both)}`);
  t.same(await predicted(udpu, '--power', '3@3s', '--seeds', '4'), plain, 'the same seeds predict the same');
});

t.test('false removals are counted, excused ones are not', async (t) => {
  const bad = await predicted(conf('bad', 'udpu', 200, 4), '--loss', '70%', '--for', '20', '--seeds', '4');
  t.ok(bad.reformed > 0);
  t.ok(bad.falseRuns > 0 && bad.falseChanceMax > 0.5, `${bad.falseRuns} of ${bad.runs}`);
  const paused = await predicted(udpu, '--pause', '2@3s+3s', '--seeds', '4');
  t.equal(paused.falseRuns, 0, 'it did not run');
  const fair = await predicted(udpu, '--loss', '0.1%', '--for', '20', '--seeds', '4');
  t.same([fair.falseRuns, fair.falseChanceMax], [0, 0.75]);
  const cut = await predicted(udpu, '--cut', '1-2@3s', '--seeds', '2');
  t.equal(cut.falseRuns, 0);
});

t.test('nodes that start at once: nobody waits for the commit token of a ring that cannot be', async (t) => {
  for (const [transport, nodes] of [
    ['knet', 8],
    ['udpu', 12],
  ] as const) {
    const { forming, runs } = await predicted(conf('many', transport, 5000, nodes), '--for', '1', '--seeds', '6');
    t.equal(forming?.runs, runs, 'all runs formed a ring');
    t.ok(forming !== null && forming.most < 1_000, `${transport}: ${JSON.stringify(forming)}`);
  }
});

t.test('what is asked for is checked, and the result is in words', async (t) => {
  for (const [option, value, why] of [
    ['--kill', '3', /is not NODE@TIME/],
    ['--kill', '9@3s', /there is no node 9; nodes: 1 2 3/],
    ['--pause', '2@3s', /is not NODE@TIME\+TIME/],
    ['--cut', '1@3s', /is not NODE-NODE@TIME/],
    ['--loss', '5', /is no share such as 1%/],
    ['--seeds', '0', /is not 1 to/],
  ] as const) {
    const { status, text } = await simulate(udpu, option, value);
    t.equal(status, 2);
    t.match(text, why);
  }
  t.equal((await simulate(join(directory, 'nothing'))).status, 1);
  const { text } = await simulate(udpu, '--kill', '3@1s', '--seeds', '2', '--for', '5');
  t.match(text, /^3 nodes, udpu, token 1000 ms, consensus 1200 ms; 0.0 % of packets lost, 0.2 ms one way$/m);
  t.match(text, /^node 3, the process ends at 1.00 s: the others go on without it after: median \d/m);
  t.match(text, /in 0 of 2 runs of 5.00 s; the chance is below 100 %/);
});

t.test('a simulation that is interrupted ends at once, also in the middle of a run of many nodes', async (t) => {
  const many = conf('many.conf', 'knet', 1000, 48);
  const abort = new AbortController();
  const io = { ...capturedIo({ RONDO_IPC_INSTANCE: `rondo-simulate-${process.pid}` }), signal: abort.signal };
  setTimeout(() => abort.abort(), 300);
  const startMs = performance.now();
  const status = await runCli(['simulate', many, '--node', 'n1', '--for', '3600', '--seeds', '1000'], io);
  t.equal(status, CliExit.INTERRUPTED);
  t.ok(performance.now() - startMs < 20_000);
});
