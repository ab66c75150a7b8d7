import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import { sleep } from '../interop/lab/process.ts';
import { Attacker, alive, GRANTED, GRANTED_TOO, GRANTS, STRANGER } from './attacker.ts';

// Files of the IPC server in /dev/shm, which everybody can write.

const options = { transport: 'udpu', extra: GRANTS } as const;
const STARTS = 3;

t.test('a directory that looks left behind leads nowhere', { skip: skipReason(['ours']) }, async (t) => {
  const lab = await Lab.create(options, ['ours']);
  t.teardown(() => lab.close());
  const node = lab.node(1);
  const victim = join(node.space.directory, 'run/precious');
  mkdirSync(victim);
  chmodSync(victim, 0o755);
  const names = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? `file${i}` : `qb-request-cmap-data${i}`));
  names.push('qb-request-cmap-data', 'qb-event-cpg-header');
  for (const name of names) writeFileSync(join(victim, name), 'precious', { mode: 0o600 });
  const stranger = await Attacker.on(node, STRANGER);
  const race = stranger.start('sweep', '60', '/run/precious');
  await race.waitFor(/ready/);
  for (let start = 1; start <= STARTS; start++) {
    node.startDaemon();
    await lab.waitRing([node]);
    t.same(readdirSync(victim).sort(), [...names].sort(), `start ${start}: nothing is gone`);
    await node.killDaemon();
  }
  await race.stop('SIGKILL');
});

t.test('what a killed daemon leaves is removed by the next one', { skip: skipReason(['ours']) }, async (t) => {
  const lab = await Lab.up(options, ['ours']);
  t.teardown(() => lab.close());
  const node = lab.node(1);
  const shared = `/proc/${node.space.pid}/root/dev/shm`;
  const left = (): string[] => readdirSync(shared).filter((name) => /^qb-\d+-\d+-/.test(name));
  const user = await Attacker.on(node, GRANTED);
  const clients = user.start('connect', 'cmap', '3', '12328', 'silent');
  await clients.waitFor(/good 3/);
  t.equal(left().length, 3);
  const kept = await user.shell(`cd /dev/shm/${left()[0]} && rm -rf ./* ; mv ../${left()[0]} ../x; ls; echo done`);
  t.match(kept.stdout, /^done/, 'its owner-to-be neither empties nor moves nor lists the directory');
  t.equal(left().length, 3);
  await node.killDaemon();
  await clients.stop('SIGKILL');
  t.equal(left().length, 3);
  node.startDaemon();
  await lab.waitRing([node]);
  t.equal(left().length, 0);
});

for (const kind of ['ours', 'stock'] as const) {
  t.test(`${kind}: a hole in a ring file of a full file system`, { skip: skipReason([kind]) }, async (t) => {
    const lab = await Lab.up(options, [kind]);
    t.teardown(() => lab.close());
    const node = lab.node(1);
    await node.space.must('mount', ['-o', 'remount,size=64m', '/dev/shm']);
    const user = await Attacker.on(node, GRANTED);
    for (const service of ['cmap', 'cpg']) {
      const { stdout } = await user.run('hole', service);
      if (kind === 'ours') {
        t.match(stdout, /^wrote/, stdout);
        t.match(stdout, /cut/, `${service}: that connection is refused`);
        t.equal(await alive(lab, node), 'alive');
      }
    }
    if (kind === 'stock') t.comment(`stock: ${JSON.stringify(await Promise.race([node.daemon?.exited, sleep(3000)]))}`);
  });
}

t.test('two users cannot touch each other’s connections', { skip: skipReason(['ours']) }, async (t) => {
  const lab = await Lab.up(options, ['ours']);
  t.teardown(() => lab.close());
  const node = lab.node(1);
  const one = await Attacker.on(node, GRANTED);
  const other = await Attacker.on(node, GRANTED_TOO);
  const idle = one.start('connect', 'cpg', '1', '1048576', 'silent');
  await idle.waitFor(/good 1/);
  const directory = (await node.space.shell('ls -d /dev/shm/qb-*-*-*')).trim();
  const files = (await node.space.shell(`ls ${directory}`)).trim().split('\n');
  t.equal(files.length, 6);
  for (const name of files) {
    const { stdout } = await other.shell(
      `p=${directory}/${name}; head -c 1 $p && echo read; (echo >>$p) && echo written; rm -f $p && echo removed; ` +
        'truncate -s 0 $p && echo cut; chmod 666 $p && echo changed; ln $p /dev/shm/link && echo linked; echo end',
    );
    t.equal(stdout, 'end\n', name);
  }
  const { stdout } = await other.shell(
    `mv ${directory} /dev/shm/gone && echo moved; rmdir ${directory} && echo removed; ls ${directory}; ` +
      `touch ${directory}/new && echo made; echo end`,
  );
  t.equal(stdout, 'end\n', 'the directory');
  const names = await other.shell(`grep -c '@cpg' /proc/net/unix`);
  t.equal(names.stdout.trim() >= '1', true, 'sockets can be seen, but there is nothing to open behind a connected one');
  t.equal((await node.space.shell(`ls ${directory}`)).trim().split('\n').length, 6);
  await idle.stop('SIGKILL');
  t.equal(await alive(lab, node), 'alive');
});
