import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { oursUnavailable, ROOT } from '../test/interop/lab/host.ts';
import { Lab } from '../test/interop/lab/lab.ts';
import type { DaemonKind } from '../test/interop/lab/node.ts';
import type { Running } from '../test/interop/lab/process.ts';
import { program } from '../test/interop/lab/programs.ts';
import { type PerfOptions, parseOptions, RINGS, type RingName, USAGE } from './options.ts';

/**
 * Throughput of ours and of stock Corosync, in turn, in one run, with the same C client: one process multicasts to a
 * group with a member on every node and counts what it gets back. Ratios matter, not absolute figures.
 */
interface Sample {
  readonly ring: RingName;
  readonly nodes: number;
  readonly kind: DaemonKind;
  readonly size: number;
  readonly perSecond: number;
  readonly megabytesPerSecond: number;
}

async function measure(
  ring: RingName,
  nodes: number,
  kind: DaemonKind,
  options: PerfOptions,
): Promise<readonly Sample[]> {
  const kinds = Array.from({ length: nodes }, () => kind);
  const lab = await Lab.up(RINGS[ring], kinds);
  try {
    const bench = await program('cpgbench');
    const listeners: Running[] = [];
    for (const node of lab.nodes.slice(1)) {
      const listener = node.space.start(bench, ['perf', '1', '1', 'quiet']);
      await listener.waitFor(/ready/);
      listeners.push(listener);
    }
    const samples: Sample[] = [];
    const timeoutMs = (options.seconds + 30) * 1000;
    for (const size of options.sizes) {
      const args = ['perf', String(size), String(options.seconds)];
      const { perSecond, megabytesPerSecond } = JSON.parse(await lab.node(1).space.must(bench, args, { timeoutMs }));
      samples.push({ ring, nodes, kind, size, perSecond, megabytesPerSecond });
    }
    for (const listener of listeners) await listener.stop();
    return samples;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`${kind}, ${ring}, ${nodes} nodes: ${text}\n${lab.logs(10)}`);
  } finally {
    await lab.close();
  }
}

type Key = Omit<Sample, 'perSecond' | 'megabytesPerSecond'>;

function best(samples: readonly Sample[], key: Key): number | null {
  const found = samples.filter(
    ({ ring, nodes, kind, size }) => ring === key.ring && nodes === key.nodes && kind === key.kind && size === key.size,
  );
  return found.length === 0 ? null : Math.max(...found.map((sample) => sample.perSecond));
}

const cell = (value: number | null, digits = 0): string => (value === null ? '-' : value.toFixed(digits)).padStart(10);

function printRows(samples: readonly Sample[], ring: RingName, nodes: number, sizes: readonly number[]): void {
  for (const size of sizes) {
    const stock = best(samples, { ring, nodes, size, kind: 'stock' });
    const ours = best(samples, { ring, nodes, size, kind: 'ours' });
    const ratio = stock === null || ours === null ? null : ours / stock;
    const megabytes = ours === null ? null : (ours * size) / 1e6;
    const head = `${ring.padEnd(12)} ${String(nodes).padStart(5)} ${String(size).padStart(9)}`;
    console.log(`${head}  ${cell(stock)}  ${cell(ours)}  ${cell(megabytes, 1)} ${cell(ratio, 2)}`);
  }
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  const missing = options === null ? USAGE : oursUnavailable();
  if (options === null || missing) {
    console.log(missing);
    return 2;
  }
  const samples: Sample[] = [];
  console.log('ring         nodes     bytes     stock/s      ours/s   ours MB/s      ratio');
  for (const nodes of options.nodes) {
    for (const ring of options.rings) {
      for (let round = 0; round < options.repeat; round++) {
        for (const kind of options.kinds) samples.push(...(await measure(ring, nodes, kind, options)));
      }
      printRows(samples, ring, nodes, options.sizes);
    }
  }
  const name = `${new Date().toISOString().replaceAll(':', '-')}.json`;
  const file = options.json ?? join(ROOT, 'perf/results', name);
  mkdirSync(dirname(file), { recursive: true });
  const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, node: process.version };
  writeFileSync(file, `${JSON.stringify({ machine, options, samples }, null, 1)}\n`);
  return 0;
}

process.exitCode = await main();
