import t, { type Test } from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import type { DaemonKind, LabNode } from '../interop/lab/node.ts';
import { type Running, sleep } from '../interop/lab/process.ts';
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

// Requests that no library sends, by a user who may use the daemon, over all services; and what is logged when there is no room for him.

/** Priority is part of the defence. */
const options = { transport: 'udpu', extra: GRANTS, system: ['sched_rr: yes'] } as const;
const KINDS = ['ours', 'stock'] as const;
const SERVICES = ['cmap', 'cpg', 'cfg', 'quorum', 'votequorum'] as const;
/** Requests, and handshakes, in all; `RONDO_HOSTILE=1e7` for the campaign. */
const HOSTILE = Number(process.env['RONDO_HOSTILE'] ?? 50_000);
/** Stock is stopped by either attack: it is given so long, and what came of it is printed. */
const STOCK_SECONDS = Number(process.env['RONDO_STOCK_SECONDS'] ?? 8);
/** Who waits for stock's response waits for ever, perhaps. */
const STOCK_WAIT_MS = 3000;
/** How long others wait for a connection, and for a response on one that they have, besides the machine's own delays. */
const DISTURBED_MS_MAX = 1000;
const EVERY_MS = 4;
/** Those that wait for responses go on for as long as those take. */
const PATIENT_MAX = 20_000;

/** Runs attackers side by side while others use the daemon; how long those wait, and whether it lives. */
async function campaign(
  t: Test,
  kind: DaemonKind,
  attack: (node: LabNode) => Promise<readonly Running[]>,
): Promise<void> {
  const lab = await Lab.up(options, [kind]);
  t.teardown(() => lab.close());
  const node = lab.node(1);
  const before = residentMiB(node);
  const established = (await Attacker.on(node, GRANTED_TOO, 'latency')).start(String(EVERY_MS), 'cmap');
  await established.waitFor(/ready/);
  const root = (await Attacker.on(node, 0)).start('probe', 'cmap', '0');
  const startMs = performance.now();
  const attackers = await attack(node);
  const stop = setTimeout(() => {
    for (const attacker of attackers) attacker.signal('SIGTERM');
  }, STOCK_SECONDS * 1000);
  if (kind === 'ours') clearTimeout(stop);
  for (const attacker of attackers) {
    await attacker.exited;
    t.comment(attacker.output.trim());
    if (kind === 'ours') t.match(attacker.output, /^(sent|good) \d+/, 'it got to the end');
  }
  clearTimeout(stop);
  const seconds = (performance.now() - startMs) / 1000;
  for (const other of [established, root]) {
    other.child.stdin?.end('.');
    if (kind === 'stock') await Promise.race([other.exited, sleep(STOCK_WAIT_MS)]);
    await (kind === 'ours' ? other.exited : other.stop('SIGKILL'));
  }
  const others = `established: ${established.output.trim()} ms; root connects: ${root.output.trim()} ms`;
  t.comment(`${kind}: ${seconds.toFixed(1)} s, ${Math.round(HOSTILE / seconds)} a second if all were sent; ${others}`);
  if (kind === 'stock') return t.comment(`stock: ${(await alive(lab, node)).slice(0, 200)}`);
  const growth = peakMiB(node) - before;
  t.comment(`${growth.toFixed(0)} MiB more at most`);
  t.ok(delayMs(established.output) < DISTURBED_MS_MAX, established.output);
  t.ok(delayMs(root.output) < DISTURBED_MS_MAX, root.output);
  t.match(established.output, /failed 0 /);
  t.ok(growth < FLOOD_GROWTH_MIB_MAX, `${growth} MiB`);
  t.equal(await alive(lab, node), 'alive');
  t.ok(node.log().length < 1_000_000, `${node.log().length} bytes of log`);
}

for (const kind of KINDS) {
  t.test(`${kind}: hostile requests over all services`, { skip: skipReason([kind], kind === 'stock') }, (t) =>
    campaign(t, kind, async (node) => {
      const user = await Attacker.on(node, GRANTED);
      const share = String(Math.ceil(HOSTILE / SERVICES.length));
      return SERVICES.map((service, seed) => user.start('storm', service, share, String(seed + 1)));
    }),
  );

  t.test(`${kind}: hostile handshakes over all services`, { skip: skipReason([kind], kind === 'stock') }, (t) =>
    campaign(t, kind, async (node) => {
      // One who does not wait is soon not looked at any more; the other one is served to the end.
      const [hasty, patient] = [await Attacker.on(node, GRANTED), await Attacker.on(node, GRANTED_TOO)];
      const patientShare = Math.min(Math.ceil(HOSTILE / 100), PATIENT_MAX);
      const share = Math.ceil((HOSTILE - patientShare * 2) / SERVICES.length);
      return [
        ...SERVICES.map((service, seed) => hasty.start('hail', service, String(share), String(seed + 1), 'hasty')),
        ...SERVICES.slice(0, 2).map((service) => patient.start('hail', service, String(patientShare), '9', 'patient')),
      ];
    }),
  );
}

t.test(
  'full shared memory: the client’s status is stock’s, and the log has the reason',
  { skip: skipReason(['ours', 'stock']) },
  async (t) => {
    const lab = await Lab.create({ ...options, system: [] }, ['ours', 'stock']);
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
