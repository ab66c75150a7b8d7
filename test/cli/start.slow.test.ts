import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { until } from '../daemon/loopback-cluster.ts';

const START = fileURLToPath(new URL('../../../scripts/start.mjs', import.meta.url));

t.setTimeout(800_000);

t.test(
  'npm start without a terminal: a ring, a killed node that returns, nothing left',
  { timeout: 200_000 },
  async (t) => {
    const child = spawn(process.execPath, [START, '--lines'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const says = (pattern: RegExp, from = 0): Promise<void> =>
      until(() => pattern.test(text.slice(from)) || child.exitCode !== null, `${pattern} in:\n${text}`);
    await says(/ring [0-9a-f.]+: members 1 2 3/);
    t.match(text, /rondo-demo-\d+-\w{6}/);
    const directory = /\/\S*rondo-demo-\d+-\w{6}/.exec(text)?.[0] ?? '';
    t.ok(existsSync(directory));

    child.stdin.write('send 1\nkill 3\n');
    await says(/node3: ended by SIGKILL/);
    await says(/node1: ring \S+: members 1 2, left 3/);
    const killedAt = text.length;
    child.stdin.write('start 3\n');
    await says(/node1: ring \S+: members 1 2 3, joined 3/, killedAt);
    child.stdin.write('nonsense\nstatus\n');
    await says(/unknown command 'nonsense'/);
    await says(/order same/);
    const pids = [...text.matchAll(/started, pid (\d+)/g)].map(([, pid]) => pid);
    t.equal(pids.length, 4);
    child.stdin.write('quit\n');
    t.equal(await ended, 0);
    t.notOk(existsSync(directory));
    for (const pid of pids) t.throws(() => process.kill(Number(pid), 0));
    t.same(
      readdirSync('/dev/shm').filter((name) => pids.some((pid) => name.startsWith(`qb-${pid}-`))),
      [],
    );
  },
);

t.test('SIGTERM ends it as well', { timeout: 100_000 }, async (t) => {
  const child = spawn(process.execPath, [START, '--lines', '--nodes', '1', '--transport', 'udpu'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await until(() => text.includes('serves clients'), 'a node that serves clients');
  child.kill('SIGTERM');
  t.equal(await new Promise((resolve) => child.once('exit', resolve)), 0);
  const directory = /\/\S*rondo-demo-\d+-\w{6}/.exec(text)?.[0] ?? '';
  t.notOk(existsSync(directory));
});
