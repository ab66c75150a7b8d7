import t from 'tap';
import { FULL, skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import { Attacker, alive, GRANTED, GRANTED_TOO, GRANTS, peakMiB, residentMiB } from './attacker.ts';

// Members of a group that never read: what the daemon keeps for them.

const READERS = 6;
const MESSAGE_BYTES = 100_000;
/** Copies for six readers exceed what is kept for one user. */
const MESSAGES = FULL ? 3000 : 700;
/** What is kept for one user's connections, and what the daemon may grow besides: rings in shared memory, V8. */
const KEPT_MIB = 256;
const BESIDES_MIB = 160;

for (const kind of ['ours', 'stock'] as const) {
  t.test(`${kind}: ${READERS} members that do not read`, { skip: skipReason([kind], kind === 'stock') }, async (t) => {
    const lab = await Lab.up({ transport: 'udpu', extra: GRANTS }, [kind]);
    t.teardown(() => lab.close());
    const node = lab.node(1);
    const before = residentMiB(node);
    const readers = (await Attacker.on(node, GRANTED, 'readers')).start('silent', String(READERS));
    await readers.waitFor(/joined/);
    const sender = (await Attacker.on(node, GRANTED_TOO, 'readers')).start(
      'send',
      String(MESSAGES),
      String(MESSAGE_BYTES),
    );
    await sender.exited;
    const peak = peakMiB(node) - before;
    t.comment(`${kind}: ${sender.output.trim()} of ${MESSAGES}, ${peak.toFixed(0)} MiB more at most`);
    if (kind === 'ours') {
      t.equal(sender.output, `sent ${MESSAGES}\n`, 'who reads is not held up');
      t.ok(peak < KEPT_MIB + BESIDES_MIB, `${peak} MiB`);
    }
    readers.child.stdin?.end();
    await readers.exited;
    t.equal(await alive(lab, node), 'alive');
  });
}
