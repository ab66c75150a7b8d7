import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { hasCommand, ROOT } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { run } from './lab/process.ts';

/** SIGABRT: from the service manager's watchdog, or from somebody who wants to know what the daemon was doing. */
for (const kind of ['stock', 'ours'] as const) {
  t.test(`${kind}: an aborted daemon leaves its flight data`, { skip: skipReason([kind]) }, async (t) => {
    const lab = await Lab.up({ transport: 'udpu', tokenMs: 1000 }, [kind]);
    t.teardown(() => lab.close());
    const node = lab.node(1);
    const pid = (await node.space.shell('cat /run/corosync.pid')).trim();
    await run('prlimit', ['--pid', pid, '--core=0']);
    process.kill(Number(pid), 'SIGABRT');
    const { signal, code } = (await node.daemon?.exited) ?? {};
    t.ok(signal === 'SIGABRT' || code === 134, `ended by ${signal} (${code})`);
    const files = await node.space.shell('ls /var/lib/corosync');
    t.match(files, /^fdata-\S+$/m);
    t.match(files, /^fdata$/m);
    if (!hasCommand('qb-blackbox')) return;
    const { stdout } = await node.tool('qb-blackbox', '/var/lib/corosync/fdata');
    t.match(stdout, /ready to provide service/, 'with what was logged before');
    if (kind === 'ours') t.match(stdout, /Aborted by a signal/);
  });
}

/** While it runs: who looks does not end it, and whichever program asks gets the same lines. */
t.test('the flight data of a running daemon, by each program', { skip: skipReason(['ours']) }, async (t) => {
  t.setTimeout(90_000);
  const lab = await Lab.up({ transport: 'udpu', tokenMs: 1000 }, ['ours']);
  t.teardown(() => lab.close());
  const node = lab.node(1);
  const rondo = join(ROOT, 'bin/rondo');
  const early = await node.tool(rondo, 'blackbox');
  t.not(early.code, 0, 'nothing was written yet');

  const dumped = await node.tool(rondo, 'blackbox', 'dump');
  t.match(dumped, { code: 0, stdout: /Written: \/var\/lib\/corosync\/fdata\. Show it with: rondo blackbox/ });
  const shown = await node.tool(rondo, 'blackbox', '--json');
  t.equal(shown.code, 0);
  const lines = shown.stdout
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  t.ok(lines.length > 20, `${lines.length} lines`);
  t.match(shown.stdout, /ready to provide service/);
  const least = await node.tool(rondo, 'blackbox', '--level', 'notice', '-n', '3');
  t.equal(least.stdout.trim().split('\n').length, 3);
  t.notMatch(least.stdout, / (?:debug|trace|info) /);

  const own = join(t.testdir({}), 'corosync-blackbox');
  symlinkSync(join(ROOT, 'bin/corosync-tool'), own);
  const programs = [
    own,
    ...(hasCommand('corosync-blackbox') && hasCommand('qb-blackbox') ? ['corosync-blackbox'] : []),
  ];
  for (const program of programs) {
    const { code, stdout, stderr } = await node.tool(program);
    t.equal(code, 0, `${program}: ${stderr}`);
    t.match(stdout, /^Dumping the contents of \/var\/lib\/corosync\/fdata$/m);
    t.match(stdout, /^notice .*Completed service synchronization, ready to provide service\.$/m, program);
  }
  t.same(await node.members(), [1], 'it runs on');
});
