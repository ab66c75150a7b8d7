import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { FULL, skipReason } from '../interop/lab/cases.ts';
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
  rootServedMs,
  STRANGER,
} from './attacker.ts';
import { memberships } from './spoof.ts';

// Local users who take all they can get of a daemon: connections, descriptors, mappings, its time.

/** Priority is part of the defence. */
const options = { transport: 'udpu', extra: GRANTS, system: ['sched_rr: yes'] } as const;
const KINDS = ['ours', 'stock'] as const;
/** Root's tool needs a few milliseconds when the machine is quiet; this one is shared, and the tool sleeps a second when the response is TRY_AGAIN. */
const SERVED_MS_MAX = 1000;
const FLOOD_SECONDS = FULL ? 5 : 2;

const descriptors = async (node: LabNode): Promise<number> =>
  Number(await node.space.shell(`ls /proc/${await daemonPid(node)}/fd | wc -l`));
const mappings = async (node: LabNode): Promise<number> =>
  readFileSync(`/proc/${await daemonPid(node)}/maps`, 'latin1').split('\n').length;

/** The daemon itself, which has the name of the lab's process after exec. */
const daemonPid = async (node: LabNode): Promise<number> => node.daemon?.pid ?? 0;

/** What came of the attacker's attempts, by errno. */
function outcome(text: string): Readonly<Record<string, number>> {
  const words = /good.*/.exec(text)?.[0].split(' ') ?? [];
  return Object.fromEntries(words.flatMap((word, i) => (i % 2 === 0 ? [[word, Number(words[i + 1])]] : [])));
}

function checkMemory(t: Test, node: LabNode, beforeMiB: number): void {
  const growth = peakMiB(node) - beforeMiB;
  t.comment(`${node.kind}: ${growth.toFixed(0)} MiB more at most`);
  if (node.kind === 'ours') t.ok(growth < FLOOD_GROWTH_MIB_MAX, `${growth} MiB`);
}

async function start(t: Pick<Test, 'teardown'>, kind: DaemonKind): Promise<{ lab: Lab; node: LabNode }> {
  const lab = await Lab.up(options, [kind]);
  t.teardown(() => lab.close());
  return { lab, node: lab.node(1) };
}

