import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import type { LabNode } from '../interop/lab/node.ts';
import { sleep, until } from '../interop/lab/process.ts';
import { alive, GRANTED, GRANTS, rootServedMs } from './attacker.ts';

/** Where a user would like root to write: a file of root's, by its own name and by a link, and something that waits for a reader. */
const KEYS = ['logging.logfile', 'logging.logger_subsys.TOTEM.logfile'];
const TARGETS = ['/etc/corosync/victim', '/run/attacker/link', '/run/attacker/fifo'];
const VICTIM = 'root’s own\n';
const SERVED_MS_MAX = 1_000;
const ATTEMPTS = 3;

const victim = (node: LabNode): string => readFileSync(join(node.space.directory, 'etc/victim'), 'utf8');
const asUser = (node: LabNode, ...args: readonly string[]) =>
  node.space.run('setpriv', [`--reuid=${GRANTED}`, `--regid=${GRANTED}`, '--clear-groups', ...args]);
/** Something that each daemon logs now. */
const cause = (node: LabNode) => node.tool('corosync-cmapctl', '-s', 'runtime.force_gather', 'str', 'yes');

async function prepare(node: LabNode): Promise<void> {
  writeFileSync(join(node.space.directory, 'etc/victim'), VICTIM, { mode: 0o600 });
  mkdirSync(join(node.space.directory, 'run/attacker'), { recursive: true });
  await node.space.shell(`chown ${GRANTED} /run/attacker`);
  const { code, stderr } = await asUser(
    node,
    'sh',
    '-c',
    'mkfifo /run/attacker/fifo && ln -s /etc/corosync/victim /run/attacker/link',
  );
  if (code !== 0) throw new Error(stderr);
}

/** The best of a few times: the machine is busy with other things. */
async function servedMs(node: LabNode): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) best = Math.min(best, (await rootServedMs(node)) ?? best);
  return best;
}

t.test('where a granted user would like the log to go', { skip: skipReason(['ours', 'stock']) }, async (t) => {
  t.setTimeout(120_000);
  const labs = await Promise.all(
    (['ours', 'stock'] as const).map((kind) => Lab.up({ transport: 'udpu', tokenMs: 1000, extra: GRANTS }, [kind])),
  );
  t.teardown(() => Promise.all(labs.map((lab) => lab.close())));
  const [lab, other] = labs;
  if (lab === undefined || other === undefined) throw new Error('no lab');
  const [ours, stock] = [lab.node(1), other.node(1)];
  for (const node of [ours, stock]) await prepare(node);

  await t.test('the user is refused', async (t) => {
    const before = await ours.cmap('logging.logfile');
    for (const key of KEYS) {
      for (const target of TARGETS) {
        const { code, stdout, stderr } = await asUser(ours, 'corosync-cmapctl', '-s', key, 'str', target);
        t.not(code, 0, `${key} ${target}`);
        t.match(stdout + stderr, /CS_ERR_ACCESS/);
      }
    }
    const { code } = await asUser(ours, 'corosync-cmapctl', '-s', 'logging.debug', 'str', 'on');
    t.equal(code, 0, 'other keys of the log are open, as in stock');
    await asUser(ours, 'corosync-cmapctl', '-s', 'logging.debug', 'str', 'off');
    t.equal(await ours.cmap('logging.logfile'), before);
    await cause(ours);
    await sleep(500);
    t.equal(victim(ours), VICTIM);
    t.equal(await alive(lab, ours), 'alive');
  });

  await t.test('root set it: nothing waits, nothing of others is followed', async (t) => {
    for (const target of ['/run/attacker/fifo', '/run/attacker/link']) {
      const startMs = performance.now();
      const { code } = await ours.tool('corosync-cmapctl', '-s', 'logging.logfile', 'str', target);
      t.equal(code, 0, `${target}, after ${Math.round(performance.now() - startMs)} ms`);
      await cause(ours);
      const ms = await servedMs(ours);
      t.ok(ms < SERVED_MS_MAX, `${target}: root is served within ${Math.round(ms)} ms`);
      await until(`a line about ${target}`, async () => (ours.log().includes(`Log file ${target}: `) ? true : null));
    }
    t.equal(victim(ours), VICTIM);
    const text = ours.log();
    await cause(ours);
    await until('lines in the former file', async () => (ours.log().length > text.length ? true : null));
    await ours.tool('corosync-cmapctl', '-s', 'logging.logfile', 'str', '/var/log/corosync/corosync.log');
    t.equal(await alive(lab, ours), 'alive');
  });

  await t.test('stock beside it', async (t) => {
    const { code } = await asUser(stock, 'corosync-cmapctl', '-s', 'logging.logfile', 'str', '/run/attacker/link');
    t.equal(code, 0, 'any granted user may');
    await cause(stock);
    await until('a line in root’s file', async () => (victim(stock).length > VICTIM.length ? true : null));
    t.match(victim(stock), /GATHER|membership/, 'and root’s file has the log');
    t.ok(existsSync(join(stock.space.directory, 'run/attacker/fifo')));
  });
});
