import t from 'tap';
import { PLOAD_EXIT_CODE, PLOAD_MAGIC } from '../../src/services/pload/engine.ts';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';

const SETTINGS = [
  ['pload.count', 'u32', '2000'],
  ['pload.size', 'u32', '2000000'],
  ['pload.start', 'str', 'please'],
  ['pload.size', 'u32', '300'],
  ['pload.start', 'str', PLOAD_MAGIC],
] as const;

interface Outcome {
  /** Lines without the time of day; of numbers that a run measures only the form. */
  readonly lines: readonly string[];
  /** Bytes of one megabyte, as the last line counts them. */
  readonly megabyte: number;
  readonly code: number | null | undefined;
}

async function outcome(kind: DaemonKind): Promise<Outcome> {
  const lab = await Lab.up({ transport: 'udpu', tokenMs: 1000 }, [kind]);
  try {
    const node = lab.node(1);
    for (const [key, type, value] of SETTINGS) await node.tool('corosync-cmapctl', '-s', key, type, value);
    const end = await node.daemon?.exited;
    const lines = [...node.log().matchAll(/^.* corosync (\w+ +\[PLOAD *\].*)$/gm)]
      .map(([, text]) => text ?? '')
      .filter((line) => !line.endsWith('the hard way'));
    const [, perSecond, megabytes] = /, +([\d.]+) TP\/S, +([\d.]+) MB\/S/.exec(lines.join('\n')) ?? [];
    return {
      lines: lines.map((line) =>
        line.replace(/ +\d+\.(\d+)(?= seconds| TP| MB)/g, (_, digits: string) => ` N.${digits.length}`),
      ),
      megabyte: (Number(perSecond) * 300) / Number(megabytes),
      code: end?.code,
    };
  } finally {
    await lab.close();
  }
}

/** Stock often ends before its last words are in its file; on a busy machine that may be the figures, too. */
async function stockOutcome(tries = 4): Promise<Outcome> {
  const found = await outcome('stock');
  return tries <= 1 || found.lines.some((line) => line.includes(' Writes ')) ? found : stockOutcome(tries - 1);
}

t.test('the load generator, beside stock', { skip: skipReason(['ours', 'stock']) }, async (t) => {
  t.setTimeout(180_000);
  const [ours, stock] = await Promise.all([outcome('ours'), stockOutcome()]);
  t.same(ours.lines, stock.lines);
  t.match(
    stock.lines.join('\n'),
    /pload size limited[\s\S]*Starting pload![\s\S]* 2000 Writes 300 bytes per write N\.3 seconds/,
  );
  for (const { megabyte, code } of [ours, stock]) {
    t.ok(Math.abs(megabyte / 2 ** 20 - 1) < 0.01, `a MB has ${megabyte} bytes`);
    t.equal(code, PLOAD_EXIT_CODE);
  }
});
