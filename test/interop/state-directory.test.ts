import t from 'tap';
import { FULL, skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import { sleep, until } from './lab/process.ts';

const KINDS = ['ours', 'stock'] as const;
const STORE = /Couldn't store .*ring id.*more rings can form/g;
const AGAIN = /The ring id can be stored again/;
/** The trouble is logged once a minute. */
const LOGGED_AGAIN_MS = 70_000;

const WAYS = [
  {
    name: 'read-only',
    before: 'true',
    // Over the directory: files that are open for writing, such as the flight recorder's, keep the mount itself from being changed.
    harm: 'mount --bind /var/lib/corosync /var/lib/corosync && mount -o remount,bind,ro /var/lib/corosync',
    mend: 'umount -l /var/lib/corosync',
    error: /EROFS/,
  },
  {
    name: 'full',
    before: 'mount -t tmpfs -o size=64k tmpfs /var/lib/corosync',
    harm: 'dd if=/dev/zero of=/var/lib/corosync/filler bs=4k 2>/dev/null || true',
    mend: 'rm /var/lib/corosync/filler',
    error: /ENOSPC/,
  },
] as const;

for (const { name, before, harm, mend, error } of WAYS) {
  t.test(`a state directory that becomes ${name} under a running node`, { skip: skipReason(KINDS) }, async (t) => {
    t.setTimeout(200_000);
    const labs = await Promise.all(
      KINDS.map(async (kind) => {
        const lab = await Lab.create({ transport: 'udpu', tokenMs: 1000 }, [kind]);
        t.teardown(() => lab.close());
        await lab.node(1).space.shell(before);
        lab.node(1).startDaemon();
        await lab.waitRing(lab.nodes);
        await lab.node(1).space.shell(harm);
        return lab;
      }),
    );
    const [ours, stock] = labs;
    if (ours === undefined || stock === undefined) throw new Error('no lab');
    const change = (lab: Lab) => lab.node(1).tool('corosync-cmapctl', '-s', 'runtime.force_gather', 'str', 'yes');
    const lines = (): number => ours.node(1).log().match(STORE)?.length ?? 0;

    await change(ours);
    await until('a line about it', async () => (lines() > 0 ? true : null), 10_000);
    t.match(ours.node(1).log(), error);
    for (let ring = 0; ring < 3; ring++) {
      await change(ours);
      await ours.waitRing(ours.nodes);
    }
    await sleep(500);
    t.equal(lines(), 1, 'once, however many rings form');
    t.ok(ours.node(1).daemon?.alive, 'the node goes on');
    if (FULL) await until('the line again', async () => (lines() === 2 ? true : null), LOGGED_AGAIN_MS);
    await ours.node(1).space.shell(mend);
    await until('the end of it', async () => (AGAIN.test(ours.node(1).log()) ? true : null), 40_000);

    await change(stock);
    // Into a full directory stock writes over its file in place; a read-only one is its end.
    await Promise.race([stock.node(1).daemon?.exited, sleep(name === 'full' ? 1000 : 10_000)]);
    const { daemon } = stock.node(1);
    if (name === 'read-only') t.notOk(daemon?.alive, 'the end of stock');
    const end = daemon?.alive ? 'lives' : `ended with ${JSON.stringify(await daemon?.exited)}`;
    t.comment(`stock ${end}: ${stock.node(1).log().trimEnd().split('\n').at(-1)}`);
  });
}
