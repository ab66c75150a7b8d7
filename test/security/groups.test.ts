import t from 'tap';
import { FULL, skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import { sleep } from '../interop/lab/process.ts';
import {
  Attacker,
  alive,
  delayMs,
  FLOOD_GROWTH_MIB_MAX,
  GRANTED,
  GRANTED_TOO,
  GRANTS,
  peakMiB,
  residentMiB,
} from './attacker.ts';
import { memberships } from './spoof.ts';

/**
 * A user whose connections say that they are other processes each: all in one group, where each join is an event to all with all in it, and each in a
 * group of its own. And root with as many in one group: he has no bound but that of the group.
 */
/** Stock is only measured: with 1,100 in one group it is busy for minutes, and takes 7 GiB. */
const PROCESSES = { ours: FULL ? 1_100 : 300, stock: 300 };
const NO_RESOURCES = 18;
const SERVED_MS_MAX = 1000;
/** Half of what libcpg's own programs have room for. */
const GROUP_USER_MAX = 64;
const CONNECTIONS_USER_MAX = 1024;

for (const kind of ['ours', 'stock'] as const) {
  for (const [uid, how] of [
    [GRANTED, 'one'],
    [GRANTED, 'each'],
    [0, 'one'],
  ] as const) {
    const processes = PROCESSES[kind];
    const name = `${kind}: ${processes} processes of ${uid === 0 ? 'root' : 'a user'}, ${how === 'one' ? 'one group' : 'a group each'}`;
    t.test(name, { skip: skipReason([kind], uid === 0 || kind === 'stock') }, async (t) => {
      const lab = await Lab.up({ transport: 'udpu', extra: GRANTS, tokenMs: 1000, system: ['sched_rr: yes'] }, [
        kind,
        kind,
      ]);
      t.teardown(() => lab.close());
      const node = lab.node(1);
      const before = { mib: residentMiB(node), rings: memberships(node) };
      const others = [
        (await Attacker.on(node, 0)).start('probe', 'cmap', '0'),
        (await Attacker.on(node, GRANTED_TOO, 'latency')).start('10', 'cpg'),
      ] as const;
      const user = (await Attacker.on(node, uid)).start('members', `${processes}`, how);
      await user.waitFor(/seconds.*\n/, 100_000);
      const { output } = user;
      await user.stop('SIGKILL');
      await sleep(1000);
      for (const other of others) other.child.stdin?.end('.');
      await Promise.all(others.map((other) => other.exited));
      const [root, too] = others.map((other) => other.output.replace('ready', '').trim());
      const formed = memberships(node) - before.rings;
      t.comment(
        `${kind}: ${output.trim()}; ${formed} memberships, ${(peakMiB(node) - before.mib).toFixed(0)} MiB more`,
      );
      t.comment(`root ${root} ms; messages of another user: ${too} ms`);
      if (kind === 'ours') {
        const connections = uid === 0 ? processes : Math.min(processes, CONNECTIONS_USER_MAX);
        const good = uid !== 0 && how === 'one' ? GROUP_USER_MAX : connections;
        t.match(output, `refused ${processes - connections} status1 ${good}`);
        if (good < connections) t.match(output, `status${NO_RESOURCES} ${connections - good}`);
        for (const served of [root, too]) t.ok(delayMs(served ?? '') < SERVED_MS_MAX, served ?? '');
        t.equal(formed, 0, 'no membership');
        if (uid !== 0) t.ok(peakMiB(node) - before.mib < FLOOD_GROWTH_MIB_MAX);
      }
      t.equal(await alive(lab, node), 'alive');
    });
  }
}
