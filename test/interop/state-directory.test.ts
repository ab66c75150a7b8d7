import t from 'tap';
import { FULL, skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import { sleep, until } from './lab/process.ts';

const STORE = /Couldn't store .*ring id.*more rings can form/g;
const AGAIN = /The ring id can be stored again/;
/** The trouble is logged once a minute. */
const LOGGED_AGAIN_MS = 70_000;

t.test(
  'a state directory that becomes read-only under a running node',
  { skip: skipReason(['ours', 'stock']) },
  async (t) => {
    t.setTimeout(200_000);
    const [ours, stock] = await Promise.all(
      (['ours', 'stock'] as const).map((kind) => Lab.up({ transport: 'udpu', tokenMs: 1000 }, [kind])),
    );
    if (ours === undefined || stock === undefined) throw new Error('no lab');
    t.teardown(() => Promise.all([ours.close(), stock.close()]));
    for (const lab of [ours, stock]) await lab.node(1).space.shell('mount -o remount,bind,ro /var/lib/corosync');
    const change = (lab: Lab) => lab.node(1).tool('corosync-cmapctl', '-s', 'runtime.force_gather', 'str', 'yes');
    const lines = (): number => ours.node(1).log().match(STORE)?.length ?? 0;

    await change(ours);
    await until('a line about it', async () => (lines() > 0 ? true : null), 10_000);
    for (let ring = 0; ring < 3; ring++) {
      await change(ours);
      await ours.waitRing(ours.nodes);
    }
    await sleep(500);
    t.equal(lines(), 1, 'once, however many rings form');
    t.ok(ours.node(1).daemon?.alive, 'the node goes on');
    if (FULL) await until('the line again', async () => (lines() === 2 ? true : null), LOGGED_AGAIN_MS);
    await ours.node(1).space.shell('mount -o remount,bind,rw /var/lib/corosync');
    await until('the end of it', async () => (AGAIN.test(ours.node(1).log()) ? true : null), 40_000);

    await change(stock);
    await until('the end of stock', async () => (stock.node(1).daemon?.alive ? null : true), 10_000);
    t.comment(
      `stock ended with ${JSON.stringify(await stock.node(1).daemon?.exited)}: ${stock.node(1).log().trimEnd().split('\n').at(-1)}`,
    );
  },
);
