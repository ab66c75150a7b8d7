import { setTimeout as delay } from 'node:timers/promises';
import { labUnavailable } from '../test/interop/lab/host.ts';
import type { LabNode } from '../test/interop/lab/node.ts';
import { MINUTES, toolNumber, toolOptions, toolWords } from '../test/tool-options.ts';
import { groupOf } from './measures.ts';
import { CONDITIONS, DRESS_NAMES, Rig } from './rig.ts';

/**
 * How long a ring of ours stands still under full load: times from one visit of the token to the next, by size, and what the garbage collector
 * had of it, by thread, as the daemons' own metrics have them. A client of node 1 multicasts without a pause, the other nodes receive.
 */
const USAGE = `node dist/perf/stalls.js [options]   rotations of the token under full load by length, collections by thread
  --minutes 10 --nodes 3 --dress secure --bytes 1400
  --condition quiet              ${CONDITIONS.join(', ')}
`;
const values = toolOptions(USAGE, {
  minutes: { type: 'string', default: '10' },
  nodes: { type: 'string', default: '3' },
  dress: { type: 'string', default: 'secure' },
  bytes: { type: 'string', default: '1400' },
  condition: { type: 'string', default: 'quiet' },
});
const minutes = toolNumber(USAGE, 'minutes', values.minutes, MINUTES);
const nodes = toolNumber(USAGE, 'nodes', values.nodes, { min: 1, max: 8 });
const bytes = toolNumber(USAGE, 'bytes', values.bytes, { min: 1, max: 1_000_000 });
const [dress] = toolWords(USAGE, 'dress', values.dress, DRESS_NAMES);
const [condition] = toolWords(USAGE, 'condition', values.condition, CONDITIONS);
const unavailable = labUnavailable();
if (unavailable !== false) {
  console.log(`the performance suite cannot run here: ${unavailable}`);
  process.exit(1);
}

const PORT = 9180;
const WARM_UP_MS = 20_000;
const BUCKET = /^rondo_token_rotation_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm;
const COLLECTION = /^rondo_collection(s|_seconds|_longest_seconds)(?:_total)?\{thread="(\w+)",kind="(\w+)"\} (\S+)$/gm;

interface Reading {
  /** Rotations of at most so many seconds, as Prometheus counts them. */
  readonly upTo: ReadonlyMap<string, number>;
  readonly collections: ReadonlyMap<string, number>;
}

async function read(node: LabNode): Promise<Reading> {
  const script = `fetch('http://127.0.0.1:${PORT}/metrics').then((response) => response.text()).then(console.log)`;
  const { stdout } = await node.space.run(process.execPath, ['-e', script]);
  return {
    upTo: new Map([...stdout.matchAll(BUCKET)].map(([, bound, count]) => [bound!, Number(count)])),
    collections: new Map(
      [...stdout.matchAll(COLLECTION)].map(([, what, thread, kind, value]) => [
        `${thread} ${kind} ${what}`,
        Number(value),
      ]),
    ),
  };
}

/** Rotations by the bucket that they fell into, without those of before. */
function rotations(before: Reading, after: Reading): string {
  let below = 0;
  const parts: string[] = [];
  for (const [bound, count] of after.upTo) {
    const upTo = count - (before.upTo.get(bound) ?? 0);
    if (upTo > below) parts.push(`≤ ${bound === '+Inf' ? '∞' : Number(bound) * 1000} ms ${upTo - below}`);
    below = upTo;
  }
  return parts.join(', ');
}

function collections(before: Reading, after: Reading): string {
  const kinds = new Set([...after.collections.keys()].map((key) => key.slice(0, key.lastIndexOf(' '))));
  const ms = (seconds: number): string => `${(seconds * 1000).toFixed(1)} ms`;
  return [...kinds]
    .map((kind) => {
      const since = (what: string): number =>
        (after.collections.get(`${kind} ${what}`) ?? 0) - (before.collections.get(`${kind} ${what}`) ?? 0);
      const longest = after.collections.get(`${kind} _longest_seconds`) ?? 0;
      return `${kind} ${since('s')} in ${ms(since('_seconds'))}, longest since the start ${ms(longest)}`;
    })
    .join('; ');
}

await Rig.with(
  { nodes, dress: dress ?? 'secure', condition: condition ?? 'quiet', system: [`metrics: 127.0.0.1:${PORT}`] },
  'ours',
  async (rig) => {
    await rig.receivers(groupOf(1));
    const load = await rig.load(bytes);
    await delay(WARM_UP_MS);
    for (const node of rig.lab.nodes) await read(node); // collections of the ring thread are counted from here on
    await delay(6000);
    const before = await Promise.all(rig.lab.nodes.map(read));
    const [delivered, startMs] = [await rig.counter('mcast_rx'), performance.now()];
    await delay(minutes * 60_000);
    const perSecond = ((await rig.counter('mcast_rx')) - delivered) / ((performance.now() - startMs) / 1000);
    const after = await Promise.all(rig.lab.nodes.map(read));
    await delay(6000);
    const last = await Promise.all(rig.lab.nodes.map(read));
    await load.stop();
    console.log(
      `${nodes} nodes, ${dress}, ${bytes} B, ${minutes} minutes, ${Math.round(perSecond)} frames a second at node 1`,
    );
    rig.lab.nodes.forEach((node, at) => {
      console.log(`node ${node.id}: rotations ${rotations(before[at]!, after[at]!)}`);
      console.log(`node ${node.id}: collections ${collections(before[at]!, last[at]!)}`);
    });
  },
);
