import t from 'tap';
import { describe, FULL, mixtures, skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind, LabNode } from './lab/node.ts';
import { sleep, until } from './lab/process.ts';

/**
 * How long survivors take to the new view, with stock's defaults for a ring of this size, from the last survivor's log: a daemon is killed while its host
 * lives, a cable is pulled. And what is no death: a pause of two seconds. `RONDO_LAB_RUNS` rounds.
 */
const ROUNDS = Number(process.env['RONDO_LAB_RUNS'] ?? 3);
/** Of a ring of ours in the full programme: each death comes in another phase of the PINGs. */
const ROUNDS_FULL = Number(process.env['RONDO_LAB_RUNS'] ?? 20);
/** How long nothing happens before a cable is pulled, in milliseconds; in the full programme longer the first time. */
const CALM_MS = 3_000;
const CALM_FULL_MS = 12_000;
const NODES = Number(process.env['RONDO_LAB_NODES'] ?? 3);
const TOKEN_MS = 3000 + 650 * (NODES - 2);
/** The two timeouts that a death costs otherwise. */
const TIMEOUTS_MS = 2.2 * TOKEN_MS;
const PAUSE_MS = 2000;
const POLL_MS = 50;
const DAY_MS = 86_400_000;

const DEFAULTS = { transport: 'knet', tokenMs: 3000, totem: ['token_coefficient: 650'] } as const;

const count = (node: LabNode): number => node.log().split('A new membership').length;

/** Time of day of the first new membership in these lines, in milliseconds; `null`: there is none. */
function membershipMs(log: string): number | null {
  const [, hours, minutes, seconds] = /^\w+ +\d+ (\d+):(\d+):([\d.]+) .*A new membership/m.exec(log) ?? [];
  return hours === undefined ? null : (Number(hours) * 60 + Number(minutes)) * 60_000 + Number(seconds) * 1_000;
}

function timeOfDayMs(): number {
  const now = new Date();
  return now.getTime() - new Date(now).setHours(0, 0, 0, 0);
}

/** Milliseconds until all of `survivors` have logged one more membership, by the times in their logs: who looks all the time takes them from the daemons. */
async function nextView(survivors: readonly LabNode[], act: () => void | Promise<void>): Promise<number> {
  const before = survivors.map((node) => node.logBytes);
  const startMs = timeOfDayMs();
  await act();
  const formedMs = await until(
    'a new membership of all survivors',
    () => {
      const times = survivors.map((node, at) => membershipMs(node.logSince(before[at]!)));
      return times.includes(null) ? null : times.map(Number);
    },
    2 * TIMEOUTS_MS + 10_000,
    POLL_MS,
  );
  return Math.round(Math.max(...formedMs.map((ms) => (ms - startMs + DAY_MS) % DAY_MS)));
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

const ours = Array.from({ length: NODES }, (): DaemonKind => 'ours');
const kinds = mixtures([
  ours,
  [...ours.slice(0, -2), 'stock', 'ours'],
  ...(FULL ? [[...ours.slice(0, -1), 'stock'] as const, ours.map((): DaemonKind => 'stock')] : []),
]);

for (const mix of kinds) {
  t.test(`deaths are noticed: ${describe(mix)}, the last is ${mix.at(-1)}`, { skip: skipReason(mix) }, async (t) => {
    const lab = await Lab.create(DEFAULTS, mix);
    t.teardown(() => lab.close());
    for (const node of lab.nodes) node.startDaemon();
    await lab.waitRing(lab.nodes, 60_000);
    const victim = lab.node(NODES);
    const survivors = lab.nodes.filter((node) => node !== victim);
    const allOurs = mix.every((kind) => kind === 'ours');
    const rounds = FULL && allOurs ? ROUNDS_FULL : ROUNDS;
    const witness = survivors.some(({ kind }) => kind === 'ours');

    const killed: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await sleep(1_500 + ((round * 397) % 900)); // links have had their first seconds; another phase of their PINGs each time
      killed.push(await nextView(survivors, () => victim.killDaemon()));
      victim.startDaemon();
      await lab.waitRing(lab.nodes, 60_000);
    }
    t.comment(`daemon killed: ${killed.join(' ')} ms, median ${median(killed)}`);
    if (witness) t.ok(median(killed) < TOKEN_MS / 2, `median ${median(killed)} ms, far below the token timeout`);

    const pulled: number[] = [];
    for (let round = 0; round < Math.ceil(rounds / 3); round++) {
      await sleep(FULL && round === 0 ? CALM_FULL_MS : CALM_MS);
      pulled.push(await nextView(survivors, () => victim.cut()));
      await victim.heal();
      await lab.waitRing(lab.nodes, 60_000);
    }
    t.comment(`cable pulled: ${pulled.join(' ')} ms, median ${median(pulled)}`);
    if (allOurs) t.ok(median(pulled) < TOKEN_MS, `median ${median(pulled)} ms, before the token timeout`);

    await sleep(2_000);
    const before = lab.nodes.map(count);
    for (let round = 0; round < rounds; round++) {
      victim.freeze();
      await sleep(PAUSE_MS);
      victim.thaw();
      await sleep(1_000);
    }
    const after = lab.nodes.map(count);
    t.comment(`memberships before and after ${rounds} pauses: ${before.join(' ')}, ${after.join(' ')}`);
    // A stock node that was paused takes all its links down itself: a ring of stock changes, too.
    if (mix.at(-1) === 'ours') t.same(after, before, `pauses of ${PAUSE_MS} ms change no membership`);
  });
}
