import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { labUnavailable, ROOT } from '../test/interop/lab/host.ts';
import { Lab } from '../test/interop/lab/lab.ts';
import type { DaemonKind } from '../test/interop/lab/node.ts';
import { program } from '../test/interop/lab/programs.ts';
import { COUNT, toolNumber, toolNumbers, toolOptions, toolWords } from '../test/tool-options.ts';
import { type LossyFigures, lossy } from './lossy.ts';
import { groupOf } from './measures.ts';
import { MEASURED_SECONDS, MESSAGE_BYTES_MAX } from './rig.ts';

/**
 * Throughput of a ring whose network loses datagrams: stock's daemon and ours in turn, same machine, same run.
 *
 *   node dist/perf/loss.js [--nodes 3] [--loss 0,1,5,20] [--size 1400] [--links 1] [--seconds 5] [--rounds 1]
 *                          [--rings stock,ours] [--plain] [--realtime]
 *
 * The loss is that of each datagram on its way into each node, in percent (nftables, `numgen random`). `--rings` names what runs on
 * the nodes, `ours+stock+ours` being a mixed ring. One client of node 1 multicasts without a pause and counts what it gets back.
 */
const USAGE = `npm run perf:loss -- [options]   throughput of a ring whose network loses datagrams
  --nodes 3 --links 1
  --loss 0,1,5,20                percent of each node's incoming datagrams
  --size 1400                    bytes of a message
  --seconds 5 --rounds 1
  --rings stock,ours             what runs on the nodes; ours+stock+ours: a mixed ring
  --plain                        without encryption
  --realtime                     with SCHED_RR
  --totem 'KEY: VALUE'           a line of the configuration; may be repeated
`;

const values = toolOptions(USAGE, {
  nodes: { type: 'string', default: '3' },
  loss: { type: 'string', default: '0,1,5,20' },
  size: { type: 'string', default: '1400' },
  links: { type: 'string', default: '1' },
  seconds: { type: 'string', default: '5' },
  rounds: { type: 'string', default: '1' },
  rings: { type: 'string', default: 'stock,ours' },
  plain: { type: 'boolean', default: false },
  realtime: { type: 'boolean', default: false },
  totem: { type: 'string', multiple: true, default: [] },
});

const losses = toolNumbers(USAGE, 'loss', values.loss, { min: 0, max: 100, fractions: true });
const nodeCount = toolNumber(USAGE, 'nodes', values.nodes, { min: 1, max: 64 });
const links = toolNumber(USAGE, 'links', values.links, { min: 1, max: 8 });
const size = toolNumber(USAGE, 'size', values.size, { min: 1, max: MESSAGE_BYTES_MAX });
const seconds = toolNumber(USAGE, 'seconds', values.seconds, MEASURED_SECONDS);
const rounds = toolNumber(USAGE, 'rounds', values.rounds, COUNT);
const rings = values.rings.split(',');
for (const ring of rings) toolWords(USAGE, 'rings', ring.replaceAll('+', ','), ['stock', 'ours', 'newer']);

interface Row extends LossyFigures {
  readonly ring: string;
  readonly lossPercent: number;
}

const unavailable = labUnavailable();
if (unavailable !== false) {
  console.log(`the performance suite cannot run here: ${unavailable}`);
  process.exit(1);
}

const rows: Row[] = [];
console.log('ring               loss %       msg/s   of 0 %   ring changes   sent again');
for (let round = 0; round < rounds; round++) for (const ring of rings) await measureRing(ring);
save();

async function measureRing(ring: string): Promise<void> {
  const names = ring.split('+');
  const kinds = Array.from({ length: nodeCount }, (_, at) => names[at % names.length] as DaemonKind);
  const bench = await program('cpgbench');
  const lab = await Lab.up(
    {
      transport: 'knet',
      links,
      ...(values.plain ? {} : { crypto: { cipher: 'aes256', hash: 'sha256' } }),
      tokenMs: 3650,
      totem: values.totem,
      system: [`sched_rr: ${values.realtime ? 'yes' : 'no'}`],
    },
    kinds,
  );
  try {
    for (const node of lab.nodes.slice(1))
      await node.space.start(bench, [groupOf(1), '0', '0', 'quiet']).waitFor(/ready/, 30_000);
    await lab.node(1).space.run(bench, [groupOf(1), String(size), '3']);
    let lossless = 0;
    for (const lossPercent of losses) {
      const row = { ring, lossPercent, ...(await lossy(lab, lossPercent, size, seconds)) };
      if (lossPercent === 0) lossless = row.perSec;
      rows.push(row);
      print(row, lossless);
    }
  } finally {
    await lab.close();
  }
}

function print(row: Row, lossless: number): void {
  const columns = [
    row.ring.padEnd(18),
    String(row.lossPercent).padStart(6),
    row.perSec.toFixed(0).padStart(11),
    (lossless > 0 ? (row.perSec / lossless).toFixed(2) : '').padStart(8),
    String(row.ringChanges).padStart(14),
    String(row.retransmitted).padStart(12),
  ];
  console.log(columns.join(' '));
}

function save(): void {
  const directory = join(ROOT, 'perf/results');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `loss-${new Date().toISOString().replace(/[:.]/g, '-')}.json`);
  const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, kernel: release(), node: process.version };
  writeFileSync(file, `${JSON.stringify({ machine, options: values, rows }, null, 2)}\n`);
  console.log(`machine: ${machine.cores} cores, ${machine.cpu}, Linux ${machine.kernel}, Node ${machine.node}`);
}
