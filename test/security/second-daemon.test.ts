import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { ROOT } from '../interop/lab/host.ts';
import { Lab } from '../interop/lab/lab.ts';
import { until } from '../interop/lab/process.ts';
import { alive } from './attacker.ts';

// Two daemons of one host: neither takes the other's lock, ring id or ring files.

const RONDOD = join(ROOT, 'bin/rondod');

t.test('a second daemon of the same host', { skip: skipReason(['ours']) }, async (t) => {
  const lab = await Lab.up({ transport: 'udpu' }, ['ours']);
  t.teardown(() => lab.close());
  const node = lab.node(1);
  const { space } = node;
  const stateOf = (directory: string): string[] =>
    readdirSync(join(space.directory, directory))
      .filter((name) => name.startsWith('ringid'))
      .map((name) => `${name} ${readFileSync(join(space.directory, directory, name)).toString('hex')}`);
  const memory = (): Promise<string> => space.shell('ls /dev/shm | sort');
  const lock = (): string => readFileSync(join(space.directory, 'run/corosync.pid'), 'latin1');
  const files = async (): Promise<readonly unknown[]> => [stateOf('state'), lock(), await memory()];
  const before = await files();

  const again = await space.run(RONDOD, ['-f']);
  t.equal(again.code, 18, 'the same names: refused by the lock');
  t.strictSame(await files(), before);

  writeFileSync(
    join(space.directory, 'run/other.conf'),
    readFileSync(node.confFile, 'utf8').replace('corosync.log', 'other.log'),
  );
  const other = ['-c', '/run/other.conf', '-l', '/run/other.pid', '--ipc-instance', 'other'];
  const sameState = await space.run(RONDOD, ['-f', ...other, '--state-dir', '/var/lib/corosync']);
  t.equal(sameState.code, 18, 'other names, the same state directory: refused, too');
  t.match(
    readFileSync(join(space.directory, 'log/corosync/other.log'), 'utf8'),
    'Another daemon uses the state directory /var/lib/corosync. Stop it, or give this one its own --state-dir',
  );
  t.strictSame(await files(), before);

  const state = join(space.directory, 'state/two');
  const conf = readFileSync(node.confFile, 'utf8').replace(node.plan.addresses[0] ?? '', '127.0.0.1');
  writeFileSync(join(space.directory, 'run/two.conf'), conf.replace('corosync.log', 'two.log'));
  const own = ['-c', '/run/two.conf', '-l', '/run/two.pid', '--state-dir', '/var/lib/corosync/two'];
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    rmSync(state, { recursive: true, force: true });
    mkdirSync(state);
    const second = space.start(RONDOD, ['-f', ...own, '--ipc-instance', 'two']);
    await until('the second ring', async () => stateOf('state/two').length > 0 || null, 15_000);
    await second.stop(signal);
    t.strictSame([stateOf('state'), lock()], before.slice(0, 2), signal);
    t.equal(await alive(lab, node), 'alive');
  }
});
