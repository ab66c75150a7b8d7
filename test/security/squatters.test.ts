import t from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import { sleep } from '../interop/lab/process.ts';
import { Attacker, alive, GRANTED, GRANTS, STRANGER } from './attacker.ts';
import { memberships } from './spoof.ts';

// Users of the same host who say nothing to the daemon: they take its ports, lock its files, and look into it.

const SECONDS = 3;
const GROUP = '239.192.106.83';
const KINDS = ['ours', 'stock'] as const;
const multicast = `interface {\n  linknumber: 0\n  mcastaddr: ${GROUP}\n  mcastport: 5405\n}`;

for (const transport of ['udp', 'udpu', 'knet'] as const) {
  for (const kind of KINDS) {
    t.test(
      `${kind}, ${transport}: the port of a running ring`,
      { skip: skipReason([kind], transport !== 'udp' || kind === 'stock', transport) },
      async (t) => {
        const lab = await Lab.up({ transport, ...(transport === 'udp' ? { totem: [multicast] } : {}) }, [kind, kind]);
        t.teardown(() => lab.close());
        const node = lab.node(1);
        const own = node.plan.addresses[0]!;
        const rings = memberships(node);
        const stranger = await Attacker.on(node, STRANGER, 'squat');
        const places = [
          { address: own, port: 5405 },
          { address: '0.0.0.0', port: 5405 },
          ...(transport === 'udp'
            ? [
                { address: GROUP, port: 5405 },
                { address: own, port: 5404 },
              ]
            : []),
        ];
        const steal = ({ address, port }: (typeof places)[number]) =>
          stranger.run('port', address, `${port}`, `${SECONDS}`);
        const thefts = await Promise.all(places.map(steal));
        await sleep(500);
        const results = thefts.map(
          ({ stdout }, at) => `${places[at]!.address}:${places[at]!.port} ${stdout.trim().replace('\n', ', ')}`,
        );
        const formed = memberships(node) - rings;
        t.comment(`${kind}: ${results.join('; ')}; ${formed} memberships`);
        if (kind === 'ours') {
          for (const result of results) t.match(result, /refused 98$/, 'EADDRINUSE');
          t.equal(formed, 0);
        }
        await lab.waitRing(lab.nodes, 60_000);
      },
    );
  }
}

for (const kind of KINDS) {
  t.test(
    `${kind}: locks on what others may read, before a start; a look into the process`,
    { skip: skipReason([kind]) },
    async (t) => {
      const lab = await Lab.up({ transport: 'udpu', extra: GRANTS }, [kind]);
      t.teardown(() => lab.close());
      const node = lab.node(1);
      const stranger = await Attacker.on(node, STRANGER, 'squat');
      const found = await node.space.shell('find /var/lib/corosync /run /etc/corosync /dev/shm -maxdepth 2');
      const paths = ['/var/lib/corosync', ...found.trim().split('\n')];
      await node.stopDaemon();
      const locks = paths.map((path) => stranger.start('lock', path));
      await Promise.all(locks.map((lock) => lock.waitFor(/refused|locked/)));
      const taken = paths.filter((_, at) => locks[at]!.output.includes('locked'));
      t.ok(taken.length > 0, `locked: ${taken.join(' ')}`);
      node.startDaemon();
      await lab.waitRing([node]);
      t.equal(await alive(lab, node), 'alive');
      for (const lock of locks) await lock.stop('SIGKILL');

      const pid = node.daemon?.pid;
      for (const uid of [GRANTED, STRANGER]) {
        const user = await Attacker.on(node, uid, 'squat');
        for (const name of ['environ', 'maps', 'mem', 'syscall', 'auxv', 'fd/0', 'map_files'])
          t.match(
            (await user.run('read', `/proc/${pid}/${name}`, '16')).stdout,
            /^refused (1|5|13)$/m,
            `${uid}: ${name}`,
          );
        const fdata = (await node.space.shell('ls /var/lib/corosync')).trim().split('\n');
        for (const name of fdata.filter((one) => !one.startsWith('ringid')))
          t.match((await user.run('read', `/var/lib/corosync/${name}`, '16')).stdout, /^refused 13$/m, name);
      }
      t.equal(await alive(lab, node), 'alive');
    },
  );
}
