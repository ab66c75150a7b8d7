import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import type { LabNode } from '../interop/lab/node.ts';
import { Attacker, alive, GRANTED, GRANTED_TOO, GRANTS } from './attacker.ts';

// Buffers that a client shares with the daemon by files: libcpg does not look at the response, and leaves the file to the daemon.

const options = { transport: 'udpu', extra: GRANTS, system: ['sched_rr: no'] } as const;
/** What stock serves of one client, at least. */
const BUFFERS = 2000;

const left = (node: LabNode): string[] =>
  readdirSync(`/proc/${node.space.pid}/root/dev/shm`).filter((name) => name.startsWith('corosync_zerocopy-'));
const descriptors = (node: LabNode): number => readdirSync(`/proc/${node.daemon?.pid}/fd`).length;

for (const kind of ['stock', 'ours'] as const) {
  t.test(`${kind}: ${BUFFERS} buffers of one client`, { skip: skipReason([kind], kind === 'stock') }, async (t) => {
    const lab = await Lab.up(options, [kind]);
    t.teardown(() => lab.close());
    const node = lab.node(1);
    const before = descriptors(node);
    const user = await Attacker.on(node, GRANTED, 'zerocopy');
    const { stdout } = await user.run('many', String(BUFFERS), '1000');
    t.equal(stdout, `joined\nallocated ${BUFFERS} sent ${BUFFERS} delivered ${BUFFERS} refused 0\n`);
    t.same(left(node), [], 'no file is left');
    t.equal(await alive(lab, node), 'alive');
    if (kind === 'ours') t.ok(descriptors(node) <= before + 4, 'the descriptors are given back');
  });
}

t.test('sizes, paths and numbers that no library asks for', { skip: skipReason(['ours']) }, async (t) => {
  const lab = await Lab.up(options, ['ours']);
  t.teardown(() => lab.close());
  const node = lab.node(1);
  const target = join(node.space.directory, 'run/precious');
  writeFileSync(target, 'precious', { mode: 0o666 });
  await node.space.shell('echo root >/dev/shm/corosync_zerocopy-rrrrrr');
  const user = await Attacker.on(node, GRANTED, 'zerocopy');
  const other = await Attacker.on(node, GRANTED_TOO, 'zerocopy');
  const evil = user.start('evil', '/run/precious');
  await evil.waitFor(/refused after/);
  const statuses = new Map(evil.output.split('\n').map((line) => line.split(': ') as [string, string]));
  const served = ['good', 'many bytes', 'all bytes', 'good again'];
  for (const [what, status] of statuses) {
    if (status !== undefined) t.equal(status, served.includes(what) ? '1' : '11', what);
  }
  const refused = Number(/refused after (\d+)/.exec(evil.output)?.[1]);
  t.ok(refused >= BUFFERS && refused < 20_000, `one user has ${refused} buffers`);
  const names = ['dddddd', 'hhhhhh', 'llllll', 'pppppp', 'rrrrrr'].filter(
    (name) => name !== 'hhhhhh' || statuses.has('hard link'),
  );
  t.same(
    left(node).sort(),
    names.map((name) => `corosync_zerocopy-${name}`),
    'what is no file of the client stays, everything else goes',
  );
  t.equal(await node.space.shell('cat /run/precious /dev/shm/corosync_zerocopy-rrrrrr'), 'preciousroot\n');
  t.equal((node.log().match(/zero-copy buffer/g) ?? []).length < 20, true, 'the log is throttled');
  t.match(node.log(), /A zero-copy buffer of \S+ \(\d+\) was refused: there are enough/);
  const { stdout } = await other.run('many', '100', '1000');
  t.equal(stdout, 'joined\nallocated 100 sent 100 delivered 100 refused 0\n', 'another user has his own');

  const poor = other.start('late', '10', '1000');
  await poor.waitFor(/joined/);
  await node.space.must('prlimit', ['--pid', String(node.daemon?.pid), '--nofile=64:']);
  poor.write('\n');
  await poor.waitFor(/allocated/);
  t.match(poor.output, /allocated 10 sent 0 delivered 0 refused 7/, 'the daemon has no descriptors');
  t.equal(left(node).length, names.length, 'and nothing is left behind, either');
  await node.space.must('prlimit', ['--pid', String(node.daemon?.pid), '--nofile=4096:']);
  await evil.stop('SIGKILL');
  t.equal(await alive(lab, node), 'alive');
  t.equal((await other.run('many', '100', '1000')).stdout, stdout);
});
