import { existsSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { ROOT } from '../interop/lab/host.ts';
import { Lab } from '../interop/lab/lab.ts';
import { LoadMember, settle } from '../interop/lab/load.ts';
import { makeMemoryGroup } from '../interop/lab/memory-group.ts';
import { alive } from './attacker.ts';

// Clients with large messages on a machine with little memory: a daemon that takes more than there is would be killed by the kernel.

const LIMIT_BYTES = 160 << 20;
const SENDERS = 4;
const MESSAGES = 250;
const MESSAGE_BYTES = 100_000;
const SETTLED_MS = 40_000;

for (const kind of ['ours', 'stock'] as const) {
  t.test(
    `100 kB messages of ${SENDERS} clients do not kill a node of 160 MB: ${kind}`,
    { skip: skipReason([kind], kind === 'stock') },
    async (t) => {
      t.setTimeout(120_000);
      const group = makeMemoryGroup(`rondo-test-${process.pid}-${kind}`, LIMIT_BYTES);
      if (group === null) {
        t.pass('no control group with a memory limit can be made here', { skip: true });
        return;
      }
      const lab = await Lab.create({ transport: 'knet', system: ['sched_rr: no'] }, [kind]);
      t.teardown(async () => {
        await lab.close();
        rmdirSync(group.path);
      });
      const node = lab.node(1);
      const program = kind === 'ours' ? join(ROOT, 'bin/rondod') : 'corosync';
      const script = `echo $$ >${group.path}/cgroup.procs && exec ${program} -f`;
      node.daemon = node.space.start('sh', ['-c', script]);
      await lab.waitRing([node]);
      const members: LoadMember[] = [];
      for (let at = 0; at < SENDERS; at++) members.push(await LoadMember.join(node));
      for (const [at, member] of members.entries()) member.send(MESSAGES, MESSAGE_BYTES, MESSAGE_BYTES, at + 1);
      // What waits is a quarter of the memory at most. Who sends waits for who reads more slowly, so that nobody is cut.
      const end = await settle(members, SETTLED_MS).then(
        () => 'all of them got everything',
        (error: unknown) => String(error).slice(0, 200),
      );
      t.equal(await alive(lab, node), 'alive');
      t.equal(end, 'all of them got everything');
      const peak = existsSync(group.peakFile) ? Number(readFileSync(group.peakFile, 'latin1')) >> 20 : 'unknown';
      t.comment(`${kind}: peak ${peak} MB`);
      for (const { process } of members) await process.stop('SIGTERM');
    },
  );
}
