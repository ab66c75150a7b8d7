import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import t from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import { sleep, until } from '../interop/lab/process.ts';
import { program } from '../interop/lab/programs.ts';
import { Attacker, alive, GRANTED, GRANTS, residentMiB, rootServedMs, STRANGER } from './attacker.ts';

// Who may connect: users and groups, user namespaces, forged credentials; and descriptors that come with a request.

const GROUP = 54321;
const OTHER_GROUP = 54322;
const grants = [...GRANTS, `uidgid {\n  gid: ${GROUP}\n}`];
/** Whose rights decide, by `setpriv`: the ids that a process has when it sends the request. Supplementary groups do not count, in stock neither. */
const CASES = [
  ['granted user', `--reuid=${GRANTED} --regid=${OTHER_GROUP} --clear-groups`, 0],
  ['granted group as the primary one', `--reuid=${STRANGER} --regid=${GROUP} --clear-groups`, 0],
  ['granted group among the supplementary ones', `--reuid=${STRANGER} --regid=${OTHER_GROUP} --groups=${GROUP}`, -13],
  ['other group, also root as a supplementary one', `--reuid=${STRANGER} --regid=${OTHER_GROUP} --groups=0`, -13],
  ['nobody’s', `--reuid=${STRANGER} --regid=${OTHER_GROUP} --clear-groups`, -13],
] as const;
const CONNECTIONS = 100;
/** A user who wastes the daemon's time is not looked at for a moment. */
const FORGIVEN_MS = 200;

for (const kind of ['ours', 'stock'] as const) {
  t.test(`${kind}: ids, namespaces, forged credentials`, { skip: skipReason([kind]) }, async (t) => {
    const lab = await Lab.up({ transport: 'udpu', extra: grants }, [kind]);
    t.teardown(() => lab.close());
    const node = lab.node(1);
    const path = `/run/${basename(await program('identity', 'security'))}`;
    const stranger = await Attacker.on(node, STRANGER, 'identity');
    const result = async (command: string): Promise<string> => {
      await sleep(FORGIVEN_MS);
      return (await node.space.run('sh', ['-c', command])).stdout.trim();
    };
    for (const [name, ids, status] of CASES)
      t.equal(await result(`setpriv ${ids} ${path} ask cmap`), `status ${status}`, name);

    for (const how of ['--map-root-user', '', '--map-user=65534 --map-group=65534'] as const) {
      const { stdout, stderr } = await stranger.shell(`unshare --user ${how} ${path} ask cmap`);
      if (stderr.includes('unshare failed')) t.comment(`no user namespaces here: ${stderr.trim()}`);
      else t.equal(stdout.trim(), 'status -13', `root of his own user namespace: ${how}`);
      await sleep(FORGIVEN_MS);
    }
    for (const uid of [0, GRANTED]) {
      t.equal(
        (await stranger.run('forge', 'cmap', `${uid}`)).stdout.trim(),
        'refused 1',
        `${uid}: EPERM of the kernel`,
      );
      const inside = await stranger.shell(`unshare --user --map-root-user ${path} forge cmap ${uid}`);
      if (!inside.stderr.includes('unshare failed'))
        t.match(inside.stdout.trim(), uid === 0 ? 'status -13' : /^refused (1|22)$/, `${uid} of a namespace`);
      await sleep(FORGIVEN_MS);
    }
    t.equal(await alive(lab, node), 'alive');
  });

  t.test(
    `${kind}: descriptors in the luggage of a request`,
    { skip: skipReason([kind], kind === 'stock') },
    async (t) => {
      const lab = await Lab.up({ transport: 'udpu', extra: grants }, [kind]);
      t.teardown(() => lab.close());
      const node = lab.node(1);
      const descriptors = (): number => readdirSync(`/proc/${node.daemon?.pid}/fd`).length;
      const before = { descriptors: descriptors(), mib: residentMiB(node) };
      for (const service of ['cmap', 'cpg']) {
        const user = (await Attacker.on(node, GRANTED, 'identity')).start('rights', service, `${CONNECTIONS}`);
        const [, made] = await user.waitFor(/made (\d+)/, 30_000);
        await sleep(300);
        const more = descriptors() - before.descriptors;
        const servedMs = await rootServedMs(node);
        t.comment(
          `${kind}, ${service}: ${made} connections, ${more} descriptors more, root ${servedMs?.toFixed(0)} ms`,
        );
        if (kind === 'ours') {
          t.equal(Number(made), CONNECTIONS);
          t.ok(more <= 2 * CONNECTIONS + 20, `${more} more, none of ${CONNECTIONS * 220} that were sent`);
          t.ok(servedMs !== null && servedMs < 1000);
        }
        await user.stop('SIGKILL');
        await sleep(300);
      }
      const given = until('descriptors given back', () => descriptors() <= before.descriptors + 5 || null, 10_000);
      if (kind === 'ours') await t.resolves(given, 'all of it is given back');
      else await given.catch(() => {});
      t.comment(`${kind}: ${(residentMiB(node) - before.mib).toFixed(0)} MiB more`);
      t.equal(await alive(lab, node), 'alive');
    },
  );
}
