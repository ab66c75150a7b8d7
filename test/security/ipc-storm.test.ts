import t from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import { Attacker, alive, GRANTED, GRANTS } from './attacker.ts';

// Requests that no library sends, by a user who may use the daemon, over all services; and what is logged when there is no room for him.

const options = { transport: 'udpu', extra: GRANTS } as const;
const SERVICES = ['cmap', 'cpg', 'cfg', 'quorum', 'votequorum'] as const;
/** Requests in all; `RONDO_HOSTILE=1e7` for the campaign. */
const REQUESTS = Number(process.env['RONDO_HOSTILE'] ?? 50_000);
/** How long another client waits for a connection meanwhile, on a machine that others use, too. */
const DISTURBED_MS_MAX = 1000;

t.test('hostile requests over all services', { skip: skipReason(['ours']) }, async (t) => {
  const lab = await Lab.up(options, ['ours']);
  t.teardown(() => lab.close());
  const node = lab.node(1);
  const [user, root] = [await Attacker.on(node, GRANTED), await Attacker.on(node, 0)];
  const share = Math.ceil(REQUESTS / SERVICES.length);
  for (const [seed, service] of SERVICES.entries()) {
    const storm = user.start('storm', service, String(share), String(seed + 1));
    const { stdout } = await root.run('probe', 'cmap', '2');
    await storm.exited;
    t.comment(`${service}: ${storm.output.trim()}; root: ${stdout.trim()} ms`);
    t.match(storm.output, /^sent \d+/);
    t.ok(Number(/worst (\d+)/.exec(stdout)?.[1]) < DISTURBED_MS_MAX, stdout);
    t.equal(await alive(lab, node), 'alive');
  }
  t.ok(node.log().length < 1_000_000, `${node.log().length} bytes of log`);
});

t.test(
  'full shared memory: the client’s status is stock’s, and the log has the reason',
  { skip: skipReason(['ours', 'stock']) },
  async (t) => {
    const lab = await Lab.create(options, ['ours', 'stock']);
    t.teardown(() => lab.close());
    for (const node of lab.nodes) node.startDaemon();
    await lab.waitRing(lab.nodes);
    for (const node of lab.nodes) {
      await node.space.shell(
        'mount -o remount,size=32m /dev/shm; dd if=/dev/zero of=/dev/shm/full bs=64k 2>/dev/null || true',
      );
      const { stdout } = await (await Attacker.on(node, GRANTED)).run('connect', 'cmap', '1', '1048576', 'silent');
      t.equal(stdout, 'good 0 errno28 1\n', `${node.kind}: ENOSPC`);
    }
    t.match(
      lab.node(1).log(),
      /of user 65534 cannot connect to cmap: ENOSPC, there is no room for ring files in \/dev\/shm/,
    );
  },
);