for (const kind of KINDS) {
  for (const how of ['silent', 'byte'] as const) {
    t.test(
      `${kind}: all the connections that one user can get, ${how}`,
      { skip: skipReason([kind], kind === 'stock') },
      async (t) => {
        const { lab, node } = await start(t, kind);
        const before = await descriptors(node);
        const memoryBefore = residentMiB(node);
        const user = await Attacker.on(node, GRANTED);
        const attempts = kind === 'stock' ? 7500 : 1500;
        const attack = user.start('connect', 'cmap', String(attempts), '12328', how);
        await attack.waitFor(/good \d+.*\n/, 120_000);
        const result = outcome(attack.output);
        const served = (await (await Attacker.on(node, 0)).run('probe', 'cmap', '0.5')).stdout;
        const used = (await descriptors(node)) - before;
        const figures = `${JSON.stringify(result)}, ${used} descriptors, ${await mappings(node)} mappings`;
        t.comment(`${kind} ${how}: ${figures}, root ${served.trim()} ms`);
        if (kind === 'ours') {
          t.equal(result['good'], 1024, 'a quarter of 4096');
          t.equal(result['errno12'], attempts - 1024, 'ENOMEM, which the libraries have a status for');
          t.ok(used <= 1024 * (how === 'silent' ? 2 : 1) + 20, `${used} descriptors`);
          t.ok(delayMs(served) < SERVED_MS_MAX, served);
          checkMemory(t, node, memoryBefore);
          t.match(node.log(), /Client \d+ of user 65534 cannot connect to cmap: ENOMEM/);
          t.ok(node.log().split('cannot connect').length < 10, 'and that is not said a thousand times');
        }
        await attack.stop('SIGKILL');
        await sleep(500);
        t.equal(await alive(lab, node), 'alive');
        if (kind === 'ours') t.ok((await descriptors(node)) < before + 30, 'everything is given back');
      },
    );
  }

  t.test(`${kind}: connected and mute, without a right`, { skip: skipReason([kind], kind === 'stock') }, async (t) => {
    const { lab, node } = await start(t, kind);
    const before = await descriptors(node);
    const memoryBefore = residentMiB(node);
    const stranger = await Attacker.on(node, STRANGER);
    const attack = stranger.start('mute', 'cmap', '3000');
    await attack.waitFor(/good \d+.*\n/, 60_000);
    const served = (await (await Attacker.on(node, 0)).run('probe', 'cmap', '0.5')).stdout;
    const used = (await descriptors(node)) - before;
    t.comment(`${kind}: ${used} descriptors, root ${served.trim()} ms`);
    if (kind === 'ours') {
      t.ok(used <= 60, `${used} descriptors`);
      t.ok(delayMs(served) < SERVED_MS_MAX, served);
      checkMemory(t, node, memoryBefore);
    }
    await attack.stop('SIGKILL');
    t.equal(await alive(lab, node), 'alive');
  });

  t.test(
    `${kind}: 1000 connections of one user, at work and ending at once`,
    { skip: skipReason([kind], kind === 'stock') },
    async (t) => {
      const lab = await Lab.up({ ...options, tokenMs: 1000 }, [kind, kind]);
      t.teardown(() => lab.close());
      const node = lab.node(1);
      const memoryBefore = residentMiB(node);
      const rings = memberships(node);
      const seconds = String(FLOOD_SECONDS);
      for (const [name, attack, rare] of [
        ['requests ready all the time', ['crowd', 'quorum', '1000', seconds, '0'], true],
        ['questions for links that nobody waits for', ['crowd', 'cfg', '1000', seconds, '0'], false],
        ['requests on the ring thread', ['crowd', 'cpg', '1000', seconds, '4'], false],
        ['trackers that never read, and changes for all', ['trackers', '1000', seconds], false],
        ['rings opened at once', ['connect', 'cmap', '1000', '12328', 'late'], true],
        ['rings opened at once, ring thread', ['connect', 'cpg', '1000', '12328', 'late'], true],
      ] as const) {
        if (rare && !FULL) continue;
        // From before they connect until after they have all ended.
        const others = [
          (await Attacker.on(node, 0)).start('probe', 'cmap', '0'),
          (await Attacker.on(node, 0, 'latency')).start('10', 'cpg'),
          (await Attacker.on(node, GRANTED_TOO, 'latency')).start('10', 'cmap'),
        ] as const;
        const user = (await Attacker.on(node, GRANTED)).start(...attack);
        await user.waitFor(/good 10\d+.*\n/, 60_000);
        if (attack[0] === 'connect') {
          user.write('now\n');
          await sleep(500);
          await user.stop('SIGKILL');
        }
        await user.exited;
        await sleep(500);
        t.equal(await alive(lab, node), 'alive');
        for (const other of others) other.child.stdin?.end('.');
        await Promise.all(others.map((other) => other.exited));
        const [root, ring, too] = others.map((other) => other.output.replace('ready', '').trim());
        t.comment(`${kind}: ${name}: ${user.output.trim().replace('\n', ' ')}; root ${root} ms`);
        t.comment(`root's messages: ${ring} ms; another user: ${too} ms`);
        if (kind !== 'ours') continue;
        for (const output of [root, ring, too]) t.ok(delayMs(output ?? '') < SERVED_MS_MAX, `${name}: ${output}`);
      }
      t.comment(`${kind}: ${memberships(node) - rings} memberships`);
      if (kind === 'ours') t.equal(memberships(node), rings, 'no membership');
      checkMemory(t, node, memoryBefore);
    },
  );

  t.test(`${kind}: floods of handshakes`, { skip: skipReason([kind], kind === 'stock') }, async (t) => {
    const { lab, node } = await start(t, kind);
    const memoryBefore = residentMiB(node);
    const users: readonly (readonly [number, string])[] = [
      [STRANGER, 'full'],
      [STRANGER, 'ask'],
      [STRANGER, 'bare'],
      [GRANTED, 'full'],
      [GRANTED, 'ask'],
    ];
    const root = await Attacker.on(node, 0);
    for (const [uid, how] of users) {
      const user = await Attacker.on(node, uid);
      const attack: Running = user.start('flood', 'cmap', String(FLOOD_SECONDS), how);
      await attack.waitFor(/ready/);
      const toolMs = await rootServedMs(node);
      const { stdout } = await root.run('probe', 'cmap', String(FLOOD_SECONDS - 1));
      await attack.exited;
      const worst = delayMs(stdout);
      t.comment(
        `${kind} ${uid === GRANTED ? 'granted' : 'without a right'} ${how}: ${JSON.stringify(outcome(attack.output))}; ` +
          `root: corosync-cmapctl ${toolMs === null ? 'failed' : `${Math.round(toolMs)} ms`}, connections: ${stdout.trim()} ms`,
      );
      if (kind === 'ours') t.ok(worst < SERVED_MS_MAX, `${how}: root is served within a second, ${worst} ms`);
      t.equal(node.daemon?.alive, true);
    }
    t.equal(await alive(lab, node), 'alive');
    t.comment(`${kind}: ${node.log().split('\n').length} log lines`);
    checkMemory(t, node, memoryBefore);
  });
}
