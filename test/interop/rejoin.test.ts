import t from 'tap';
import { FULL, skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';
import { program } from './lab/programs.ts';

/** A process whose connection ended comes again at once, with the same pid: the events that it gets, beside stock. */
const WAYS = {
  exec: FULL ? 500 : 100,
  'exec-busy': FULL ? 200 : 50,
  'exec-device': 30,
  'cut-new': 300,
  'cut-old': 100,
  finalize: 200,
  leave: 100,
  'device-old': 20,
  'gone-cmap': 200,
  'gone-cfg': 200,
  'gone-quorum': 200,
  'gone-votequorum': 200,
  'gone-cpg': 200,
  'gone-cpg-joined': 100,
  'gone-cpg-finalize': 100,
  // The last: the daemon ends.
  shutdown: 1,
};
const DEVICE = 'device {\n  model: net\n  votes: 1\n  net {\n    host: 10.91.0.9\n  }\n}';

async function comeAgain(kind: DaemonKind): Promise<string[]> {
  const quorum = ['provider: corosync_votequorum', DEVICE];
  const lab = await Lab.up({ transport: 'udpu', quorum, system: ['sched_rr: no'] }, [kind]);
  try {
    const lines: string[] = [];
    for (const [way, rounds] of Object.entries(WAYS)) {
      const startMs = performance.now();
      const { stdout } = await lab
        .node(1)
        .space.run(await program('rejoin'), [way, String(rounds)], { timeoutMs: 150_000 });
      t.comment(`${kind} ${way}: ${rounds} rounds in ${Math.round(performance.now() - startMs)} ms`);
      lines.push(stdout.trim());
    }
    return lines;
  } finally {
    await lab.close();
  }
}

t.test('a close is seen before the request of a later connection', { skip: skipReason(['ours']) }, async (t) => {
  const [stock, ours] = await Promise.all([comeAgain('stock'), comeAgain('ours')]);
  for (const [at, [way, rounds]] of Object.entries(WAYS).entries()) {
    const joins = way === 'cut-old' || way === 'device-old' ? 2 * rounds : rounds;
    t.equal(stock[at], `${way}: status 1 x ${joins}`, `${way} on stock`);
    t.equal(ours[at], stock[at], way);
  }
});
