import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';
import { program } from './lab/programs.ts';

/** Each line of event-order.c: what a client, having its response, dispatches without waiting. */
const ROUNDS = 500;

const DEVICE = 'device {\n  model: net\n  votes: 1\n  net {\n    host: 10.91.0.9\n  }\n}';

async function orders(kind: DaemonKind, device: boolean): Promise<Map<string, string>> {
  const quorum = ['provider: corosync_votequorum', ...(device ? [DEVICE] : [])];
  const lab = await Lab.up({ transport: 'udpu', quorum, system: ['sched_rr: no'] }, [kind]);
  try {
    const args = [String(ROUNDS), ...(device ? ['device'] : [])];
    const { code, stdout } = await lab.node(1).space.run(await program('event-order'), args, { timeoutMs: 120_000 });
    if (code !== 0) throw new Error(`${kind}: status ${code}: ${stdout}`);
    const lines = stdout.trimEnd().split('\n');
    return new Map(lines.map((line) => line.split(': ') as [string, string]));
  } finally {
    await lab.close();
  }
}

for (const device of [false, true]) {
  const name = `events of a request are there when its answer is${device ? ', with a quorum device' : ''}`;
  t.test(name, { skip: skipReason(['ours']) }, async (t) => {
    const [stock, ours] = await Promise.all([orders('stock', device), orders('ours', device)]);
    for (const [line, wanted] of stock) {
      const always = /^event (\d+) ready \1 of \1$/.test(wanted);
      if (always) t.equal(ours.get(line), wanted, line);
      else t.comment(`${line} is a race on stock, too: ${wanted}; ours ${ours.get(line)}`);
    }
    t.same([...ours.keys()], [...stock.keys()], 'all were tried');
  });
}
