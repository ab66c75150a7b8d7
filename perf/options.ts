import type { ClusterOptions } from '../test/interop/lab/conf.ts';
import type { DaemonKind } from '../test/interop/lab/node.ts';

export type RingName = 'udpu' | 'knet' | 'knet-crypto';

export interface PerfOptions {
  readonly nodes: readonly number[];
  readonly rings: readonly RingName[];
  readonly sizes: readonly number[];
  readonly seconds: number;
  readonly repeat: number;
  readonly kinds: readonly DaemonKind[];
  readonly json: string | null;
}

export const USAGE = `usage: npm run perf -- [options]
  --nodes 1,2,3                     ring sizes
  --rings udpu,knet,knet-crypto     transports (knet-crypto: aes256 and sha256)
  --sizes 64,1400,10000,100000      bytes a message
  --seconds 3                       of each measurement
  --repeat 1                        measurements of each kind, in turn; the best counts
  --only ours|stock                 one kind of daemon
  --json FILE                       results; default perf/results/TIME.json
  --quick                           3 nodes, knet-crypto, 64 and 10000 bytes, 2 s`;

export const RINGS: Readonly<Record<RingName, ClusterOptions>> = {
  udpu: { transport: 'udpu', tokenMs: 3000 },
  knet: { transport: 'knet', tokenMs: 3000 },
  'knet-crypto': { transport: 'knet', tokenMs: 3000, crypto: { cipher: 'aes256', hash: 'sha256' } },
};

/** `null`: not understood, or help is wanted. */
export function parseOptions(args: readonly string[]): PerfOptions | null {
  const values = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const [, name, inline] = /^--([a-z]+)(?:=(.*))?$/.exec(args[at] ?? '') ?? [];
    if (name === undefined || name === 'help') return null;
    if (name === 'quick') {
      values.set('nodes', '3').set('rings', 'knet-crypto').set('sizes', '64,10000').set('seconds', '2');
    } else values.set(name, inline ?? args[++at] ?? '');
  }
  const list = (name: string, fallback: string): string[] => (values.get(name) ?? fallback).split(',').filter(Boolean);
  const rings = list('rings', 'udpu,knet,knet-crypto').filter((name): name is RingName => name in RINGS);
  const only = values.get('only');
  return {
    nodes: list('nodes', '1,2,3').map(Number),
    rings,
    sizes: list('sizes', '64,1400,10000,100000').map(Number),
    seconds: Number(values.get('seconds') ?? 3),
    repeat: Number(values.get('repeat') ?? 1),
    kinds: only === 'ours' ? ['ours'] : only === 'stock' ? ['stock'] : ['stock', 'ours'],
    json: values.get('json') ?? null,
  };
}
