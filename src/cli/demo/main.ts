import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { printable } from '../../lib/printable.ts';
import { DemoCluster } from './cluster.ts';
import { DEMO_NODES_MAX } from './generate.ts';
import { type Change, ringLabel } from './model.ts';
import { clock, renderView } from './render.ts';
import { AnsiScreen } from './screen.ts';

const REDRAW_MS = 200;
const REPORT_MS = 5_000;
const USAGE = `usage: npm start -- [--nodes N] [--transport knet|udpu] [--lines] [--for SECONDS]
  --nodes N        daemons on 127.0.0.1 … (default 3, at most ${DEMO_NODES_MAX})
  --transport T    knet, encrypted (default), or udpu
  --lines          lines instead of the live view, also on a terminal
  --for SECONDS    end by itself
Without a terminal, lines of standard input are commands: kill N, stop N, start N, send N, load, status, quit.
`;

interface DemoArguments {
  readonly nodeCount: number;
  readonly transport: 'knet' | 'udpu';
  readonly lines: boolean;
  readonly forMs: number | null;
}

/** `npm start`: a ring of daemons on this machine, watched until the user has seen enough. Returns the exit status. */
export async function runDemo(argv: readonly string[]): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const options = demoArguments(argv);
  if (options === null) {
    process.stderr.write(USAGE);
    return 2;
  }
  const daemonEntry = fileURLToPath(new URL('../../daemon/entry.js', import.meta.url));
  const stop = new AbortController();
  const cluster = await DemoCluster.create({ ...options, daemonEntry });
  const cleanUp = (): void => cluster.destroy();
  process.once('exit', cleanUp); // also after an error nobody caught
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  process.stdout.on('error', () => stop.abort()); // the terminal was closed
  if (options.forMs !== null) setTimeout(() => stop.abort(), options.forMs);
  try {
    if (process.stdout.isTTY && process.stdin.isTTY && !options.lines) await liveView(cluster, stop);
    else await lineReport(cluster, stop);
  } finally {
    await cluster.end();
    process.off('exit', cleanUp);
  }
  return 0;
}

function demoArguments(argv: readonly string[]): DemoArguments | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        nodes: { type: 'string', default: '3' },
        transport: { type: 'string', default: 'knet' },
        lines: { type: 'boolean', default: false },
        for: { type: 'string' },
      },
    });
    const nodeCount = Number(values.nodes);
    const { transport } = values;
    const forMs = values.for === undefined ? null : Number(values.for) * 1000;
    if (!Number.isInteger(nodeCount) || nodeCount < 1 || nodeCount > DEMO_NODES_MAX) return null;
    if ((transport !== 'knet' && transport !== 'udpu') || (forMs !== null && !(forMs > 0))) return null;
    return { nodeCount, transport, lines: values.lines, forMs };
  } catch {
    return null;
  }
}

async function liveView(cluster: DemoCluster, stop: AbortController): Promise<void> {
  const screen = new AnsiScreen(process.stdout);
  let selected = 0;
  const draw = (): void => screen.draw(renderView(cluster.view(selected), screen.width, screen.height));
  const onKey = (data: string): void => {
    for (const key of data) {
      if (key === 'q' || key === '\u0003' || key === '\u0004') stop.abort();
      else if (/[1-9]/.test(key)) selected = Math.min(Number(key), cluster.size) - 1;
      else if (key === 'k') cluster.kill(selected);
      else if (key === 's') cluster.stop(selected);
      else if (key === 'r') cluster.start(selected);
      else if (key === 'm') cluster.sendOne(selected);
      else if (key === 'l') cluster.toggleLoad();
    }
    draw();
  };
  process.once('exit', () => screen.leave());
  screen.enter();
  cluster.startAll();
  process.stdin
    .setRawMode(true)
    .setEncoding('utf8')
    .on('data', onKey)
    .once('end', () => stop.abort())
    .resume();
  try {
    while (!stop.signal.aborted) {
      draw();
      await pause(REDRAW_MS, stop.signal);
    }
  } finally {
    process.stdin.off('data', onKey).setRawMode(false).pause();
    screen.leave();
  }
  process.stdout.write('Stopping the daemons …\n');
}

async function lineReport(cluster: DemoCluster, stop: AbortController): Promise<void> {
  const { title, usage, page } = cluster.view(0);
  process.stdout.write(`${title}\nPage: ${page} (and its /metrics)\nPrograms: ${usage}\n`);
  cluster.onChange = ({ timeMs, node, text }: Change) =>
    process.stdout.write(`${clock(timeMs)} ${node}: ${printable(text)}\n`);
  cluster.startAll();
  const commands = createInterface({ input: process.stdin, terminal: false });
  commands.on('line', (line) => command(cluster, line.trim(), stop));
  try {
    while (!stop.signal.aborted) {
      await pause(REPORT_MS, stop.signal);
      if (!stop.signal.aborted) process.stdout.write(`${statusLine(cluster)}\n`);
    }
  } finally {
    commands.close();
    process.stdin.destroy();
  }
  process.stdout.write('Stopping the daemons …\n');
}

function command(cluster: DemoCluster, line: string, stop: AbortController): void {
  const [word = '', argument = '1'] = line.split(/\s+/);
  const index = Number(argument) - 1;
  const commands: Readonly<Record<string, () => unknown>> = {
    kill: () => cluster.kill(index),
    stop: () => cluster.stop(index),
    start: () => cluster.start(index),
    send: () => cluster.sendOne(index),
    load: () => cluster.toggleLoad(),
    status: () => process.stdout.write(`${statusLine(cluster)}\n`),
    quit: () => stop.abort(),
  };
  const run = commands[word];
  if (run !== undefined) run();
  else if (word !== '')
    process.stdout.write(`unknown command '${word}'; there are ${Object.keys(commands).join(', ')}\n`);
}

function statusLine(cluster: DemoCluster): string {
  const view = cluster.view(0);
  const nodes = view.nodes.map((node) =>
    node.ready
      ? `${node.name} ring ${ringLabel(node.ringId)} members ${node.members.join(' ')} quorum ${node.quorate ? 'yes' : 'no'} tokens/s ${node.tokensPerSec.toFixed(0)} messages/s ${node.messagesPerSec.toFixed(0)} delivered ${node.delivered}`
      : `${node.name} ${node.process}`,
  );
  return `${clock(Date.now())} status: ${nodes.join(' | ')} | order ${view.sameOrder ? 'same' : 'DIFFERENT'}`;
}

const pause = (ms: number, signal: AbortSignal): Promise<void> => delay(ms, undefined, { signal }).catch(() => {});
