import t from 'tap';
import { skipReason } from './lab/cases.ts';
import type { ClusterOptions } from './lab/conf.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';
import { program } from './lab/programs.ts';

/** C programs walk through the libraries; each line they print must be what stock's daemon makes them print. */
const OURS: DaemonKind = process.env['RONDO_LAB_KINDS'] === undefined ? 'ours' : 'stock';
const WALKS = ['walk-cmap', 'walk-cpg', 'walk-quorum'] as const;
const rings: readonly ClusterOptions[] = [
  { transport: 'udpu' },
  {
    transport: 'knet',
    quorum: [
      'provider: corosync_votequorum',
      'device {\n  model: net\n  votes: 1\n  timeout: 60000\n  net {\n    host: 10.91.0.9\n  }\n}',
    ],
  },
];

async function walkAll(options: ClusterOptions, first: DaemonKind): Promise<Map<string, string[]>> {
  const lab = await Lab.up(options, [first, 'stock', 'stock'], true);
  try {
    const outputs = new Map<string, string[]>();
    const lineOf = options.quorum === undefined ? (line: string) => line : withoutAdopted;
    for (const walk of WALKS) {
      const { code, stdout } = await lab.node(1).space.run(await program(walk), [], { timeoutMs: 90_000 });
      outputs.set(walk, [...stdout.trimEnd().split('\n').map(lineOf), `status ${code}`]);
    }
    return outputs;
  } finally {
    await lab.close();
  }
}

/**
 * With a device: whether the node infos of another node carry 3 or 4 expected votes depends on whose arrived first at that node, in rings of
 * stock too (services.md 7.6).
 */
function withoutAdopted(line: string): string {
  return line.replace(/^(getinfo [23] = .* expected )[34] /, '$1(3 or 4) ');
}

t.jobs = 2;
for (const [at, options] of rings.entries()) {
  const name = at === 0 ? 'over udpu' : 'with a quorum device configured, over knet';
  t.test(`libraries ${name}`, { buffered: true, skip: skipReason([OURS]) }, async (t) => {
    t.setTimeout(400_000);
    const [stock, ours] = await Promise.all([walkAll(options, 'stock'), walkAll(options, OURS)]);
    for (const walk of WALKS) {
      t.equal((stock.get(walk)?.length ?? 0) > 20, true, `${walk}: ${stock.get(walk)?.length} lines`);
      t.same(ours.get(walk), stock.get(walk), walk);
    }
  });
}
